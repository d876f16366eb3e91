"""The merges of one pre-token: its bytes to ids, the earliest merge first.

Up to `SHORT_BYTES` the best pair is looked for in a row of ranks, O(n^2) with a small n; beyond,
with a heap over a linked list, O(n log n).
"""

from typing import Final

import numpy as np

from lmcore.kernels.compiling import called, inlined, kernel
from lmcore.kernels.memory import (
    Span,
    fold_product,
    load8,
    load32,
    load64,
    span_of,
    store32,
    store64,
)

N_BYTES: Final = 256
SHORT_BYTES: Final = 64
SHORT_WORK: Final = 16 * (SHORT_BYTES + 2)
"""Bytes of work space for a short pre-token: its ids, then the ranks of its pairs."""
LONG_WORK_BYTES: Final = 36
"""Bytes of work space for each byte of a long pre-token, and 64 more."""
_NO_RANK: Final = (1 << 63) - 1
_SALT: Final = 0x9E3779B97F4A7C15 - (1 << 64)


@kernel
def build_merge_table(merges: np.ndarray, table: np.ndarray) -> None:
    """Fill a table (int64 [2^n, 2], zeros) from rows (left, right, new id) in order of rank."""
    entries, mask = span_of(table), table.shape[0] - 1
    for rank in range(merges.shape[0]):
        key = (merges[rank, 0] << 32 | merges[rank, 1]) + 1
        slot = fold_product(key, _SALT) & mask
        while load64(entries, slot * 16):
            slot = slot + 1 & mask
        store64(entries, slot * 16, key)
        store64(entries, slot * 16 + 8, rank << 32 | merges[rank, 2])


@kernel
def build_byte_ranks(table: np.ndarray, byte_ids: np.ndarray) -> None:
    """Fill byte_ids[256:] (int64, 65,536) with the ranks of the pairs of single bytes.

    Half of all look-ups are for these, and need no search.
    """
    entries, mask, singles = span_of(table), table.shape[0] - 1, span_of(byte_ids)
    for pair in range(N_BYTES * N_BYTES):
        left, right = load64(singles, (pair >> 8) * 8), load64(singles, (pair & 255) * 8)
        store64(singles, (N_BYTES + pair) * 8, _rank(entries, mask, left, right))


@inlined
def _rank(table: Span, mask: int, left: int, right: int) -> int:
    """Return rank << 32 | new id of a pair of ids."""
    key = (left << 32 | right) + 1
    slot = fold_product(key, _SALT) & mask
    while True:
        found = load64(table, slot * 16)
        if found == key:
            return load64(table, slot * 16 + 8)
        if found == 0:
            return _NO_RANK
        slot = slot + 1 & mask


@inlined
def merge_short(
    text: Span, start: int, n: int, merges: Span, mask: int, byte_ids: Span, work: Span, at: int
) -> int:
    """Leave the ids of a short pre-token in the work space from `at` on; return how many."""
    ids, ranks = at, at + 8 * (SHORT_BYTES + 2)
    left = load8(text, start)
    store64(work, ids, load64(byte_ids, left * 8))
    for k in range(1, n):
        right = load8(text, start + k)
        store64(work, ids + k * 8, load64(byte_ids, right * 8))
        rank = load64(byte_ids, (N_BYTES + (left << 8 | right)) * 8)
        store64(work, ranks + k * 8 - 8, rank)
        left = right
    while n > 1:
        best, place = _NO_RANK, 0
        for k in range(n - 1):
            rank = load64(work, ranks + k * 8)
            if rank < best:
                best, place = rank, k
        if best == _NO_RANK:
            break
        store64(work, ids + place * 8, best & 0xFFFFFFFF)
        n -= 1
        for k in range(place + 1, n):
            store64(work, ids + k * 8, load64(work, ids + k * 8 + 8))
        for k in range(place + 1, n - 1):
            store64(work, ranks + k * 8, load64(work, ranks + k * 8 + 8))
        new = best & 0xFFFFFFFF
        if place > 0:
            before = load64(work, ids + place * 8 - 8)
            store64(work, ranks + place * 8 - 8, _rank(merges, mask, before, new))
        if place < n - 1:
            after = load64(work, ids + place * 8 + 8)
            store64(work, ranks + place * 8, _rank(merges, mask, new, after))
    return n


@called
def merge_long(
    text: Span,
    start: int,
    n: int,
    merges: Span,
    mask: int,
    byte_ids: Span,
    work: Span,
    out: Span,
    written: int,
) -> int:
    """Write the ids of a long pre-token; return how many are written now.

    Work space: heap of rank << 32 | place (3 n), then ids, next and previous places (32 bits,
    n each). A place that was merged away has the id `gone`.
    """
    gone = 0xFFFFFFFF
    ids, following, preceding = 24 * n, 28 * n, 32 * n
    size = 0
    for k in range(n):
        store32(work, ids + 4 * k, load64(byte_ids, load8(text, start + k) * 8))
        store32(work, following + 4 * k, k + 1)
        store32(work, preceding + 4 * k, k - 1)
    for k in range(n - 1):
        rank = _rank(merges, mask, load32(work, ids + 4 * k), load32(work, ids + 4 * k + 4))
        if rank != _NO_RANK:
            size = _push(work, 0, size, rank >> 32 << 32 | k)
    while size:
        top, size = _pop(work, 0, size)
        place = top & 0xFFFFFFFF
        right = load32(work, following + 4 * place)
        if load32(work, ids + 4 * place) == gone or right >= n:
            continue
        rank = _rank(merges, mask, load32(work, ids + 4 * place), load32(work, ids + 4 * right))
        if rank == _NO_RANK or rank >> 32 != top >> 32:
            continue
        store32(work, ids + 4 * place, rank & 0xFFFFFFFF)
        store32(work, ids + 4 * right, gone)
        after = load32(work, following + 4 * right)
        store32(work, following + 4 * place, after)
        if after < n:
            store32(work, preceding + 4 * after, place)
        for side in range(2):
            left = load32(work, preceding + 4 * place) if side == 0 else place
            if left >= n or load32(work, following + 4 * left) >= n:
                continue
            other = load32(work, following + 4 * left)
            rank = _rank(merges, mask, load32(work, ids + 4 * left), load32(work, ids + 4 * other))
            if rank != _NO_RANK:
                size = _push(work, 0, size, rank >> 32 << 32 | left)
    for k in range(n):
        if load32(work, ids + 4 * k) != gone:
            store32(out, written * 4, load32(work, ids + 4 * k))
            written += 1
    return written


@inlined
def _push(heap: Span, at: int, size: int, value: int) -> int:
    """Add a value to a heap with the smallest on top; return its new size."""
    place = size
    while place > 0:
        parent = load64(heap, at + (place - 1 >> 1) * 8)
        if parent <= value:
            break
        store64(heap, at + place * 8, parent)
        place = place - 1 >> 1
    store64(heap, at + place * 8, value)
    return size + 1


@inlined
def _pop(heap: Span, at: int, size: int) -> tuple[int, int]:
    """Return the smallest value and the size of the heap without it."""
    top, size = load64(heap, at), size - 1
    value, place = load64(heap, at + size * 8), 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and load64(heap, at + child * 8 + 8) < load64(heap, at + child * 8):
            child += 1
        if load64(heap, at + child * 8) >= value:
            break
        store64(heap, at + place * 8, load64(heap, at + child * 8))
        place = child
    store64(heap, at + place * 8, value)
    return top, size
