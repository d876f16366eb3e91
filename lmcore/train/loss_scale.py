"""The loss scale of float16 (arXiv:1710.03740, section 3.2, with the dynamic rule of section 4).

Gradients below 6e-8 are zero in float16, so the loss is multiplied by a large factor before
backward and the gradient divided by it after. The factor is a power of two: multiplying changes
no digit. Where a gradient overflows, the update is left out and the factor halved; after a number
of updates in a row without one it doubles. Cost: one pass over the gradients.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import nn

_LOWEST = 1.0
_HIGHEST = 2.0**24
"""float32 gradients stay far from their own limit, 3e38."""


class LossScale:
    """The factor, and how many updates in a row it has held."""

    def __init__(self, first: float, interval: int) -> None:
        self.value = first
        self.interval = interval
        self.n_good = 0

    @property
    def can_fall(self) -> bool:
        """Whether an overflow may be the scale's fault."""
        return self.value > _LOWEST

    def unscale(self, parameters: Iterable[nn.Parameter]) -> None:
        """Divides every gradient by the scale, in place."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        torch._foreach_mul_(gradients, 1.0 / self.value)

    def fall(self) -> str:
        """Halves after an overflow; returns what happened in words."""
        old, self.value, self.n_good = self.value, self.value / 2.0, 0
        return f"overflow at loss scale {old:g}: update skipped, scale halved"

    def hold(self) -> None:
        """Counts an update without an overflow, and doubles after `interval` of them."""
        self.n_good += 1
        if self.n_good >= self.interval:
            self.value, self.n_good = min(2.0 * self.value, _HIGHEST), 0

    def state(self) -> dict[str, float | int]:
        """What a checkpoint has to hold."""
        return {"value": self.value, "n_good": self.n_good}

    def restore(self, state: Mapping[str, float | int]) -> None:
        """Goes back to a state."""
        self.value, self.n_good = float(state["value"]), int(state["n_good"])
