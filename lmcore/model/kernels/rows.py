"""Kernels over rows of features: rotation of queries and keys, RMSNorm, SwiGLU, sums.

Each works on rows [first, last), so that threads can share the rows; a row's numbers do not depend
on who computes them. float32, or bfloat16 as uint16 (see `numbers`); in between all is float32.
"""

import numpy as np

from lmcore.kernels.compiling import kernel
from lmcore.model.kernels.numbers import add, exp, first_of, narrow, pair_of, second_of, widen

GROUP = 64
"""Rows whose gradients by a gain are summed one after the other; a thread gets whole groups."""
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@kernel
def rotate_heads(
    first: int,
    last: int,
    qkv: np.ndarray,  # pairs [rows, 3, heads, half]
    cos: np.ndarray,  # float32 [1 or batch, seq, half]
    sin: np.ndarray,
    heads: np.ndarray,  # pairs [3, batch, heads, seq, half]: filled
) -> None:
    """Turn queries and keys by their positions, and lay all three out head by head."""
    n_seq, half = heads.shape[3], heads.shape[4]
    for row in range(first, last):
        batch, place = row // n_seq, row % n_seq
        own = batch if cos.shape[0] > 1 else 0
        for part in range(3):
            for head in range(heads.shape[2]):
                x, y = qkv[row, part, head], heads[part, batch, head, place]
                if part == 2:
                    for i in range(half):
                        y[i] = x[i]
                    continue
                for i in range(half):
                    c, s, even, odd = (
                        cos[own, place, i],
                        sin[own, place, i],
                        first_of(x[i]),
                        second_of(x[i]),
                    )
                    y[i] = pair_of(even * c - odd * s, even * s + odd * c, x[0])


@kernel
def rotate_heads_backward(
    first: int,
    last: int,
    d_q: np.ndarray,  # pairs [batch, heads, seq, half], and so the next two
    d_k: np.ndarray,
    d_v: np.ndarray,
    cos: np.ndarray,  # as above
    sin: np.ndarray,
    d_qkv: np.ndarray,  # pairs [rows, 3, heads, half]: filled
) -> None:
    """Turn the gradients back, and lay them out as the joint product reads them."""
    n_seq, half = d_q.shape[2], d_q.shape[3]
    for row in range(first, last):
        batch, place = row // n_seq, row % n_seq
        own = batch if cos.shape[0] > 1 else 0
        for head in range(d_q.shape[1]):
            for part in range(2):
                x = d_k[batch, head, place] if part else d_q[batch, head, place]
                y = d_qkv[row, part, head]
                for i in range(half):
                    c, s, even, odd = (
                        cos[own, place, i],
                        sin[own, place, i],
                        first_of(x[i]),
                        second_of(x[i]),
                    )
                    y[i] = pair_of(even * c + odd * s, odd * c - even * s, x[0])
            x, y = d_v[batch, head, place], d_qkv[row, 2, head]
            for i in range(half):
                y[i] = x[i]


@kernel
def rms_norm(
    first: int,
    last: int,
    x: np.ndarray,  # [rows, d]
    more: np.ndarray,  # [rows, d], added to x first; or [0, d]
    gain: np.ndarray,  # [d]
    eps: np.float32,
    total: np.ndarray,  # [rows, d]: filled with the sum, where there is one to make
    y: np.ndarray,  # [rows, d]: filled
    scale: np.ndarray,  # float32 [rows]: filled with 1 / rms
) -> None:
    """Scale rows to unit root mean square, then each feature by its gain."""
    d = x.shape[1]
    for row in range(first, last):
        if more.shape[0]:
            for i in range(d):
                total[row, i] = narrow(widen(x[row, i]) + widen(more[row, i]), x[0, 0])
        source = total[row] if more.shape[0] else x[row]
        squares = _ZERO
        for i in range(d):
            squares = add(squares, widen(source[i]) * widen(source[i]))
        by = _ONE / np.sqrt(squares / np.float32(d) + eps)
        scale[row] = by
        for i in range(d):
            y[row, i] = narrow(widen(source[i]) * by * widen(gain[i]), y[0, 0])


@kernel
def rms_norm_backward(
    first: int,
    last: int,
    d_y: np.ndarray,  # [rows, d]
    d_past: np.ndarray,  # [rows, d], the gradient that does not come through the norm; or [0, d]
    x: np.ndarray,  # [rows, d]: what was normalised
    gain: np.ndarray,  # [d]
    scale: np.ndarray,  # float32 [rows]
    d_x: np.ndarray,  # [rows, d]: filled
    d_more: np.ndarray,  # [rows, d]: filled with the same in another kind; or [0, d]
    d_gains: np.ndarray,  # float32 [groups of GROUP rows, d]: added to
) -> None:
    """Compute the gradients by the input and, for each group of rows, by the gain."""
    d = x.shape[1]
    for row in range(first, last):
        by, d_gain, out = scale[row], d_gains[row // GROUP], d_x[row]
        mean = _ZERO
        for i in range(d):
            unit, wide = widen(x[row, i]) * by, widen(d_y[row, i])
            d_gain[i] += unit * wide
            mean = add(mean, unit * wide * widen(gain[i]))
        mean /= np.float32(d)
        if d_past.shape[0]:
            for i in range(d):
                unit, wide = widen(x[row, i]) * by, widen(d_y[row, i]) * widen(gain[i])
                out[i] = narrow(widen(d_past[row, i]) + (wide - unit * mean) * by, out[0])
        else:
            for i in range(d):
                unit, wide = widen(x[row, i]) * by, widen(d_y[row, i]) * widen(gain[i])
                out[i] = narrow((wide - unit * mean) * by, out[0])
        if d_more.shape[0]:
            for i in range(d):
                d_more[row, i] = narrow(widen(out[i]), d_more[0, 0])


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
    """Add two tensors, each of its own kind."""
    for row in range(first, last):
        for i in range(x.shape[1]):
            total[row, i] = narrow(widen(x[row, i]) + widen(y[row, i]), total[0, 0])
