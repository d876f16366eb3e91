"""Documents to shards of token ids, and the shards read back as one stream.

A shard is a file of little-endian uint16 (uint32 above 65,536 ids) and nothing else, so it can be
memory-mapped and read by anything. A document is its tokens and `<|endoftext|>`, never split
over two shards. Special strings inside a document are plain text.

Split: a document is validation iff blake2b(text, salt=seed) / 2^64 < validation_fraction, so the
same text always falls on the same side. Where that leaves one side empty and there are at least
two distinct texts, the texts with the smallest hash go to validation, or those with the greatest
to training. With one distinct text there is no validation split.

`shards.json` is written last: where it exists, everything it names is complete.

    {"format": "crawl2model-shards", "version": 1, "dtype": "uint16", "vocab_size": 4096,
     "eot_id": 4092, "splits": {"train": {"n_documents": 9, "n_tokens": 80, "n_bytes": 300,
       "files": [{"name": "train-00000.bin", "n_tokens": 80}]}, "validation": {...}}}

`n_bytes` counts the UTF-8 bytes of the texts, without the end-of-text tokens: the denominator of
bits per byte. Cost: one pass of the tokenizer through a spool file beside the shards, then one
copy; memory is one document and a row of the index for each.
"""

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import UInt

from lmcore.errors import InputError
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.files import sync_directory, write_file
from lmcore.tokenizer.pretokenize import encode_utf8
from lmcore.tokens.config import TokensConfig

FILE_NAME: Final = "shards.json"
FORMAT: Final = "crawl2model-shards"
VERSION: Final = 1
SPLITS: Final = ("train", "validation")
_PARTIAL: Final = ".shards-partial"
_UINT16_IDS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class IndexRow:
    """Where one document lies."""

    doc_id: str
    split: str
    """"train" or "validation"."""
    shard: int
    """Number of the shard within its split: `{split}-{shard:05d}.bin`."""
    start: int
    """First token, counted from the start of the shard."""
    length: int
    """Tokens, the end-of-text token included."""
    n_bytes: int
    """UTF-8 bytes of the text."""


@dataclass(frozen=True, slots=True)
class _Spooled:
    doc_id: str
    text_hash: int
    length: int
    n_bytes: int


def encode_to_shards(
    documents: Iterable[tuple[str, str]],
    tokenizer: Tokenizer,
    out_dir: Path,
    config: TokensConfig,
    *,
    workers: int = 1,
) -> list[IndexRow]:
    """Write the shards of (doc_id, text) pairs and return a row a document, in their order.

    So many threads encode (0: one a core); the bytes written are the same for any number.

    Raises:
        InputError: where the documents hold no text at all, or out_dir holds shards already.
    """
    if (out_dir / FILE_NAME).exists():
        raise InputError(
            f"found {FILE_NAME} in {out_dir}; expected a directory without shards; "
            "choose another or delete them"
        )
    for split in SPLITS:
        for stale in out_dir.glob(f"{split}-*.bin"):
            stale.unlink()
    dtype = np.dtype("<u2" if tokenizer.vocab_size <= _UINT16_IDS else "<u4")
    partial = out_dir / _PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        spool = partial / "spool"
        ids = _encode(documents, tokenizer, config.seed, workers)
        spooled = _write_spool(ids, tokenizer.eot_id, spool, dtype)
        rows = _place(spooled, config)
        _copy_shards(spool, rows, partial, dtype)
        spool.unlink()
        for path in sorted(partial.iterdir()):
            path.replace(out_dir / path.name)
        sync_directory(out_dir)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "dtype": dtype.name,
        "vocab_size": tokenizer.vocab_size,
        "eot_id": tokenizer.eot_id,
        "splits": {split: summarise(split, rows) for split in SPLITS},
    }
    write_file(out_dir / FILE_NAME, (json.dumps(content, indent=1) + "\n").encode())
    return rows


def hash_text(text: str, seed: int) -> int:
    """Return the 64-bit hash that decides the split of a text."""
    salt = seed.to_bytes(16, "little")
    digest = hashlib.blake2b(encode_utf8(text), digest_size=8, salt=salt).digest()
    return int.from_bytes(digest, "little")


