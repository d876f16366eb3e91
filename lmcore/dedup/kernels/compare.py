"""True Jaccard similarity of pairs of texts, and the components of those that are similar.

The shingles of a text go into a hash table: each entry has the hash and the place of the bytes,
and two shingles are one only where their bytes are. So the result is exact, whatever the hash
does. The table of a pair's first text is kept for the next pair; what the second adds is taken
out again.
"""

from typing import Final

import numpy as np

from lmcore.dedup.kernels.sign import hash_shingles
from lmcore.kernels.compiling import called, inlined, kernel
from lmcore.kernels.memory import Span, load32, load64, span_of, store32, store64

ENTRY_BYTES: Final = 40
"""Hash, first byte, length, slot, and the number of the pair that met it last."""


@kernel
def compare_pairs(
    words: np.ndarray,  # uint8, padded
    bounds: np.ndarray,  # int64 [texts, 2]: first byte and end of each
    pairs: np.ndarray,  # int64 [n, 2]: texts; pairs of one first text stand together
    shingle_words: int,
    ends: np.ndarray,  # int64: as many as the longest text has words
    hashes: np.ndarray,  # int64: the same
    entries: np.ndarray,  # int64 [2 x the same, 5]
    slots: np.ndarray,  # int64, all zero, a power of two, at least twice as many as entries
    shared: np.ndarray,  # int64 [n, 2]: shingles in both texts, shingles in either
) -> None:
    """Count what the texts of each pair have in common."""
    text, places, values = span_of(words), span_of(ends), span_of(hashes)
    table, index, mask = span_of(entries), span_of(slots), slots.shape[0] - 1
    n_first, first = 0, -1
    for k in range(pairs.shape[0]):
        if pairs[k, 0] != first:
            _take_out(table, index, 0, n_first)
            first = pairs[k, 0]
            n_first, _ = _put_in(
                text, bounds[first, 0], bounds[first, 1], shingle_words, places, values,
                table, index, mask, 0, 0, -1,
            )  # fmt: skip
        second = pairs[k, 1]
        n_both, n_common = _put_in(
            text, bounds[second, 0], bounds[second, 1], shingle_words, places, values,
            table, index, mask, n_first, n_first, k,
        )  # fmt: skip
        _take_out(table, index, n_first, n_both)
        shared[k, 0], shared[k, 1] = n_common, n_both
    _take_out(table, index, 0, n_first)


@called
def _put_in(
    text: Span,
    start: int,
    stop: int,
    shingle_words: int,
    ends: Span,
    hashes: Span,
    entries: Span,
    slots: Span,
    mask: int,
    n_known: int,
    n_used: int,
    stamp: int,
) -> tuple[int, int]:
    """Add a text's shingles; return (entries used, how many of the first n_known it has)."""
    n_shingles, n = hash_shingles(text, start, stop, shingle_words, ends, hashes)
    n_common = 0
    begin = start
    for k in range(n_shingles):
        value = load64(hashes, k * 8)
        n_bytes = load64(ends, (k + n - 1) * 8) - begin
        slot = value & mask
        while True:
            number = load64(slots, slot * 8)
            if number == 0:
                n_used += 1
                store64(slots, slot * 8, n_used)
                entry = (n_used - 1) * ENTRY_BYTES
                store64(entries, entry, value)
                store64(entries, entry + 8, begin)
                store64(entries, entry + 16, n_bytes)
                store64(entries, entry + 24, slot)
                store64(entries, entry + 32, stamp)
                break
            entry = (number - 1) * ENTRY_BYTES
            if (
                load64(entries, entry) == value
                and load64(entries, entry + 16) == n_bytes
                and _is_same(text, load64(entries, entry + 8), begin, n_bytes)
            ):
                if number <= n_known and load64(entries, entry + 32) != stamp:
                    store64(entries, entry + 32, stamp)
                    n_common += 1
                break
            slot = slot + 1 & mask
        begin = load64(ends, k * 8) + 1
    return n_used, n_common


@inlined
def _take_out(entries: Span, slots: Span, first: int, stop: int) -> None:
    """Empty the slots of the entries added last."""
    for k in range(first, stop):
        store64(slots, load64(entries, k * ENTRY_BYTES + 24) * 8, 0)


@inlined
def _is_same(text: Span, left: int, right: int, n_bytes: int) -> bool:
    """Return whether two places hold the same bytes; up to seven behind them are loaded."""
    if n_bytes < 8:
        return (load64(text, left) ^ load64(text, right)) & (1 << 8 * n_bytes) - 1 == 0
    here = 0
    while here + 8 <= n_bytes:
        if load64(text, left + here) != load64(text, right + here):
            return False
        here += 8
    last = n_bytes - 8  # some of these bytes again
    return load64(text, left + last) == load64(text, right + last)


@inlined
def _root(parents: Span, member: int) -> int:
    """Return the smallest member of a set; the path to it is halved."""
    parent = load32(parents, member * 4)
    while parent != member:
        above = load32(parents, parent * 4)
        store32(parents, member * 4, above)
        member, parent = above, load32(parents, above * 4)
    return member


@kernel
def find_roots(
    parents: np.ndarray,  # uint32
    members: np.ndarray,  # int64
    roots: np.ndarray,  # int64
) -> None:
    """Write the root of each member."""
    sets = span_of(parents)
    for k in range(members.shape[0]):
        roots[k] = _root(sets, members[k])


@kernel
def unite(
    parents: np.ndarray,  # uint32
    pairs: np.ndarray,  # int64 [n, 2]
) -> None:
    """Make the sets of each pair one; the root is the smallest member."""
    sets = span_of(parents)
    for k in range(pairs.shape[0]):
        left, right = _root(sets, pairs[k, 0]), _root(sets, pairs[k, 1])
        store32(sets, max(left, right) * 4, min(left, right))
