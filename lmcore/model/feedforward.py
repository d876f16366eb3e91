"""SwiGLU (arXiv:2002.05202): down(silu(gate(x)) * up(x)), gate and up in one product."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lmcore.model.config import ModelConfig
from lmcore.model.layers import Linear


def swiglu_reference(
    gate: Float[Tensor, "*batch d_ff"], up: Float[Tensor, "*batch d_ff"]
) -> Float[Tensor, "*batch d_ff"]:
    """Computes gate * sigmoid(gate) * up, as written in the paper."""
    return gate * torch.sigmoid(gate) * up


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
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        y: Tensor = self.down(F.silu(gate) * up)
        return y