def _encode(
    documents: Iterable[tuple[str, str]], tokenizer: Tokenizer, seed: int, workers: int
) -> Iterator[tuple[str, int, int, UInt[np.ndarray, " tokens"]]]:
    """Yield (doc_id, hash of the text, its bytes, its ids) of every document, in order."""
    known: deque[tuple[str, int, int]] = deque()

    def texts() -> Iterator[str]:
        for doc_id, text in documents:
            known.append((doc_id, hash_text(text, seed), len(encode_utf8(text))))
            yield text

    for ids in tokenizer.encode_batch(texts(), workers=workers):
        yield *known.popleft(), ids


def _write_spool(
    documents: Iterable[tuple[str, int, int, UInt[np.ndarray, " tokens"]]],
    eot_id: int,
    spool: Path,
    dtype: np.dtype[Any],  # uint16 or uint32
) -> list[_Spooled]:
    """Write every document's tokens end to end and return what the split needs to know."""
    spooled: list[_Spooled] = []
    end = np.array([eot_id], dtype)
    with spool.open("wb") as file:
        for doc_id, text_hash, n_bytes, ids in documents:
            file.write(ids.astype(dtype).data)
            file.write(end.data)
            spooled.append(_Spooled(doc_id, text_hash, len(ids) + 1, n_bytes))
    if not any(document.n_bytes for document in spooled):
        raise InputError(
            f"found {len(spooled):,d} documents without any text; expected at least one token; "
            "check what the stages before have kept"
        )
    return spooled


def _place(spooled: list[_Spooled], config: TokensConfig) -> list[IndexRow]:
    """Decide split, shard and start of every document."""
    hashes = {document.text_hash for document in spooled}
    held_out = {h for h in hashes if h / 2**64 < config.validation_fraction}
    if len(hashes) > 1:
        held_out = (held_out or {min(hashes)}) - ({max(hashes)} if held_out == hashes else set())
    else:
        held_out = set()
    ends = dict.fromkeys(SPLITS, (0, 0))  # shard, tokens in it
    rows: list[IndexRow] = []
    for document in spooled:
        split = "validation" if document.text_hash in held_out else "train"
        shard, start = ends[split]
        if start and start + document.length > config.shard_tokens:
            shard, start = shard + 1, 0
        ends[split] = (shard, start + document.length)
        place = (split, shard, start, document.length, document.n_bytes)
        rows.append(IndexRow(document.doc_id, *place))
    return rows


def _copy_shards(
    spool: Path,
    rows: list[IndexRow],
    out_dir: Path,
    dtype: np.dtype[Any],  # uint16 or uint32
) -> None:
    """Write each split's documents, in order, into its shards."""
    tokens = np.memmap(spool, dtype, "r")
    pieces: dict[str, list[slice]] = {}
    offset = 0
    for row in rows:
        piece = slice(offset, offset + row.length)
        pieces.setdefault(shard_name(row.split, row.shard), []).append(piece)
        offset += row.length
    for name, slices in pieces.items():
        with (out_dir / name).open("wb") as file:
            for piece in slices:
                file.write(tokens[piece].data)
            file.flush()
            os.fsync(file.fileno())


def shard_name(split: str, shard: int) -> str:
    """Name the file of a shard."""
    return f"{split}-{shard:05d}.bin"


def summarise(split: str, rows: list[IndexRow]) -> dict[str, object]:
    """Return what `shards.json` says of a split."""
    mine = [row for row in rows if row.split == split]
    n_tokens: dict[str, int] = {}
    for row in mine:
        name = shard_name(split, row.shard)
        n_tokens[name] = n_tokens.get(name, 0) + row.length
    return {
        "n_documents": len(mine),
        "n_tokens": sum(n_tokens.values()),
        "n_bytes": sum(row.n_bytes for row in mine),
        "files": [{"name": name, "n_tokens": n} for name, n in n_tokens.items()],
    }


