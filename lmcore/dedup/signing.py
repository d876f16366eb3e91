"""Texts to words, signatures and band keys with the compiled kernels, a block at a time.

A *block* is (bytes of UTF-8 with padding behind, bounds): text k lies at bounds[k]:bounds[k + 1].
Blocks come from strings or straight from Arrow's buffers. Arrays are used again from block to
block: what a method returns is good until its next call.

Cost: 14 us for a document of 460 English words on one core, two thirds of it permutations.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.kernels import sign
from lmcore.dedup.kernels.forms import form_table
from lmcore.dedup.kernels.normal import normalize_texts
from lmcore.dedup.normalize import normalize
from lmcore.dedup.shingles import words
from lmcore.dedup.signatures import permutations
from lmcore.kernels.memory import PADDING

BLOCK_BYTES: Final = 1 << 20
_EXPANSION: Final = 2
"""Bytes of a normal form for each byte of text, at most: see `kernels.forms`."""

# pyarrow ships no types: an Array or ChunkedArray of strings is Any.
Texts = Iterable[str] | Any


class Block(NamedTuple):
    """Texts end to end."""

    data: np.ndarray
    bounds: np.ndarray

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.bounds) - 1


def to_block(texts: Sequence[bytes]) -> Block:
    """Returns texts end to end."""
    data = np.frombuffer(bytearray().join([*texts, bytes(PADDING)]), np.uint8)
    return Block(data, _to_bounds([len(text) for text in texts]))


def _to_bounds(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    bounds = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=bounds[1:])
    return bounds


def blocks(batches: Iterable[Texts]) -> Iterator[Block]:
    """Yields the texts of all batches (strings, or Arrow arrays of them) in blocks of about 1 MB."""
    for batch in batches:
        if isinstance(batch, pa.Array | pa.ChunkedArray):
            yield from _arrow_blocks(batch)
        else:
            yield from _text_blocks(batch)


def _text_blocks(texts: Iterable[str]) -> Iterator[Block]:
    waiting: list[bytes] = []
    n_bytes = 0
    for text in texts:
        waiting.append(text.encode("utf-8", "surrogatepass"))
        n_bytes += len(waiting[-1])
        if n_bytes >= BLOCK_BYTES:
            yield to_block(waiting)
            waiting, n_bytes = [], 0
    if waiting:
        yield to_block(waiting)


def _arrow_blocks(texts: Any) -> Iterator[Block]:
    """The same, from Arrow's offsets and bytes; a null is an empty text."""
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        column = chunk.cast(pa.large_string())
        _, offset_buffer, data_buffer = column.buffers()
        if not len(column):
            continue
        offsets = np.frombuffer(offset_buffer, np.int64)[column.offset :][: len(column) + 1]
        data = np.frombuffer(data_buffer or b"", np.uint8)
        first = 0
        while first < len(column):
            limit = offsets[first] + BLOCK_BYTES
            last = max(int(np.searchsorted(offsets, limit, "right")) - 1, first + 1)
            part = np.zeros(offsets[last] - offsets[first] + PADDING, np.uint8)
            part[:-PADDING] = data[offsets[first] : offsets[last]]
            yield Block(part, offsets[first : last + 1] - offsets[first])
            first = last


class Normalizer:
    """Normal forms of blocks, or their words: the same with spaces around unspaced characters."""

    def __init__(self, *, splits: bool) -> None:
        self._forms, self._kinds = form_table()
        self._splits = splits
        self._out = np.empty(0, np.uint8)

    def __call__(self, block: Block) -> Block:
        """Returns the normal form of each text."""
        room = _EXPANSION * len(block.data) + PADDING
        if len(self._out) < room:
            self._out = np.empty(room, np.uint8)
        bounds = np.empty(len(block) + 1, np.int64)
        is_hard = np.empty(len(block), np.uint8)
        normalize_texts(
            block.data, block.bounds, self._forms, self._kinds, int(self._splits),
            self._out, bounds, is_hard,
        )  # fmt: skip
        normal = Block(self._out, bounds)
        return self._with_hard(block, normal, is_hard) if is_hard.any() else normal

    def _with_hard(self, block: Block, normal: Block, is_hard: np.ndarray) -> Block:
        """Puts in, from plain Python, the texts that the kernel left out."""
        forms = [
            normal.data[start:stop].tobytes() for start, stop in pairwise(normal.bounds.tolist())
        ]
        for k in np.flatnonzero(is_hard).tolist():
            text = block.data[block.bounds[k] : block.bounds[k + 1]]
            forms[k] = self._in_python(text.tobytes())
        return to_block(forms)

    def _in_python(self, data: bytes) -> bytes:
        normal = normalize(data.decode(errors="surrogateescape"))
        return (" ".join(words(normal)) if self._splits else normal).encode()


class Signed(NamedTuple):
    """Signatures [text, permutation] of a block, and how many shingles each text has."""

    signatures: np.ndarray
    n_shingles: np.ndarray


class Signer:
    """Signatures and band keys of blocks of words."""

    def __init__(self, config: DedupConfig) -> None:
        self._config = config
        self._factors, self._offsets = permutations(config)
        self._ends = np.empty(0, np.int64)
        self._hashes = np.empty(0, np.int64)
        self._mixed = np.empty(0, np.uint32)

    def sign(self, block: Block) -> Signed:
        """Returns the signatures of texts as words."""
        longest = int(np.diff(block.bounds).max(initial=0)) // 2 + 1
        if len(self._ends) < longest:
            self._ends, self._hashes = np.empty(longest, np.int64), np.empty(longest, np.int64)
            self._mixed = np.empty(longest, np.uint32)
        signatures = np.empty((len(block), self._config.permutations), np.uint32)
        n_shingles = np.empty(len(block), np.int64)
        sign.sign_texts(
            block.data, block.bounds, self._config.shingle_words, self._factors, self._offsets,
            self._ends, self._hashes, self._mixed, signatures, n_shingles,
        )  # fmt: skip
        return Signed(signatures, n_shingles)

    def keys(self, signed: Signed) -> np.ndarray:
        """Returns the key of each band, [text, band]."""
        keys = np.empty((len(signed.n_shingles), self._config.bands), np.uint64)
        sign.band_keys(signed.signatures, self._config.bands, keys)
        return keys
