"""From counts of pre-tokens to merges: owns the arrays that `kernels.merge` works on."""

from collections.abc import Callable
from typing import Final

import numpy as np

from lmcore.tokenizer.alphabet import printable_bytes
from lmcore.tokenizer.config import N_BYTES
from lmcore.tokenizer.counter import PretokenCounter
from lmcore.tokenizer.kernels import count, heap, merge, pair_index

_GROWTH: Final = 1.5
_FIRST_TALLY: Final = 1 << 17  # all pairs of two bytes, half full
_STEP: Final = 8
"""The threshold falls by this factor whenever no pair is left at or above it."""


def merge_counts(
    counter: PretokenCounter,
    n_merges: int,
    *,
    ties: str = "greatest",
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[int, int]]:
    """Return the merges as pairs of token ids (bytes are 0-255), fewer where no pair is left.

    The counter is released as soon as the text is laid out.
    """
    counter.compact()
    threshold = first_threshold(counter.table[:, 2], n_merges)
    run = _Run(counter, n_merges, ties)
    while True:
        run.follow(threshold)
        run.merge(progress)
        if run.n_merges == n_merges or threshold == 1:
            break
        threshold = max(1, threshold // _STEP)
    return [(left, right) for left, right, _ in run.merges[: run.n_merges].tolist()]


def first_threshold(counts: np.ndarray, n_merges: int) -> int:
    """Return a count that the last merge will probably not fall below.

    Late merges mostly complete whole words, so the last one occurs about as often as the word of
    that rank. A guess that is too high costs an indexing of the text, never a merge.
    """
    rank = len(counts) - n_merges
    if rank <= 0:
        return 1
    return max(1, int(np.partition(counts, rank)[rank]) // 2)


class _Run:
    """Records of the text, tokens made so far, and the pairs followed at present."""

    def __init__(self, counter: PretokenCounter, n_merges: int, ties: str) -> None:
        self._rule = heap.GREATEST if ties == "greatest" else heap.SMALLEST
        is_small = int(counter.table[:, 2].max(initial=0)) <= pair_index.NONE
        self._stride = pair_index.SMALL_RECORD if is_small else pair_index.LARGE_RECORD
        n_records = count.measure(counter.table) + 1
        self._records = np.empty(n_records * self._stride, np.uint8)
        self._n_records = pair_index.lay_out(
            counter.table, counter.arena, self._records, self._stride
        )
        counter.release()
        n_tokens = N_BYTES + n_merges
        self._tokens = np.zeros((n_tokens, 4), np.int64)
        self._tokens[:N_BYTES] = _single_bytes()
        self._bytes = np.zeros(16 * n_tokens, np.uint8)
        self._bytes[:N_BYTES] = np.arange(N_BYTES)
        self._groups = np.zeros((n_tokens + 1, 4), np.int64)
        self._touched = np.empty(2 * n_tokens + 2, np.int64)
        self._moves = np.empty(1 << 10, np.int64)
        self.merges = np.zeros((n_merges, 3), np.int64)
        self._state = np.zeros(pair_index.N_STATE, np.int64)
        self._state[[pair_index.N_TOKENS, pair_index.BYTES_USED]] = N_BYTES
        self._wide = int(self._n_records > pair_index.NONE)
        self._pairs: np.ndarray = np.zeros((0, 4), np.int64)
        self._heap: np.ndarray = self._pairs
        self._pool: np.ndarray = self._pairs

    @property
    def n_merges(self) -> int:
        """Merges made so far."""
        return int(self._state[pair_index.N_MERGES])

    def follow(self, threshold: int) -> None:
        """Index the pairs of the text as it stands that occur so often."""
        self._pairs = self._heap = self._pool = np.zeros((0, 4), np.int64)  # freed before
        n_places = _FIRST_TALLY
        while True:
            tally = np.zeros((n_places, 4), np.int64)
            found = pair_index.tally_pairs(
                self._records, self._n_records, self._tokens, tally, self._stride
            )
            if found >= 0:
                break
            n_places *= 4
        totals = np.zeros(2, np.int64)
        pair_index.followed_pairs(tally, threshold, totals)
        n_pairs, n_occurrences = int(totals[0]), int(totals[1])
        self._pairs = np.empty((2 * n_pairs + 1024, 4), np.int64)
        self._heap = np.empty((len(self._pairs), 2), np.int64)
        kind = np.int64 if self._wide else np.uint32
        self._pool = np.empty(2 * n_occurrences + 1024, kind)
        self._state[pair_index.THRESHOLD] = threshold
        pair_index.index_pairs(
            self._records, self._n_records, self._tokens, tally, self._pairs, self._heap,
            self._pool, self._state, self._wide, self._rule, self._bytes, self._stride,
        )  # fmt: skip

    def merge(self, progress: Callable[[int, int], None] | None) -> None:
        """Merge until there are enough or no pair that is followed is left."""
        state = self._state
        while self.n_merges < len(self.merges):
            merge.merge_pairs(
                self._records, self._tokens, self._bytes, self._groups, self._touched,
                self._pairs, self._heap, self._pool, self._moves, self.merges, state,
                self._wide, self._rule, self._stride,
            )  # fmt: skip
            if progress is not None:
                progress(self.n_merges, len(self.merges))
            if not state[pair_index.NEEDED]:
                break
            self._make_room(int(state[pair_index.NEEDED]))

    def _make_room(self, n: int) -> None:
        """Make room for the best pair, which occurs at most n times."""
        state = self._state
        self._moves = _at_least(self._moves, n)
        n_pairs = int(state[pair_index.N_PAIRS]) + 2 * min(n, int(state[pair_index.N_TOKENS]) + 1)
        self._pairs = _at_least(self._pairs, n_pairs)
        self._heap = _at_least(self._heap, n_pairs)
        self._pool = _at_least(self._pool, int(state[pair_index.POOL_USED]) + 2 * n)
        left_and_right = int(self._pairs[self._heap[0, 1], 0])
        sides = [left_and_right & pair_index.NONE, left_and_right >> 32]
        n_bytes = int(self._tokens[sides, 0].sum())
        self._bytes = _at_least(self._bytes, int(state[pair_index.BYTES_USED]) + n_bytes)


def _single_bytes() -> np.ndarray:
    """Return the tokens of the 256 bytes: length, offset, prefix, and order among equals."""
    codes = np.arange(N_BYTES, dtype=np.int64)
    tokens = np.empty((N_BYTES, 4), np.int64)
    tokens[:, 0] = 1
    tokens[:, 1] = codes
    tokens[:, 2] = (codes - 128) << 56
    # Hugging Face numbers the bytes in the order of the characters that stand for them.
    tokens[np.argsort(printable_bytes(), kind="stable"), 3] = codes
    return tokens


def _at_least(array: np.ndarray, n: int) -> np.ndarray:
    """Return the array, or a copy with room for n rows and more where it is shorter."""
    if len(array) >= n:
        return array
    longer = np.empty((int(n * _GROWTH), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