class Stretch(NamedTuple):
    """A part of the stream of the training split that can be drawn from by itself."""

    name: str
    start: int
    """first token, counted from the start of the split"""
    n_tokens: int


class TokenShards:
    """The shards of one split as one read-only stream of tokens, memory-mapped.

    Raises:
        InputError: where `shards.json` is missing or is not ours, the split is unknown, or a
            shard has another size than it should.
    """

    def __init__(self, directory: Path, split: str) -> None:
        content = read_listing(directory)
        if split not in content["splits"]:
            raise InputError(
                f"found no split {split!r} in {directory}; expected one of "
                f"{', '.join(content['splits'])}; choose one of these"
            )
        summary = content["splits"][split]
        self.dtype = np.dtype(content["dtype"]).newbyteorder("<")
        self.vocab_size = int(content["vocab_size"])
        self.eot_id = int(content["eot_id"])
        self.n_tokens = int(summary["n_tokens"])
        """Tokens of the split, end-of-text tokens included."""
        self.n_bytes = int(summary["n_bytes"])
        """UTF-8 bytes of its documents."""
        listed = content.get("sources", []) if split == "train" else []
        self.sources = tuple(Stretch(s["name"], s["start"], s["n_tokens"]) for s in listed)
        """Parts that `write_mixed` has laid out one after the other; none where the stream is one."""
        self._maps = [
            _map_shard(directory / file["name"], int(file["n_tokens"]), self.dtype)
            for file in summary["files"]
        ]
        self._ends = np.cumsum([len(shard) for shard in self._maps])

    def read(self, start: int, length: int) -> UInt[np.ndarray, " tokens"]:
        """Return a copy of tokens start .. start + length - 1 of the stream.

        Raises:
            InputError: where the stream does not hold all of them.
        """
        if start < 0 or length < 0 or start + length > self.n_tokens:
            raise InputError(
                f"found a read of {length:,d} tokens at {start:,d}; expected it within "
                f"{self.n_tokens:,d} tokens; make windows with count_windows"
            )
        out = np.empty(length, self.dtype)
        n_read = 0
        shard = int(np.searchsorted(self._ends, start, side="right"))
        while n_read < length:
            tokens = self._maps[shard]
            here = start + n_read - (int(self._ends[shard]) - len(tokens))
            piece = tokens[here : here + length - n_read]
            out[n_read : n_read + len(piece)] = piece
            n_read += len(piece)
            shard += 1
        return out


def read_listing(directory: Path) -> dict[str, Any]:  # JSON: values of many types
    """Return what `shards.json` says; InputError where it is missing or not ours."""
    path = directory / FILE_NAME
    try:
        return _parse_listing(path.read_bytes())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"found {path} unusable ({type(error).__name__}: {error}); expected a {FORMAT} file "
            f"of version {VERSION}; write the shards again"
        ) from error


def _parse_listing(data: bytes) -> dict[str, Any]:  # JSON: values of many types
    content: dict[str, Any] = json.loads(data)
    if content["format"] != FORMAT or content["version"] != VERSION:
        raise ValueError(f"format {content['format']!r} version {content['version']!r}")
    if content["dtype"] not in ("uint16", "uint32"):
        raise ValueError(f"dtype {content['dtype']!r}")
    for split in SPLITS:
        summary = content["splits"][split]
        n_tokens = sum(int(file["n_tokens"]) for file in summary["files"])
        if n_tokens != summary["n_tokens"]:
            raise ValueError(f"{n_tokens:,d} tokens in files, {summary['n_tokens']:,d} in {split}")
    return content


def _map_shard(
    path: Path,
    n_tokens: int,
    dtype: np.dtype[Any],  # uint16 or uint32
) -> UInt[np.ndarray, " tokens"]:
    n_bytes = path.stat().st_size if path.exists() else 0
    if n_bytes != n_tokens * dtype.itemsize or not n_tokens:
        raise InputError(
            f"found {n_bytes:,d} bytes in {path}; expected {n_tokens * dtype.itemsize:,d} "
            f"({n_tokens:,d} tokens of {dtype.name}); write the shards again"
        )
    return np.memmap(path, dtype, "r")
