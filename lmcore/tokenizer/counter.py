"""Counts of unique pre-tokens, kept in a table that the kernels fill."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np

from lmcore.kernels.keys import LENGTH_MASK
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.kernels import count as kernels
from lmcore.tokenizer.pretokenize import encode_utf8
from lmcore.tokenizer.scanner import make_scanner, split_specials, to_block

BLOCK_BYTES: Final = 1 << 20
"""Texts that are counted in one call."""
_FIRST_ENTRIES: Final = 1 << 14
_FIRST_ARENA: Final = 1 << 16


def count_texts(
    texts: Iterable[str | bytes],
    config: TokenizerConfig,
    workers: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
) -> "PretokenCounter":
    """Return the counts of all texts, taken by so many threads, each with a table of its own."""
    counters = [PretokenCounter(config.pattern) for _ in range(workers)]
    specials = tuple(special.encode() for special in config.special_tokens)
    n_bytes = 0
    if workers == 1:
        for parts in _blocks(texts):
            counters[0].add_texts(parts, specials)
            n_bytes += sum(map(len, parts))
            if progress is not None:
                progress("bytes counted", n_bytes, 0)
        return counters[0]
    with ThreadPoolExecutor(workers) as pool:
        # One block in work for each thread: memory stays bounded, and no table is shared.
        at_work: list[Future[None] | None] = [None] * workers
        for turn, parts in enumerate(_blocks(texts)):
            previous = at_work[turn % workers]
            if previous is not None:
                previous.result()
            at_work[turn % workers] = pool.submit(
                counters[turn % workers].add_texts, parts, specials
            )
            n_bytes += sum(map(len, parts))
            if progress is not None:
                progress("bytes counted", n_bytes, 0)
        for future in at_work:
            if future is not None:
                future.result()
    for other in counters[1:]:
        counters[0].add_counter(other)
        other.release()
    return counters[0]


def _blocks(texts: Iterable[str | bytes]) -> Iterator[list[bytes]]:
    """Yield texts together until they fill a block."""
    parts: list[bytes] = []
    n_bytes = 0
    for text in texts:
        parts.append(text if isinstance(text, bytes) else encode_utf8(text))
        n_bytes += len(parts[-1])
        if n_bytes >= BLOCK_BYTES:
            yield parts
            parts, n_bytes = [], 0
    if parts:
        yield parts


class PretokenCounter:
    """How often each pre-token occurred in the blocks added so far.

    Memory follows the unique pre-tokens: 64 to 128 bytes each, and the bytes of those longer
    than 15. Counts are 64 bits wide.
    """

    def __init__(self, pattern: str) -> None:
        self._scanner = make_scanner(pattern)
        self._scratch = np.empty(kernels.SCRATCH, np.int64)
        self._state = np.zeros(kernels.N_STATE, np.int64)
        self.table = np.zeros((_FIRST_ENTRIES, 4), np.int64)
        self.arena = np.zeros(_FIRST_ARENA, np.uint8)

    def __len__(self) -> int:
        """Return the number of unique pre-tokens."""
        return int(self._state[kernels.USED])

    @property
    def _arena_used(self) -> int:
        return int(self._state[kernels.ARENA_USED])

    def release(self) -> None:
        """Give the memory back; the counter is empty then."""
        self.table, self.arena = self.table[:0].copy(), self.arena[:0].copy()
        self._state[:] = 0

    def compact(self) -> None:
        """Give back the part of the table that is empty; nothing can be counted any more."""
        n_entries = kernels.compact(self.table)
        self.table.resize((n_entries, 4), refcheck=False)  # in place: the rest goes back at once

    def add_texts(self, texts: list[bytes], specials: tuple[bytes, ...]) -> None:
        """Count the pre-tokens of texts, what is special in them left out."""
        block = to_block(texts)
        bounds: list[tuple[int, int, int]] = []
        start = 0
        for text in texts:
            bounds += split_specials(text, specials, start)
            start += len(text)
        self.add(block, np.array(bounds, np.int64).reshape(-1, 3))

    def add(self, block: np.ndarray, segments: np.ndarray) -> None:
        """Count the pre-tokens of a block's segments."""
        segments = segments[segments[:, 0] < segments[:, 1]]
        if not len(segments):
            return
        state = self._state
        state[kernels.SEGMENT], state[kernels.POSITION] = 0, segments[0, 0]
        for n_ends in self._scanner.scan(block, segments):
            done = 0
            while done < n_ends:
                done = kernels.count_pretokens(
                    block, segments, self._scanner.ends, done, n_ends,
                    self.table, self.arena, state, self._scratch,
                )  # fmt: skip
                if done < n_ends:
                    self._grow()

    def add_counter(self, other: "PretokenCounter") -> None:
        """Add the counts of another counter to these."""
        while len(self) + len(other) > len(self.table) // 2:
            self._double()
        needed = self._arena_used + len(other.arena)
        if needed > len(self.arena):
            self.arena = _longer(self.arena, needed)
        kernels.add_table(other.table, other.arena, self.table, self.arena, self._state)

    def counts(self) -> dict[bytes, int]:
        """Return the counts by pre-token."""
        counts: dict[bytes, int] = {}
        arena = self.arena.tobytes()
        for low, high, count, start in self.table[self.table[:, 2] > 0].tolist():
            if high < 0:
                counts[arena[start : start + (high & LENGTH_MASK)]] = count
            else:
                halves = low.to_bytes(8, "little", signed=True) + high.to_bytes(8, "little")
                counts[halves[: high >> 56]] = count
        return counts

    def _grow(self) -> None:
        needed = int(self._state[kernels.NEEDED])
        if needed:
            self.arena = _longer(self.arena, self._arena_used + needed)
        else:
            self._double()

    def _double(self) -> None:
        table = np.zeros((2 * len(self.table), 4), np.int64)
        arena = np.zeros_like(self.arena)
        state = np.zeros(kernels.N_STATE, np.int64)
        kernels.add_table(self.table, self.arena, table, arena, state)
        self.table, self.arena = table, arena
        self._state[kernels.USED] = state[kernels.USED]
        self._state[kernels.ARENA_USED] = state[kernels.ARENA_USED]


def _longer(array: np.ndarray, needed: int) -> np.ndarray:
    """Return a copy with room for `needed` entries and half as many again."""
    longer = np.zeros(needed + needed // 2, array.dtype)
    longer[: len(array)] = array
    return longer
