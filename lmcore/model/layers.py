"""Linear and Embedding: the two layers that hold matrices.

No biases: at this scale they change no loss and cost a kernel call each.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

_TRUNCATION = 3.0
"""Initial values beyond this many standard deviations are drawn again."""


def truncated_normal(
    shape: tuple[int, ...], std: float, generator: torch.Generator
) -> Float[Tensor, "..."]:
    """Draws from N(0, std^2), truncated at three standard deviations."""
    weight = torch.empty(shape)
    bound = _TRUNCATION * std
    return nn.init.trunc_normal_(weight, 0.0, std, -bound, bound, generator=generator)


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
