"""SwiGLU (arXiv:2002.05202): down(silu(gate(x)) * up(x)), gate and up in one product.

The gated product is one step of autograd: it keeps gate and up, and computes silu(gate) again
rather than keep it, and its gradients are written where the joint product reads them.
"""

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

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
    apply: Callable[[Tensor], Tensor] = _SwiGLU.apply
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
