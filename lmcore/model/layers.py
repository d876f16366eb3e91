"""Linear and Embedding: the two layers that hold matrices.

No biases: at this scale they change no loss and cost a kernel call each.
"""

import math
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from lmcore.model import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

_TRUNCATION = 3.0
"""Initial values beyond this many standard deviations are drawn again."""


def truncated_normal(
    shape: tuple[int, ...], std: float, generator: torch.Generator
) -> Float[Tensor, "..."]:
    """Draws from N(0, std^2), truncated at three standard deviations."""
    weight = torch.empty(shape)
    bound = _TRUNCATION * std
    return nn.init.trunc_normal_(weight, 0.0, std, -bound, bound, generator=generator)


def add_residual(
    x: Float[Tensor, "*batch d"], more: Float[Tensor, "*batch d"]
) -> Float[Tensor, "*batch d"]:
    """Returns x + more in the type of x."""
    if x.dtype != more.dtype and compiled.fits(x, more):
        apply: Callable[[Tensor, Tensor], Tensor] = _AddResidual.apply
        return apply(x, more)
    return x + more


class _AddResidual(torch.autograd.Function):
    """Two types in one pass; torch's own sum widens the narrow one in a pass of its own."""

    @staticmethod
    def forward(
        ctx: Any,  # autograd's context has no public type
        x: Tensor,
        more: Tensor,
    ) -> Tensor:
        ctx.dtype_of_more = more.dtype
        total = torch.empty_like(x, memory_format=torch.contiguous_format)
        d = x.shape[-1]
        compiled.share(
            compiled.kernels().add_rows,
            x.numel() // d,
            *(compiled.array(each).reshape(-1, d) for each in (x, more, total)),
            n_numbers=x.numel(),
        )
        return total

    @staticmethod
    def backward(
        ctx: Any,  # autograd's context has no public type
        d_total: Tensor,
    ) -> tuple[Tensor, Tensor]:
        return d_total, d_total.to(ctx.dtype_of_more)


class Linear(nn.Module):
    """y = x W^T with weight [d_out, d_in], drawn with variance 2 / (d_in + d_out).

    `gain` scales the standard deviation; 0 starts the layer at zero.
    """

    def __init__(
        self, d_in: int, d_out: int, *, generator: torch.Generator, gain: float = 1.0
    ) -> None:
        super().__init__()
        std = gain * math.sqrt(2.0 / (d_in + d_out))
        shape = (d_out, d_in)
        self.weight = nn.Parameter(
            truncated_normal(shape, std, generator) if gain else torch.zeros(shape)
        )

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """Projects the last dimension."""
        return F.linear(x, self.weight)


class Embedding(nn.Module):
    """A table of one vector per token, weight [vocab_size, d_model]."""

    def __init__(
        self, vocab_size: int, d_model: int, *, std: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(truncated_normal((vocab_size, d_model), std, generator))

    def forward(self, ids: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch d_model"]:
        """Looks the tokens up."""
        return F.embedding(ids, self.weight)
