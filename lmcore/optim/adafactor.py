"""Adafactor (arXiv:1804.04235): the second moment of a matrix as the product of its row and column means.

State: d_out + d_in numbers for a matrix, a whole second moment for a vector. No first moment. The
learning rate is given, not relative to the parameter's size, and the decay stands outside of the
gradient. Sharded matrices are gathered for the update: every process computes the whole of it.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmcore.optim.base import Group, Optimizer, check
from lmcore.optim.sharded import gather_whole, scatter_like, whole_shape


def adafactor_reference(  # noqa: PLR0913  # the quantities of the paper's algorithm 4
    parameter: Float[Tensor, "rows columns"],
    gradient: Float[Tensor, "rows columns"],
    rows: Float[Tensor, " rows"],
    columns: Float[Tensor, " columns"],
    *,
    step: int,
    lr: float,
    decay_power: float,
    eps: float,
    clip: float,
    weight_decay: float,
) -> tuple[Float[Tensor, "rows columns"], Float[Tensor, " rows"], Float[Tensor, " columns"]]:
    """One update of one matrix: returns the new parameter and the two means, which start at 0."""
    beta2 = 1.0 - step**-decay_power
    square = gradient**2 + eps
    rows = beta2 * rows + (1.0 - beta2) * square.mean(dim=1)
    columns = beta2 * columns + (1.0 - beta2) * square.mean(dim=0)
    update = gradient / torch.sqrt(torch.outer(rows, columns) / rows.mean())
    root_mean_square = update.square().mean().sqrt()
    update = update / max(1.0, float(root_mean_square) / clip)
    return parameter - lr * weight_decay * parameter - lr * update, rows, columns


class Adafactor(Optimizer):
    """Updates tensor by tensor; anything that is no matrix keeps a whole second moment."""

    def __init__(  # the paper's hyperparameters
        self,
        parameters: Iterable[nn.Parameter] | Iterable[Group],
        *,
        lr: float,
        decay_power: float = 0.8,
        eps: float = 1e-30,
        clip: float = 1.0,
        weight_decay: float = 0.1,
    ) -> None:
        numbers = {"lr": lr, "eps": eps, "clip": clip, "weight_decay": weight_decay}
        check("Adafactor", at_least_0={**numbers, "decay_power": decay_power}, in_unit={})
        super().__init__(parameters, {**numbers, "decay_power": decay_power})

    def _new_state(self, parameter: nn.Parameter, group: Group) -> dict[str, Tensor]:  # noqa: ARG002
        if parameter.dim() != 2:
            return {"v": torch.zeros_like(parameter)}
        n_rows, n_columns = whole_shape(parameter)
        blank = torch.empty(0, dtype=parameter.dtype, device=parameter.device)
        return {"rows": blank.new_zeros(n_rows), "columns": blank.new_zeros(n_columns)}

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        beta2 = 1.0 - group["step"] ** -group["decay_power"]
        lr = group["lr"]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            whole = gather_whole(gradient, parameter)
            square = whole.square().add_(group["eps"])
            state = self.state[parameter]
            if "v" in state:
                mean = gather_whole(state["v"]).lerp(square, 1.0 - beta2)
                state["v"].copy_(scatter_like(mean, state["v"]))
                update = whole * mean.rsqrt()
            else:
                rows = state["rows"].lerp_(square.mean(dim=1), 1.0 - beta2)
                columns = state["columns"].lerp_(square.mean(dim=0), 1.0 - beta2)
                update = whole * (rows / rows.mean()).rsqrt()[:, None] * columns.rsqrt()
            size = float(update.square().mean().sqrt())
            update /= max(1.0, size / group["clip"])
            parameter.mul_(1.0 - lr * group["weight_decay"])
            parameter.add_(scatter_like(update, parameter), alpha=-lr)
