"""Softmax of attention scores and of logits, forward and backward, in place.

Numbers are float32, or bfloat16 as uint16 (see `numbers`); sums and exponentials are float32.
A row is read from memory once: its later passes find it in the cache.
"""

import numpy as np

from lmcore.kernels.compiling import kernel
from lmcore.model.kernels.numbers import add, exp, maximum, narrow, widen

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_LEAST = np.float32(-3e38)
_LANES = 64
"""Rows are worked on in whole multiples of this many keys: what a vectorised loop takes at once."""


@kernel
def causal_softmax(
    first: int,
    last: int,
    scores: np.ndarray,  # [heads, queries, keys], a head with as many keys as queries
    scale: np.float32,
) -> None:
    """Turn the scores of heads [first, last) into probabilities; 0 where a key is in the future."""
    n_keys = scores.shape[2]
    powers = np.empty(n_keys, np.float32)
    for head in range(first, last):
        for query in range(scores.shape[1]):
            row = scores[head, query]
            n = min((query // _LANES + 1) * _LANES, n_keys)
            highest = _LEAST
            for k in range(n):
                highest = maximum(highest, widen(row[k]) if k <= query else _LEAST)
            total = _ZERO
            for k in range(n):
                score = widen(row[k]) if k <= query else _LEAST
                power = exp((score - highest) * scale)
                powers[k] = power
                total = add(total, power)
            share = _ONE / total
            for k in range(n_keys):
                row[k] = narrow(powers[k] * share if k <= query else _ZERO, row[0])


@kernel
def causal_softmax_backward(
    first: int,
    last: int,
    probabilities: np.ndarray,  # [heads, queries, keys]
    gradients: np.ndarray,  # of the probabilities, and then of the scores
    scale: np.float32,
) -> None:
    """Turn gradients by the probabilities of heads [first, last) into those by the scores."""
    n_keys = gradients.shape[2]
    for head in range(first, last):
        for query in range(gradients.shape[1]):
            p, d = probabilities[head, query], gradients[head, query]
            n = min((query // _LANES + 1) * _LANES, n_keys)
            mean = _ZERO
            for k in range(n):
                mean = add(mean, widen(p[k]) * widen(d[k]))
            for k in range(n_keys):
                by_score = widen(p[k]) * (widen(d[k]) - mean) * scale
                d[k] = narrow(by_score if k <= query else _ZERO, d[0])


@kernel
def cross_entropy(
    first: int,
    last: int,
    logits: np.ndarray,  # [rows, vocab], and then the gradient by them
    targets: np.ndarray,  # int64 [rows]
    nats: np.ndarray,  # float32 [rows]
) -> None:
    """Turn the logits of rows [first, last) into the gradient of the summed loss, row by row."""
    n_words = logits.shape[1]
    powers = np.empty(n_words, np.float32)
    for r in range(first, last):
        row, target = logits[r], targets[r]
        highest = _LEAST
        for k in range(n_words):
            highest = maximum(highest, widen(row[k]))
        total = _ZERO
        for k in range(n_words):
            power = exp(widen(row[k]) - highest)
            powers[k] = power
            total = add(total, power)
        nats[r] = np.float32(np.log(total)) + highest - widen(row[target])
        share = _ONE / total
        for k in range(n_words):
            row[k] = narrow(powers[k] * share, row[0])
        row[target] = narrow(powers[target] * share - _ONE, row[0])
