"""The first windows of a source sorted by a score, least first: the same windows, in another order.

Sorting all windows would let a run of less than an epoch read nothing but the easy ones. Here the windows that the
shuffled order would read first are read first, only sorted among themselves; what comes after stays shuffled.

Scores: `length`, the mean over a window's tokens of the length of their document; `rarity`, the mean surprisal of
its tokens under their frequencies in the stream, in bits. Cost: a table of 8 bytes for each sorted window; length
needs no token, rarity two passes over those of the source.
"""

import numpy as np
from jaxtyping import Float64, Int64

from lmcore.tokens.shards import TokenShards

_BLOCK_TOKENS = 1 << 22


def document_lengths(
    start: int,
    ends: Int64[np.ndarray, " documents"],
    first: Int64[np.ndarray, " pieces"],
    length: Int64[np.ndarray, " pieces"],
) -> Float64[np.ndarray, " pieces"]:
    """Sum over the tokens of each stretch the length of the document that the token lies in."""
    firsts = np.concatenate([[start], ends[:-1]]).astype(np.int64)
    lengths = (ends - firsts).astype(np.float64)
    before = np.concatenate([[0.0], np.cumsum(lengths**2)])

    def until(token: Int64[np.ndarray, " pieces"]) -> Float64[np.ndarray, " pieces"]:
        document = np.searchsorted(ends, token, side="right")
        inside = np.minimum(document, len(lengths) - 1)
        partly = (token - firsts[inside]) * lengths[inside]
        total: Float64[np.ndarray, " pieces"] = before[document] + np.where(
            document < len(lengths), partly, 0.0
        )
        return total

    sums: Float64[np.ndarray, " pieces"] = until(first + length) - until(first)
    return sums


def surprisals(shards: TokenShards, start: int, n_tokens: int) -> Float64[np.ndarray, " vocab"]:
    """Return the bits that each token costs by its frequency in a stretch of the stream."""
    counts = np.zeros(shards.vocab_size, np.int64)
    for block in range(start, start + n_tokens, _BLOCK_TOKENS):
        tokens = shards.read(block, min(_BLOCK_TOKENS, start + n_tokens - block))
        counts += np.bincount(tokens, minlength=len(counts))
    # a token that does not occur costs nothing here: no window holds it
    return -np.log2(np.maximum(counts, 1) / max(n_tokens, 1))


def total_surprisal(
    shards: TokenShards,
    costs: Float64[np.ndarray, " vocab"],
    first: Int64[np.ndarray, " pieces"],
    length: Int64[np.ndarray, " pieces"],
) -> Float64[np.ndarray, " pieces"]:
    """Sum the costs of the tokens of each stretch."""
    pairs = zip(first.tolist(), length.tolist(), strict=True)
    return np.array([float(costs[shards.read(at, n)].sum()) for at, n in pairs])


def sort_windows(
    windows: Int64[np.ndarray, " windows"], scores: Float64[np.ndarray, " windows"]
) -> Int64[np.ndarray, " windows"]:
    """Return the windows by their score; those of equal score keep their order."""
    return windows[np.argsort(scores, kind="stable")]
