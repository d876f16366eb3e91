"""Band keys to buckets by their highest bits, and the pairs of documents that share a key."""

from typing import Final

import numpy as np

from lmcore.kernels.compiling import kernel

# What a bucket's walk keeps between calls, an int64 each.
GROUP, LEADER, N_SKIPPED = range(3)
N_STATE: Final = 3


@kernel
def scatter_keys(
    keys: np.ndarray,  # uint64 [documents, bands]
    n_shingles: np.ndarray,  # int64 [documents]: those of none have no rows
    n_bits: int,  # the number of buckets is 2 ** n_bits
    bounds: np.ndarray,  # int64 [buckets + 1]
    out_keys: np.ndarray,  # uint64 [rows]
    out_documents: np.ndarray,  # uint32 [rows]
) -> None:
    """Write (key, document) bucket after bucket, documents ascending in each."""
    shift = np.uint64(64 - n_bits)
    bounds[:] = 0
    for k in range(keys.shape[0]):
        if n_shingles[k]:
            for band in range(keys.shape[1]):
                bounds[int(keys[k, band] >> shift) + 1] += 1
    for bucket in range(1, bounds.shape[0]):
        bounds[bucket] += bounds[bucket - 1]
    for k in range(keys.shape[0]):
        if n_shingles[k]:
            for band in range(keys.shape[1]):
                bucket = int(keys[k, band] >> shift)
                out_keys[bounds[bucket]] = keys[k, band]
                out_documents[bounds[bucket]] = k
                bounds[bucket] += 1
    for bucket in range(bounds.shape[0] - 1, 0, -1):  # each bound has moved to the next one
        bounds[bucket] = bounds[bucket - 1]
    bounds[0] = 0


@kernel
def mark_repeated(
    keys: np.ndarray,  # uint64
    counts: np.ndarray,  # uint8, all zero, a power of two, a few times as many as keys
    is_repeated: np.ndarray,  # uint8
) -> None:
    """Mark every key that occurs twice, and a few that share a counter with another."""
    mask = np.uint64(counts.shape[0] - 1)
    for k in range(keys.shape[0]):
        slot = int(keys[k] & mask)
        counts[slot] += 1 if counts[slot] < 2 else 0
    for k in range(keys.shape[0]):
        is_repeated[k] = counts[int(keys[k] & mask)] > 1


@kernel
def pair_documents(
    keys: np.ndarray,  # uint64, ascending
    documents: np.ndarray,  # int64, ascending where keys are equal: best first
    leaders: int,
    n_earlier: int,  # pairs of two documents below this are no news
    n_documents: int,
    state: np.ndarray,  # int64 [N_STATE], all zero at first
    codes: np.ndarray,  # int64, at least as many as keys
) -> int:
    """Write pairs of documents that share a key, as first * n_documents + second.

    Each document is paired with the best ones before it, at most `leaders`; state[N_SKIPPED]
    counts the rest. Returns how many were written; to be called until that is none.
    """
    at, leader, count = state[GROUP], state[LEADER], 0
    while at < keys.shape[0]:
        stop = at + 1
        while stop < keys.shape[0] and keys[stop] == keys[at]:
            stop += 1
        while leader < min(leaders, stop - at - 1):
            if codes.shape[0] - count < stop - at:
                state[GROUP], state[LEADER] = at, leader
                return count
            first = documents[at + leader]
            for k in range(at + leader + 1, stop):
                if documents[k] >= n_earlier and documents[k] != first:
                    codes[count] = first * n_documents + documents[k]
                    count += 1
            leader += 1
        for k in range(at + leaders + 1, stop):
            if documents[k] >= n_earlier:
                state[N_SKIPPED] += k - at - leaders
        at, leader = stop, 0
    state[GROUP], state[LEADER] = at, 0
    return count
