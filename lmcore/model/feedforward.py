"""SwiGLU (arXiv:2002.05202): down(silu(gate(x)) * up(x)), gate and up in one product.

The gated product is one step of autograd: it keeps gate and up, and computes silu(gate) again
rather than keep it, and its gradients are written where the joint product reads them. 2,048 tokens
of d_ff 704 in bfloat16 take 0.4 ms forward and 0.6 ms backward on a core (AVX-512).
"""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lmcore.model import compiled
from lmcore.model.config import ModelConfig
from lmcore.model.layers import Linear

if TYPE_CHECKING:
    from collections.abc import Callable


def swiglu_reference(
    gate: Float[Tensor, "*batch d_ff"], up: Float[Tensor, "*batch d_ff"]
) -> Float[Tensor, "*batch d_ff"]:
    """Computes gate * sigmoid(gate) * up, as written in the paper."""
    return gate * torch.sigmoid(gate) * up


def swiglu(gate_up: Float[Tensor, "*batch both"]) -> Float[Tensor, "*batch d_ff"]:
    """The same of a tensor whose last dimension holds gate, then up."""
    step = _CompiledSwiGLU if compiled.fits(gate_up) else _SwiGLU
    apply: Callable[[Tensor], Tensor] = step.apply
    return apply(gate_up)


class _SwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        gate_up: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        d_out: Tensor,
    ) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        d_gate_up = torch.empty_like(gate_up)
        d_gate, d_up = d_gate_up.chunk(2, dim=-1)
        wide = F.silu(gate)
        torch.mul(d_out, wide, out=d_up)
        torch.mul(d_out, up, out=wide)
        torch.ops.aten.silu_backward.grad_input(wide, gate, grad_input=d_gate)
        return d_gate_up


class _CompiledSwiGLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        gate_up: Tensor,
    ) -> Tensor:
        gate_up = gate_up.contiguous()
        both = gate_up.shape[-1]
        rows = gate_up.numel() // both
        y = gate_up.new_empty(*gate_up.shape[:-1], both // 2)
        compiled.share(
            compiled.kernels().swiglu,
            rows,
            compiled.array(gate_up).reshape(rows, both),
            compiled.array(y).reshape(rows, both // 2),
            n_numbers=gate_up.numel(),
        )
        ctx.save_for_backward(gate_up)
        return y

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        d_out: Tensor,
    ) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        both = gate_up.shape[-1]
        rows = gate_up.numel() // both
        d_gate_up = torch.empty_like(gate_up)
        compiled.share(
            compiled.kernels().swiglu_backward,
            rows,
            compiled.array(d_out).reshape(rows, both // 2),
            compiled.array(gate_up).reshape(rows, both),
            compiled.array(d_gate_up).reshape(rows, both),
            n_numbers=gate_up.numel(),
        )
        return d_gate_up


class SwiGLU(nn.Module):
    """The feed-forward layer: 3 d_model d_ff parameters, 6 d_model d_ff FLOPs per token."""

    def __init__(self, config: ModelConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        d, d_ff = config.d_model, config.hidden_dim
        # drawn as two [d_ff, d] matrices would be
        gain = ((d + 2 * d_ff) / (d + d_ff)) ** 0.5
        self.gate_up = Linear(d, 2 * d_ff, generator=generator, gain=gain)
        self.down = Linear(d_ff, d, generator=generator, gain=0.0)

    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """Applies the layer to the last dimension."""
        y: Tensor = self.down(swiglu(self.gate_up(x)))
        return y
