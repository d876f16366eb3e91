"""Tensors in pieces: each process writes the part that it holds, any number of processes reads them.

A piece is a rectangular block of a named tensor, in the memory of one process. What several
processes hold alike is written by one of them, the one with the fewest bytes to write so far, so
replicas share the writing. The files are safetensors with the offsets of every piece in the header,
as torch.distributed.checkpoint's own safetensors storage lays them out: its HuggingFaceStorageReader
loads a folder of ours. Ours is read and written without it, because importing it takes 2.4 s and
200 MB, it serialises a second copy in memory, and the file would have to be read again for its hash.

A process that holds several blocks of one tensor (its heads of queries, of keys and of values) says
where by a `Part`; the second blocks go to a second file, because a file holds a name once.

Cost: a piece goes from memory to the file block by block, hashed on the way, with no copy between:
2.0 GB/s for the hash on a core with SHA instructions, 4 GB/s for the writing. Reading takes the
blocks that overlap.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lmcore.errors import InputError
from lmcore.optim.sharded import is_sharded

_BLOCK_BYTES: Final = 1 << 22
_ALIGNMENT: Final = 8
_DTYPES: Final = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_WORDS: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""What stands for any type of so many bytes, where numpy has no name for it."""

Words = Shaped[np.ndarray, "..."]
"""The bytes of a tensor, as numpy holds them."""

Index = dict[str, Any]  # JSON
"""tensor -> {"dtype", "shape", "pieces": [{"file", "offsets", "shape"}]}"""


Key = tuple[str, tuple[int, ...]]
"""A piece by its tensor's name and its offsets."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A block of a tensor, in the memory of this process."""

    name: str
    whole: tuple[int, ...]
    """Shape of the whole tensor."""
    offsets: tuple[int, ...]
    """Where in the whole the block begins."""
    tensor: Tensor

    @property
    def key(self) -> Key:
        """What tells it from all others of a checkpoint."""
        return self.name, self.offsets

    def describe(self) -> dict[str, object]:
        """What other processes have to know of it, as JSON."""
        return {
            "name": self.name,
            "dtype": _DTYPES[self.tensor.dtype],
            "whole": list(self.whole),
            "offsets": list(self.offsets),
            "shape": list(self.tensor.shape),
            "bytes": self.tensor.numel() * self.tensor.element_size(),
        }


@dataclass(frozen=True, slots=True)
class Part:
    """A tensor of this process as rows of a larger one: runs of them, each with a place in the whole."""

    tensor: Tensor
    whole: tuple[int, ...]
    runs: tuple[tuple[int, int, tuple[int, ...]], ...]
    """First row in the tensor, number of rows, and offsets in the whole."""


Held = Tensor | Part


def part_of_stack(
    tensor: Tensor, whole: tuple[int, ...], *, axis: int, n_parts: int, mine: range
) -> Part:
    """The part of a matrix that stacks projections: `mine` of the rows of each, or of the columns.

    The tensor may in turn be sharded by rows (FSDP).
    """
    offsets, local = _locate(tensor)
    begin, n_rows = offsets[0], local.shape[0]
    if axis == 1:
        return Part(local, whole, ((0, n_rows, (begin, mine.start + offsets[1])),))
    size, runs = whole[0] // n_parts, []
    for number in range(n_parts):
        first = max(begin, number * len(mine))
        last = min(begin + n_rows, (number + 1) * len(mine))
        if first < last:
            row = number * size + mine.start + first - number * len(mine)
            runs.append((first - begin, last - first, (row, *offsets[1:])))
    return Part(local, whole, tuple(runs))


def _locate(tensor: Tensor) -> tuple[tuple[int, ...], Tensor]:
    """Where this process's part of a tensor begins, and the part."""
    if not is_sharded(tensor):
        return (0,) * tensor.dim(), tensor
    (chunk,) = tensor.__create_chunk_list__()  # type: ignore[attr-defined]  # DTensor's own
    return tuple(chunk.offsets), tensor.to_local()  # type: ignore[attr-defined]


