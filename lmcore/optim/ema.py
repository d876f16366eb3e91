"""An exponential moving average of the weights (arXiv:1412.6980, section 7.2; arXiv:2305.13035).

The running sum starts at zero and is divided by 1 - decay^n after n updates, as Adam's moments
are, so the average is a weighted mean of the weights that were, from the first update on. Cost:
4 bytes a parameter, one pass over the weights an update.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def average_reference(weights: list[Tensor], decay: float) -> Tensor:
    """The average after the last of a list of weights, term by term."""
    n = len(weights)
    total = sum((decay ** (n - 1 - i) * weight for i, weight in enumerate(weights)))
    assert isinstance(total, Tensor)
    return total * (1.0 - decay) / (1.0 - decay**n)


class WeightAverage:
    """The running sum of each parameter; sharded tensors (DTensor) work the same."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self.parameters = parameters
        self.decay = decay
        self.sums = {name: torch.zeros_like(p.detach()) for name, p in parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the weights as they are now."""
        weights = [p.detach() for p in self.parameters.values()]
        torch._foreach_lerp_(list(self.sums.values()), weights, 1.0 - self.decay)

    @torch.no_grad()
    def averaged(self, n_updates: int) -> dict[str, Tensor]:
        """The average by name after that many updates; before the first, the weights."""
        if not n_updates:
            return {name: p.detach().clone() for name, p in self.parameters.items()}
        correction = 1.0 - self.decay**n_updates
        return {name: total / correction for name, total in self.sums.items()}

    @contextmanager
    def swapped(self, n_updates: int) -> Iterator[None]:
        """Puts the average into the parameters for a while; the weights come back to the bit."""
        weights = {name: p.detach().clone() for name, p in self.parameters.items()}
        try:
            self._put(self.averaged(n_updates))
            yield
        finally:
            self._put(weights)

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(weights[name])
