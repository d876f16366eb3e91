"""A suffix array by prefix doubling, and the windows of words that stand twice.

Ranks are of suffixes by their first h words. One round makes them ranks by h + step words: a suffix
is then the pair (its rank, the rank of the suffix step words on), 0 beyond the document's end.
"""

import numpy as np

from lmcore.kernels.compiling import inlined, kernel


@inlined
def _further(ranks: np.ndarray, ends: np.ndarray, step: int, k: int) -> int:
    """Return the rank of the suffix step words on; 0 where the document has ended, or step is 0."""
    return int(ranks[k + step]) if step and k + step < ends[k] else 0


@kernel
def sort_by_ranks(
    ranks: np.ndarray,  # int32 [n], from 1
    ends: np.ndarray,  # int32 [n]
    step: int,
    order: np.ndarray,  # int32 [n]: written
    room: np.ndarray,  # int32 [n]
    counts: np.ndarray,  # int32, two more than the highest rank
) -> None:
    """Sort suffixes by (rank, rank further on), ascending where both are equal: two counting sorts."""
    n = ranks.shape[0]
    counts[:] = 0
    for k in range(n):
        counts[_further(ranks, ends, step, k) + 1] += 1
    for value in range(1, counts.shape[0]):
        counts[value] += counts[value - 1]
    for k in range(n):
        value = _further(ranks, ends, step, k)
        room[counts[value]] = k
        counts[value] += 1
    counts[:] = 0
    for k in range(n):
        counts[ranks[k] + 1] += 1
    for value in range(1, counts.shape[0]):
        counts[value] += counts[value - 1]
    for at in range(n):
        value = ranks[room[at]]
        order[counts[value]] = room[at]
        counts[value] += 1


@kernel
def rank_anew(
    ranks: np.ndarray,  # int32 [n]
    ends: np.ndarray,  # int32 [n]
    step: int,
    order: np.ndarray,  # int32 [n], sorted by both ranks
    fresh: np.ndarray,  # int32 [n]: written, from 1
) -> None:
    """Write the rank of each suffix by both of its ranks."""
    rank = 0
    for at in range(order.shape[0]):
        k = order[at]
        before = order[max(at - 1, 0)]
        is_new = ranks[k] != ranks[before]
        is_new |= _further(ranks, ends, step, k) != _further(ranks, ends, step, before)
        rank += 1 if is_new or at == 0 else 0
        fresh[k] = rank


@kernel
def mark_repeated_windows(
    ranks: np.ndarray,  # int32 [n], by n_words words
    order: np.ndarray,  # int32 [n]
    ends: np.ndarray,  # int32 [n]
    n_words: int,
    goes: np.ndarray,  # uint8 [n], all zero
) -> None:
    """Mark the words of windows that stand earlier, wholly before them.

    A window that its document's end cuts short equals only windows that are as short: it is none.
    """
    first = 0
    for at in range(order.shape[0]):
        k = order[at]
        if at == 0 or ranks[k] != ranks[first]:
            first = k
        goes[k] = 1 if first + n_words <= k and k + n_words <= ends[k] else 0
    reach = 0
    for k in range(goes.shape[0]):
        if goes[k]:
            reach = k + n_words
        goes[k] = 1 if k < reach else 0