def pieces_of(held: Mapping[str, Held]) -> list[Piece]:
    """The blocks that this process holds, in the order of their names; nothing is copied."""
    found = []
    for name in sorted(held):
        part = held[name]
        if isinstance(part, Part):
            found += [
                Piece(name, part.whole, offsets, part.tensor.detach()[first : first + n_rows])
                for first, n_rows, offsets in part.runs
            ]
        else:
            offsets, local = _locate(part.detach())
            found.append(Piece(name, tuple(part.shape), offsets, local))
    return [piece for piece in found if piece.tensor.numel()]


def assign(held: Sequence[Sequence[Mapping[str, Any]]]) -> list[list[Mapping[str, Any]]]:
    """Says who writes what, from the descriptions of what each process holds."""
    holders: dict[tuple[str, tuple[int, ...]], list[tuple[int, Mapping[str, Any]]]] = {}
    for rank, pieces in enumerate(held):
        for piece in pieces:
            key = piece["name"], tuple(piece["offsets"])
            holders.setdefault(key, []).append((rank, piece))
    load = [0] * len(held)
    given: list[list[Mapping[str, Any]]] = [[] for _ in held]
    for key in sorted(holders):
        rank, piece = min(holders[key], key=lambda holder: (load[holder[0]], holder[0]))
        load[rank] += piece["bytes"]
        given[rank].append(piece)
    return given


def files_of(given: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, list[Key]]]:
    """The files of each process and the pieces in them: a second of one name goes to a second file."""
    every = []
    for rank, pieces in enumerate(given):
        seen: Counter[str] = Counter()
        files: dict[str, list[Key]] = {}
        for piece in pieces:
            number = seen[piece["name"]]
            seen[piece["name"]] += 1
            suffix = f"-{number}" if number else ""
            files.setdefault(f"shard-{rank:05d}{suffix}.safetensors", []).append(
                (piece["name"], tuple(piece["offsets"]))
            )
        every.append(files)
    return every


def index_of(
    given: Sequence[Sequence[Mapping[str, Any]]], files: Sequence[Mapping[str, Sequence[Key]]]
) -> Index:
    """What a manifest says of the tensors: where each piece lies."""
    index: Index = {}
    for pieces, found in zip(given, files, strict=True):
        places = {key: file for file, keys in found.items() for key in keys}
        for piece in pieces:
            entry = index.setdefault(
                piece["name"], {"dtype": piece["dtype"], "shape": piece["whole"], "pieces": []}
            )
            file = places[piece["name"], tuple(piece["offsets"])]
            entry["pieces"].append(
                {"file": file, "offsets": piece["offsets"], "shape": piece["shape"]}
            )
    return index


def copy_to(words: Words | None, tensor: Tensor) -> Words:
    """Copies a tensor into earlier memory of ours, or into new; other threads run meanwhile."""
    source = tensor.cpu().view(_WORDS[tensor.element_size()]).numpy()
    if words is None:
        # numpy's, because torch fills new tensors where kernels have to be deterministic
        words = np.empty(source.shape, source.dtype)
    np.copyto(words, source)
    return words


def write_pieces(path: Path, pieces: Sequence[Piece], words: Sequence[Words]) -> dict[str, object]:
    """Writes pieces, whose bytes are given, as a safetensors file; returns its hash and size.

    The file is on the disk when this returns.
    """
    head = _header(pieces)
    digest = hashlib.sha256(head)
    with path.open("wb") as file:
        file.write(head)
        for array in words:
            content = np.ascontiguousarray(array).data.cast("B")
            for start in range(0, len(content), _BLOCK_BYTES):
                block = content[start : start + _BLOCK_BYTES]
                digest.update(block)
                file.write(block)
        file.flush()
        os.fsync(file.fileno())
        return {"sha256": digest.hexdigest(), "bytes": file.tell()}


