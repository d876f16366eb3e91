"""Rotary position embedding (RoPE, arXiv:2104.09864) on adjacent pairs of features.

Pair i of a head at position p is turned by the angle p * theta^(-2i / head_dim). A pair is one
complex number and the turn one complex product, so forward and backward are one kernel each.
`rotate_heads` also lays queries, keys and values out head by head in the same pass.
"""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Complex64, Float
from torch import Tensor

from lmcore.model import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

Heads = Float[Tensor, "batch heads seq head_dim"]


def rotation_table(
    context_length: int, head_dim: int, theta: float
) -> Float[Tensor, "context half 2"]:
    """Cosine and sine of every angle: entry [p, i] turns pair i at position p.

    Kept as two reals (a complex buffer does not survive a change of dtype of the module) and
    computed in float64, because p * frequency loses digits for large p.
    """
    half = torch.arange(head_dim // 2, dtype=torch.float64)
    frequency = theta ** (-2.0 * half / head_dim)
    angle = torch.arange(context_length, dtype=torch.float64)[:, None] * frequency
    return torch.stack((angle.cos(), angle.sin()), dim=-1).to(torch.float32)


def rotate(
    x: Float[Tensor, "batch seq *heads head_dim"], turn: Complex64[Tensor, "#batch seq half"]
) -> Float[Tensor, "batch seq *heads head_dim"]:
    """Turns every pair of features; computed in float32, returned in the dtype of x."""
    pairs = torch.view_as_complex(x.to(torch.float32).view(*x.shape[:-1], -1, 2))
    extra = pairs.dim() - turn.dim()
    turn = turn.view(*turn.shape[:2], *(1,) * extra, turn.shape[-1])
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


def rotate_heads(
    qkv: Float[Tensor, "batch seq 3 heads head_dim"], turn: Complex64[Tensor, "#batch seq half"]
) -> tuple[Heads, Heads, Heads]:
    """Queries and keys turned as `rotate` does, and values as they are, each head by head."""
    if compiled.fits(qkv) and turn.device.type == "cpu":
        apply: Callable[..., tuple[Tensor, Tensor, Tensor]] = _RotateHeads.apply
        return apply(qkv, turn.real.contiguous(), turn.imag.contiguous())
    q, k = rotate(qkv[:, :, :2], turn).transpose(1, 3).unbind(2)
    return q, k, qkv[:, :, 2].transpose(1, 2)


class _RotateHeads(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        qkv: Tensor,
        cos: Tensor,
        sin: Tensor,
    ) -> tuple[Tensor, ...]:
        batch, seq, _, n_heads, head_dim = qkv.shape
        heads = qkv.new_empty(3, batch, n_heads, seq, head_dim)
        compiled.share(
            compiled.kernels().rotate_heads,
            batch * seq,
            compiled.pairs(qkv).reshape(batch * seq, 3, n_heads, head_dim // 2),
            cos.numpy(),
            sin.numpy(),
            compiled.pairs(heads),
            n_numbers=heads.numel(),
        )
        ctx.save_for_backward(cos, sin)
        return heads[0], heads[1], heads[2]

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        *d_heads: Tensor,
    ) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        batch, n_heads, seq, head_dim = d_heads[0].shape
        d_qkv = d_heads[0].new_empty(batch, seq, 3, n_heads, head_dim)
        compiled.share(
            compiled.kernels().rotate_heads_backward,
            batch * seq,
            *map(compiled.pairs, d_heads),
            cos.numpy(),
            sin.numpy(),
            compiled.pairs(d_qkv).reshape(batch * seq, 3, n_heads, head_dim // 2),
            n_numbers=d_qkv.numel(),
        )
        return d_qkv, None, None


def rotate_reference(
    x: Float[Tensor, "batch seq *heads head_dim"], turn: Complex64[Tensor, "#batch seq half"]
) -> Float[Tensor, "batch seq *heads head_dim"]:
    """The same by the 2x2 rotation matrix, one pair at a time."""
    out = torch.empty_like(x)
    extra = x.dim() - turn.dim()
    for i in range(x.shape[-1] // 2):
        shape = (*turn.shape[:2], *(1,) * (extra))
        cos, sin = turn[..., i].real.reshape(shape), turn[..., i].imag.reshape(shape)
        even, odd = x[..., 2 * i], x[..., 2 * i + 1]
        out[..., 2 * i] = even * cos - odd * sin
        out[..., 2 * i + 1] = even * sin + odd * cos
    return out
