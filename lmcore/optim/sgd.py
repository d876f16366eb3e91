"""Stochastic gradient descent with momentum (Sutskever et al. 2013, as torch.optim.SGD has it).

State: one tensor per parameter. The decay is added to the gradient (L2), as is usual for SGD.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmcore.optim.base import Group, Optimizer, check


def sgd_reference(  # noqa: PLR0913  # the quantities of the rule
    parameter: Float[Tensor, "..."],
    gradient: Float[Tensor, "..."],
    m: Float[Tensor, "..."],
    *,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """One update of one tensor: returns the new parameter and m, which starts at 0."""
    gradient = gradient + weight_decay * parameter
    m = momentum * m + gradient
    direction = gradient + momentum * m if nesterov else m
    return parameter - lr * direction, m


class SGD(Optimizer):
    """Updates all tensors of a group together; sharded tensors (DTensor) work the same."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[Group],
        *,
        lr: float,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        check("SGD", at_least_0={"lr": lr, "weight_decay": weight_decay}, in_unit={"momentum": momentum})  # fmt: skip
        super().__init__(
            parameters,
            {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay},
        )

    def _new_state(self, parameter: nn.Parameter, group: Group) -> dict[str, Tensor]:  # noqa: ARG002
        return {"m": torch.zeros_like(parameter)}

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        m = [self.state[p]["m"] for p in parameters]
        decayed = torch._foreach_add(gradients, parameters, alpha=group["weight_decay"])  # noqa: SLF001  # the batched form is named so
        torch._foreach_mul_(m, group["momentum"])
        torch._foreach_add_(m, decayed)
        if group["nesterov"]:
            torch._foreach_add_(decayed, m, alpha=group["momentum"])
        directions = decayed if group["nesterov"] else m
        torch._foreach_add_(parameters, directions, alpha=-group["lr"])