def _header(pieces: Sequence[Piece]) -> bytes:
    offsets = {piece.name: {"saved_offsets": list(piece.offsets)} for piece in pieces}
    if len(offsets) != len(pieces):
        raise ValueError("one process holds two pieces of one tensor")
    header: dict[str, object] = {
        "__metadata__": {"DCP_VERSION": "1.0", "DCP_SHARDING_INFO": json.dumps(offsets)}
    }
    end = 0
    for piece in pieces:
        start, end = end, end + piece.tensor.numel() * piece.tensor.element_size()
        header[piece.name] = {
            "dtype": _DTYPES[piece.tensor.dtype],
            "shape": list(piece.tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def check_index(index: Index, files: Iterable[str]) -> None:
    """Checks that the pieces of every tensor are its whole and lie in known files.

    Raises:
        ValueError, KeyError or TypeError: they do not.
    """
    known = set(files)
    for name, entry in index.items():
        whole = int(np.prod(entry["shape"], dtype=np.int64))
        found = sum(int(np.prod(piece["shape"], dtype=np.int64)) for piece in entry["pieces"])
        if found != whole or not {piece["file"] for piece in entry["pieces"]} <= known:
            raise ValueError(f"{found:,d} of {whole:,d} numbers of {name}")


def read_into(
    directory: Path, index: Index, tensors: Mapping[str, Held], *, is_all: bool = True
) -> None:
    """Fills this process's blocks of tensors from the pieces that overlap them.

    Where the files may hold more than this process does, `is_all` says no.

    Raises:
        InputError: the files hold other tensors, or cannot be read.
    """
    held = {name: _describe(part) for name, part in tensors.items()}
    # what has no numbers has no bytes, and is not stored
    expected = {name: what for name, what in held.items() if 0 not in what[0]}
    stored = {
        name: (entry["shape"], entry["dtype"])
        for name, entry in index.items()
        if is_all or name in expected
    }
    if stored != expected:
        odd = sorted(n for n in stored | expected if stored.get(n) != expected.get(n))
        raise InputError(
            f"found {len(odd)} other tensors in {directory} than this run has ({odd[0]}: "
            f"{stored.get(odd[0], 'none')} in the files, {expected.get(odd[0], 'none')} in the run); "
            "expected the same; resume with the configuration of the checkpoint"
        )
    targets = pieces_of(tensors)
    names = {target.name for target in targets}
    files = sorted({piece["file"] for name in names for piece in index[name]["pieces"]})
    for file in files:
        try:
            with safe_open(directory / file, framework="pt") as source:
                for target in targets:
                    for stored_piece in index[target.name]["pieces"]:
                        if stored_piece["file"] == file:
                            _fill(source, stored_piece, target)
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"found {directory / file} unreadable ({error}); expected a file of tensors; "
                "choose an earlier checkpoint or start without one"
            ) from error


def _describe(part: Held) -> tuple[list[int], str]:
    whole = part.whole if isinstance(part, Part) else part.shape
    tensor = part.tensor if isinstance(part, Part) else part
    return [*whole], _DTYPES[tensor.dtype]


def _fill(source: Any, stored: Mapping[str, Any], target: Piece) -> None:  # safetensors' open file
    """Copies what a stored piece and a block have in common."""
    begins = [max(a, b) for a, b in zip(stored["offsets"], target.offsets, strict=True)]
    ends = [
        min(a + n, b + m)
        for a, n, b, m in zip(
            stored["offsets"], stored["shape"], target.offsets, target.tensor.shape, strict=True
        )
    ]
    if any(begin >= end for begin, end in zip(begins, ends, strict=True)):
        return
    if not begins:
        target.tensor.copy_(source.get_tensor(target.name))
        return
    there = tuple(
        slice(b - o, e - o) for b, e, o in zip(begins, ends, stored["offsets"], strict=True)
    )
    here = tuple(slice(b - o, e - o) for b, e, o in zip(begins, ends, target.offsets, strict=True))
    target.tensor[here].copy_(source.get_slice(target.name)[there])


def read_whole(directory: Path, index: Index, prefix: str) -> dict[str, Tensor]:
    """The whole tensors whose names begin with a prefix, by the rest of their names."""
    types = {name: dtype for dtype, name in _DTYPES.items()}
    wanted = {name: entry for name, entry in index.items() if name.startswith(prefix)}
    tensors: dict[str, Tensor] = {
        name: torch.empty(entry["shape"], dtype=types[entry["dtype"]])
        for name, entry in wanted.items()
    }
    read_into(directory, wanted, tensors)
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
