"""Ids of blocks of text: owns the cache and the work space of the compiled encoder.

One encoder serves one thread at a time. Its buffers are used for every call, because memory that
is touched for the first time costs more than the work on it. What it keeps is bounded: at most `MOST_ENTRIES` of 32
bytes, half of them used, and a pool of the same size; when it is full it starts again empty, so
that it follows the text. What is in it never changes a result.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from lmcore.kernels.memory import PADDING
from lmcore.tokenizer.kernels import encode as kernels
from lmcore.tokenizer.kernels.merge_word import (
    LONG_WORK_BYTES,
    N_BYTES,
    build_byte_ranks,
    build_merge_table,
)
from lmcore.tokenizer.scanner import make_scanner

FIRST_ENTRIES: Final = 1 << 15
MOST_ENTRIES: Final = 1 << 21
_POOL_BYTES: Final = 8
"""Bytes of the pool for each entry: most pre-tokens have their ids in the entry."""


class MergeTable:
    """What merging needs of a tokenizer, read-only and shared by its encoders."""

    def __init__(self, byte_ids: list[int], merges: np.ndarray) -> None:
        """Take the ids of the bytes and rows (left, right, new id) in order of rank, int64."""
        self.byte_ids = np.zeros(N_BYTES + N_BYTES * N_BYTES, np.int64)
        self.byte_ids[:N_BYTES] = byte_ids
        n_places = 1 << max(4, (3 * len(merges)).bit_length())
        self.table = np.zeros((n_places, 2), np.int64)
        build_merge_table(merges, self.table)
        build_byte_ranks(self.table, self.byte_ids)


class Encoder:
    """A scanner, a cache of pre-tokens and the space to merge the others in."""

    def __init__(self, pattern: str, merges: MergeTable) -> None:
        self._merges = merges
        self._scanner = make_scanner(pattern)
        self._block = np.empty(0, np.uint8)
        self._out = np.empty(0, np.uint32)
        self._scratch = np.empty(kernels.SCRATCH, np.int64)
        self._long_work = np.empty(1 << 12, np.uint8)
        self._state = np.zeros(kernels.N_STATE, np.int64)
        self._cache = np.zeros((FIRST_ENTRIES, 4), np.int64)
        self._pool = np.empty(_POOL_BYTES * FIRST_ENTRIES, np.uint8)

    def encode(self, parts: Sequence[tuple[bytes, int]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids (uint32) of the parts, and how many there are up to the end of each.

        A part is UTF-8, and the id of the special token behind it or -1.
        """
        segments = np.empty((len(parts), 3), np.int64)
        segments[:, 1] = np.cumsum([len(data) for data, _ in parts])
        segments[0, 0], segments[1:, 0] = 0, segments[:-1, 1]
        segments[:, 2] = [special for _, special in parts]
        n_bytes = int(segments[-1, 1])
        if len(self._block) < n_bytes + PADDING:
            self._block = np.zeros(n_bytes + n_bytes // 4 + PADDING, np.uint8)
        block = self._block
        for (data, _), start in zip(parts, segments[:, 0].tolist(), strict=True):
            block[start : start + len(data)] = np.frombuffer(data, np.uint8)
        if len(self._out) < n_bytes + len(segments) + 4:
            self._out = np.empty(n_bytes + len(segments) + 4, np.uint32)
        out = self._out
        marks = np.empty(len(segments), np.int64)
        state = self._state
        state[kernels.WRITTEN] = state[kernels.SEGMENT] = 0
        state[kernels.POSITION] = segments[0, 0]
        for n_ends in self._scanner.scan(block, segments):
            done = 0
            while done < n_ends:
                done = self._run(block, segments, done, n_ends, out, marks)
            self._make_room()
        self._run(block, segments, 0, 0, out, marks)  # what follows empty segments
        return out[: state[kernels.WRITTEN]].copy(), marks

    def _run(
        self,
        block: np.ndarray,
        segments: np.ndarray,
        done: int,
        n_ends: int,
        out: np.ndarray,
        marks: np.ndarray,
    ) -> int:
        done = kernels.encode_pretokens(
            block, segments, self._scanner.ends, done, n_ends, self._cache, self._pool,
            self._merges.table, self._merges.byte_ids, self._scratch, self._long_work,
            out, marks, self._state,
        )  # fmt: skip
        needed = int(self._state[kernels.NEEDED])
        if needed:
            self._long_work = np.empty(LONG_WORK_BYTES * needed + 64, np.uint8)
        return done

    def _make_room(self) -> None:
        """Move a cache that is nearly full to a larger one, or empty it at its bound."""
        state, n_entries = self._state, len(self._cache)
        is_full = state[kernels.USED] * 32 > 15 * n_entries
        if not is_full and state[kernels.POOL_USED] * 4 <= 3 * len(self._pool):
            return
        try:
            cache = np.zeros((2 * n_entries, 4), np.int64) if n_entries < MOST_ENTRIES else None
            pool = np.empty(2 * len(self._pool), np.uint8)
        except MemoryError:
            cache = None  # the process may not grow
        if cache is None:
            self._cache[:] = 0
            state[[kernels.USED, kernels.POOL_USED]] = 0
            return
        kernels.move_cache(self._cache, cache)
        used = state[kernels.POOL_USED]
        pool[:used] = self._pool[:used]
        self._cache, self._pool = cache, pool
