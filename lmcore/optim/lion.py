"""Lion (arXiv:2302.06675): the sign of an interpolation between momentum and gradient.

State: one tensor per parameter, half of AdamW's. Every entry moves by exactly lr, so the rate is 3 to
10 times smaller than AdamW's, and the decay as much larger.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmcore.optim.base import Group, Optimizer, check


def lion_reference(  # noqa: PLR0913  # the quantities of the paper's program
    parameter: Float[Tensor, "..."],
    gradient: Float[Tensor, "..."],
    m: Float[Tensor, "..."],
    *,
    lr: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """One update of one tensor: returns the new parameter and m, which starts at 0."""
    direction = torch.sign(beta1 * m + (1 - beta1) * gradient)
    parameter = parameter - lr * (direction + weight_decay * parameter)
    return parameter, beta2 * m + (1 - beta2) * gradient


class Lion(Optimizer):
    """Updates all tensors of a group together; sharded tensors (DTensor) work the same."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[Group],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.1,
    ) -> None:
        beta1, beta2 = betas
        check("Lion", at_least_0={"lr": lr, "weight_decay": weight_decay}, in_unit={"beta1": beta1, "beta2": beta2})  # fmt: skip
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    def _new_state(self, parameter: nn.Parameter, group: Group) -> dict[str, Tensor]:  # noqa: ARG002
        return {"m": torch.zeros_like(parameter)}

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        beta1, beta2 = group["betas"]
        m = [self.state[p]["m"] for p in parameters]
        directions = torch._foreach_lerp(m, gradients, 1.0 - beta1)  # noqa: SLF001  # the batched form is named so
        torch._foreach_sign_(directions)
        torch._foreach_lerp_(m, gradients, 1.0 - beta2)
        torch._foreach_mul_(parameters, 1.0 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(parameters, directions, alpha=-group["lr"])
