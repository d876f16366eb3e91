"""AdamW's update in one pass over memory: 16 bytes read and 12 written a number."""

import math

import numpy as np

from lmcore.kernels.compiling import kernel

_ONE = np.float32(1.0)


@kernel
def update_adamw(  # the quantities of the paper's algorithm 2
    first: int,
    last: int,
    parameter: np.ndarray,  # float32 [n], and so the next three; parameter, m and v are changed
    gradient: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    beta1: np.float32,
    beta2: np.float32,
    kept: np.float32,  # 1 - lr * weight decay
    rate: np.float32,  # lr over the first moment's bias
    unbias: np.float32,  # 1 / sqrt(the second moment's bias)
    eps: np.float32,
) -> None:
    """Update numbers [first, last)."""
    x, g, mean, square = parameter[first:last], gradient[first:last], m[first:last], v[first:last]
    for i in range(last - first):  # from 0: an index that could be negative keeps it from vectors
        mean[i] += (_ONE - beta1) * (g[i] - mean[i])
        square[i] = beta2 * square[i] + (_ONE - beta2) * g[i] * g[i]
        x[i] = kept * x[i] - rate * mean[i] / (math.sqrt(square[i]) * unbias + eps)
