"""Kernels over rows of features: rotation of queries and keys, RMSNorm, SwiGLU, sums.

Each works on rows [first, last), so that threads can share the rows; a row's numbers do not depend
on who computes them. float32, or bfloat16 as uint16 (see `numbers`); in between all is float32.
"""

import numpy as np

from lmcore.kernels.compiling import kernel
from lmcore.model.kernels.numbers import add, exp, narrow, widen

GROUP = 64
"""Rows whose gradients by a gain are summed one after the other; a thread gets whole groups."""
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@kernel
def rotate_heads(
    first: int,
    last: int,
    qkv: np.ndarray,  # [rows, 3, heads, head_dim]
    turn: np.ndarray,  # float32 [1 or batch, seq, half, 2]: cosine and sine
    heads: np.ndarray,  # [3, batch, heads, seq, head_dim]: filled
) -> None:
    """Turn queries and keys by their positions, and lay all three out head by head."""
    n_seq, n_heads, head_dim = heads.shape[3], heads.shape[2], heads.shape[4]
    for row in range(first, last):
        batch, place = row // n_seq, row % n_seq
        angle = turn[batch if turn.shape[0] > 1 else 0, place]
        for part in range(2):
            for head in range(n_heads):
                x, y = qkv[row, part, head], heads[part, batch, head, place]
                for i in range(head_dim // 2):
                    cos, sin = angle[i, 0], angle[i, 1]
                    even, odd = widen(x[2 * i]), widen(x[2 * i + 1])
                    y[2 * i] = narrow(even * cos - odd * sin, x[0])
                    y[2 * i + 1] = narrow(even * sin + odd * cos, x[0])
        for head in range(n_heads):
            x, y = qkv[row, 2, head], heads[2, batch, head, place]
            for i in range(head_dim):
                y[i] = x[i]


@kernel
def rotate_heads_backward(
    first: int,
    last: int,
    d_q: np.ndarray,  # [batch, heads, seq, head_dim], and so the next two
    d_k: np.ndarray,
    d_v: np.ndarray,
    turn: np.ndarray,  # as above
    d_qkv: np.ndarray,  # [rows, 3, heads, head_dim]: filled
) -> None:
    """Turn the gradients back, and lay them out as the joint product reads them."""
    n_seq, n_heads, head_dim = d_q.shape[2], d_q.shape[1], d_q.shape[3]
    for row in range(first, last):
        batch, place = row // n_seq, row % n_seq
        angle = turn[batch if turn.shape[0] > 1 else 0, place]
        for head in range(n_heads):
            for part in range(2):
                x = d_k[batch, head, place] if part else d_q[batch, head, place]
                y = d_qkv[row, part, head]
                for i in range(head_dim // 2):
                    cos, sin = angle[i, 0], angle[i, 1]
                    even, odd = widen(x[2 * i]), widen(x[2 * i + 1])
                    y[2 * i] = narrow(even * cos + odd * sin, x[0])
                    y[2 * i + 1] = narrow(odd * cos - even * sin, x[0])
            x, y = d_v[batch, head, place], d_qkv[row, 2, head]
            for i in range(head_dim):
                y[i] = x[i]


@kernel
def rms_norm(
    first: int,
    last: int,
    x: np.ndarray,  # [rows, d]
    gain: np.ndarray,  # [d]
    eps: np.float32,
    y: np.ndarray,  # [rows, d]: filled
    scale: np.ndarray,  # float32 [rows]: filled with 1 / rms
) -> None:
    """Scale rows to unit root mean square, then each feature by its gain."""
    d = x.shape[1]
    for row in range(first, last):
        total = _ZERO
        for i in range(d):
            value = widen(x[row, i])
            total = add(total, value * value)
        by = _ONE / np.sqrt(total / np.float32(d) + eps)
        scale[row] = by
        for i in range(d):
            y[row, i] = narrow(widen(x[row, i]) * by * widen(gain[i]), y[0, 0])


@kernel
def rms_norm_backward(
    first: int,
    last: int,
    d_y: np.ndarray,  # [rows, d]
    x: np.ndarray,  # [rows, d]
    gain: np.ndarray,  # [d]
    scale: np.ndarray,  # float32 [rows]
    d_x: np.ndarray,  # [rows, d]: filled
    d_gains: np.ndarray,  # float32 [groups of GROUP rows, d]: added to
) -> None:
    """Compute the gradients by the input and, for each group of rows, by the gain."""
    d = x.shape[1]
    for row in range(first, last):
        by, d_gain = scale[row], d_gains[row // GROUP]
        total = _ZERO
        for i in range(d):
            unit, wide = widen(x[row, i]) * by, widen(d_y[row, i])
            d_gain[i] += unit * wide
            total = add(total, unit * wide * widen(gain[i]))
        mean = total / np.float32(d)
        for i in range(d):
            unit, wide = widen(x[row, i]) * by, widen(d_y[row, i])
            d_x[row, i] = narrow((wide * widen(gain[i]) - unit * mean) * by, d_x[0, 0])


@kernel
def swiglu(
    first: int,
    last: int,
    gate_up: np.ndarray,  # [rows, 2 d_ff]
    y: np.ndarray,  # [rows, d_ff]: filled
) -> None:
    """Compute silu(gate) * up."""
    d_ff = y.shape[1]
    for row in range(first, last):
        gates, ups, out = gate_up[row, :d_ff], gate_up[row, d_ff:], y[row]
        for i in range(d_ff):
            gate = widen(gates[i])
            out[i] = narrow(gate / (_ONE + exp(-gate)) * widen(ups[i]), out[0])


@kernel
def swiglu_backward(
    first: int,
    last: int,
    d_y: np.ndarray,  # [rows, d_ff]
    gate_up: np.ndarray,  # [rows, 2 d_ff]
    d_gate_up: np.ndarray,  # [rows, 2 d_ff]: filled
) -> None:
    """Compute the gradients by gate and up; silu(gate) is computed again rather than kept."""
    d_ff = d_y.shape[1]
    for row in range(first, last):
        gates, ups, d_out = gate_up[row, :d_ff], gate_up[row, d_ff:], d_y[row]
        d_gates, d_ups = d_gate_up[row, :d_ff], d_gate_up[row, d_ff:]
        for i in range(d_ff):
            gate, wide = widen(gates[i]), widen(d_out[i])
            share = _ONE / (_ONE + exp(-gate))
            by_gate = share * (_ONE + gate * (_ONE - share))
            d_ups[i] = narrow(wide * gate * share, d_out[0])
            d_gates[i] = narrow(wide * widen(ups[i]) * by_gate, d_out[0])


@kernel
def add_rows(
    first: int,
    last: int,
    x: np.ndarray,  # [rows, d]
    y: np.ndarray,  # [rows, d]
    total: np.ndarray,  # [rows, d]: filled
) -> None:
    """Add two tensors of any two kinds."""
    for row in range(first, last):
        for i in range(x.shape[1]):
            total[row, i] = narrow(widen(x[row, i]) + widen(y[row, i]), total[0, 0])


@kernel
def adamw(
    first: int,
    last: int,
    p: np.ndarray,  # float32, flat, and so the next three
    g: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    settings: np.ndarray,  # float32 [6]: see lmcore.optim.adamw
) -> None:
    """Make one update of elements [first, last) in one pass."""
    keep, beta1, beta2, correction, eps, rate = settings
    for i in range(first, last):
        m_i = beta1 * m[i] + (_ONE - beta1) * g[i]
        v_i = beta2 * v[i] + (_ONE - beta2) * g[i] * g[i]
        m[i] = m_i
        v[i] = v_i
        p[i] = keep * p[i] - rate * m_i / (np.sqrt(v_i) * correction + eps)
