"""RMSNorm (arXiv:1910.07467): y = x / sqrt(mean(x^2) + eps) * gain, statistics in float32."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def rms_norm_reference(
    x: Float[Tensor, "*batch d"], gain: Float[Tensor, " d"], eps: float
) -> Float[Tensor, "*batch d"]:
    """The formula, operation by operation."""
    wide = x.to(torch.float32)
    rms = torch.sqrt(wide.square().mean(dim=-1, keepdim=True) + eps)
    return (wide / rms * gain.to(torch.float32)).to(x.dtype)


class RMSNorm(nn.Module):
    """Scales each vector to unit root mean square, then by a learned gain per feature."""

    def __init__(self, d: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(d))
        self.eps = eps

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Normalises the last dimension."""
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)
