"""What our optimizers share: groups that count their updates, and state as named tensors."""

import inspect
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

from lmcore.errors import ConfigError

Group = dict[str, Any]  # torch's own type: tensors under "params", numbers under the rest


class Optimizer(torch.optim.Optimizer):
    """Each group counts its updates in `group["step"]`; `state[parameter]` holds tensors by name.

    Everything that a later update depends on is in these two, so a checkpoint of them is exact.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter] | Iterable[Group], defaults: Group
    ) -> None:
        super().__init__(parameters, {**defaults, "step": 0})
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter] = self._new_state(parameter, group)

    def add_param_group(self, param_group: Group) -> None:
        """Adds tensors as torch's own does, without loading its compiler: that takes 2 s."""
        inspect.unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops every gradient, or sets it to zero; without loading torch's compiler either."""
        inspect.unwrap(torch.optim.Optimizer.zero_grad)(self, set_to_none)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Updates every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            group["step"] += 1
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                self._update(parameters, [p.grad for p in parameters], group)
        return loss

    @abstractmethod
    def _new_state(self, parameter: nn.Parameter, group: Group) -> dict[str, Tensor]:
        """The state of a parameter before its first update."""

    @abstractmethod
    def _update(self, parameters: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        """Makes one update of these parameters of a group."""


def check(name: str, *, at_least_0: Group, in_unit: Group) -> None:
    """Refuses settings out of range.

    Raises:
        ConfigError: a number below 0, or a decay outside [0, 1).
    """
    wrong = {key: value for key, value in at_least_0.items() if not value >= 0.0}
    wrong |= {key: value for key, value in in_unit.items() if not 0.0 <= value < 1.0}
    if wrong:
        raise ConfigError(
            f"{name} got {', '.join(f'{key}={value}' for key, value in wrong.items())}; expected "
            f"{', '.join(in_unit)} in [0, 1) and {', '.join(at_least_0)} at least 0"
        )
