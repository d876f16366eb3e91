"""Ids of blocks of text: owns the cache and the work space of the compiled encoder.

One encoder serves one thread at a time. Its buffers are used for every call, because memory that
is touched for the first time costs more than the work on it, and a thread's calls return seldom,
because each return waits for the interpreter's lock. The encoders of a tokenizer share one
cache, so that no thread merges what another has merged. What it keeps is bounded: at most
`MOST_ENTRIES` of 32 bytes, half of them used, and a pool of a quarter of their size; when it is
full it starts again empty, so that it follows the text. What is in it never changes a result.
"""

import threading
from collections.abc import Iterable
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

ENDS: Final = 1 << 18
"""Pre-tokens found before they are used: those of some 1.2 MB. At each return from a kernel a
thread waits for the interpreter's lock, so few returns are worth 2 MB that leave the cache."""
FIRST_ENTRIES: Final = 1 << 16
MOST_ENTRIES: Final = 1 << 21
GROWTH: Final = 4
"""Times that the cache grows at once: what is moved is moved seldom."""
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


class _Entries:
    """The arrays of a cache at one size."""

    def __init__(self, n_entries: int) -> None:
        self.entries = np.zeros((n_entries, 4), np.int64)
        self.pool = np.empty(_POOL_BYTES * n_entries, np.uint8)
        self.counts = np.zeros(kernels.N_COUNTS, np.int64)

    def is_nearly_full(self) -> bool:
        n_used, pool_used = self.counts.tolist()
        return n_used * 32 > 15 * len(self.entries) or pool_used * 4 > 3 * len(self.pool)


class PretokenCache:
    """The ids of the pre-tokens seen, for several threads at once.

    A thread works with the arrays that `now` is when it begins a block. While they are moved to
    larger ones, what others add to them is lost, which costs another merge and nothing else.
    """

    def __init__(self) -> None:
        self.now = _Entries(FIRST_ENTRIES)
        self._lock = threading.Lock()
        self._may_grow = True

    def make_room(self) -> None:
        """Move entries that are nearly full to larger arrays, or begin anew at the bound."""
        if not self._may_grow or not self.now.is_nearly_full():
            return
        if not self._lock.acquire(blocking=False):
            return  # another thread makes room; until it has, nothing more is kept
        try:
            if self.now.is_nearly_full():
                self.now = self._larger(self.now)
        except MemoryError:  # the process may not grow: what is kept stays
            self._may_grow = False
        finally:
            self._lock.release()

    def _larger(self, before: _Entries) -> _Entries:
        n_entries = min(GROWTH * len(before.entries), MOST_ENTRIES)
        after = _Entries(n_entries)
        if n_entries == len(before.entries):
            return after
        after.counts[kernels.USED] = kernels.move_cache(before.entries, after.entries)
        # Read after the entries: what they have in the pool lies below.
        pool_used = min(int(before.counts[kernels.POOL_USED]), len(before.pool))
        after.pool[:pool_used] = before.pool[:pool_used]
        after.counts[kernels.POOL_USED] = pool_used
        return after


class Encoder:
    """A scanner, a share in a cache of pre-tokens and the space to merge the others in."""

    def __init__(self, pattern: str, merges: MergeTable, cache: PretokenCache) -> None:
        self._merges, self._cache = merges, cache
        self._scanner = make_scanner(pattern, ENDS)
        self._block = np.zeros(PADDING, np.uint8)
        self._out = np.empty(0, np.uint32)
        self._scratch = np.empty(kernels.SCRATCH, np.int64)
        self._long_work = np.empty(1 << 12, np.uint8)
        self._state = np.zeros(kernels.N_STATE, np.int64)

    def encode(self, parts: Iterable[tuple[bytes, int]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids (uint32) of the parts, and how many there are up to the end of each.

        A part is UTF-8, and the id of the special token behind it or -1. The next call writes over
        the ids.
        """
        segments = self._lay_out(parts)
        n_bytes = int(segments[-1, 1]) if len(segments) else 0
        room = n_bytes + len(segments) + 4
        if len(self._out) < room:
            self._out = np.empty(room, np.uint32)
        marks = np.empty(len(segments), np.int64)
        state = self._state
        state[kernels.WRITTEN] = state[kernels.SEGMENT] = state[kernels.POSITION] = 0
        for n_ends in self._scanner.scan(self._block, segments):
            done = 0
            while done < n_ends:
                done = self._run(segments, done, n_ends, marks)
            self._cache.make_room()
        self._run(segments, 0, 0, marks)  # what follows empty segments
        return self._out[: state[kernels.WRITTEN]], marks

    def _lay_out(self, parts: Iterable[tuple[bytes, int]]) -> np.ndarray:
        """Put the parts into the block, one at a time, and return their segments."""
        rows: list[tuple[int, int, int]] = []
        start, block = 0, self._block.data
        for data, special in parts:
            stop = start + len(data)
            if stop + PADDING > len(block):
                self._block = np.zeros(stop + stop // 4 + PADDING, np.uint8)
                self._block[:start] = block[:start]
                block = self._block.data
            block[start:stop] = data
            rows.append((start, stop, special))
            start = stop
        return np.array(rows, np.int64).reshape(-1, 3)

    def _run(self, segments: np.ndarray, done: int, n_ends: int, marks: np.ndarray) -> int:
        cache = self._cache.now
        done = kernels.encode_pretokens(
            self._block, segments, self._scanner.ends, done, n_ends,
            cache.entries, cache.pool, cache.counts, self._merges.table, self._merges.byte_ids, self._scratch, self._long_work,
            self._out, marks, self._state,
        )  # fmt: skip
        needed = int(self._state[kernels.NEEDED])
        if needed:
            self._long_work = np.empty(LONG_WORK_BYTES * needed + 64, np.uint8)
        return done
