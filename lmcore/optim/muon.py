"""Muon (Jordan et al. 2024): momentum made orthogonal, for the matrices of hidden layers.

The update of a matrix is the nearest semi-orthogonal matrix to its Nesterov momentum, found by five
Newton-Schulz steps of odd polynomials, and scaled by 0.2 sqrt(max(rows, columns)) so that its root
mean square is AdamW's and one learning rate serves both (arXiv:2502.16982). A matrix that holds
several projections is split first: the nearest orthogonal matrix of a stack is another.

State: one tensor per matrix, half of AdamW's. Cost: 30 r^2 c + 10 r^3 FLOPs for r x c with r <= c, the
products in the type that is asked for. Sharded matrices are gathered: each process computes the whole
of the update and takes its part, so sharding changes nothing but the order of sums.
"""

from collections.abc import Iterable
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmcore.errors import ConfigError
from lmcore.optim.base import Group, Optimizer, check
from lmcore.optim.sharded import gather_whole, scatter_like

_COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
"""of x, x^3, x^5: steep at zero; singular values end between 0.68 and 1.13"""
_RMS: Final = 0.2
_EPS: Final = 1e-7


def orthogonalize_reference(matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    """The nearest semi-orthogonal matrix: U V^T of the singular value decomposition."""
    u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
    nearest: Tensor = u @ vh
    return nearest


def orthogonalize(
    matrix: Float[Tensor, "*batch rows columns"], n_steps: int = 5
) -> Float[Tensor, "*batch rows columns"]:
    """Nearly that, without decomposing: singular values become about 1, singular vectors stay."""
    is_tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if is_tall else matrix
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + _EPS)
    a, b, c = _COEFFICIENTS
    for _ in range(n_steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    nearly: Tensor = x.mT if is_tall else x
    return nearly


class Muon(Optimizer):
    """Updates matrices; `group["n_parts"]` says how many projections each of its matrices stacks."""

    def __init__(  # noqa: PLR0913  # the method's hyperparameters
        self,
        parameters: Iterable[nn.Parameter] | Iterable[Group],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
        n_steps: int = 5,
        n_parts: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        check("Muon", at_least_0={"lr": lr, "weight_decay": weight_decay}, in_unit={"momentum": momentum})  # fmt: skip
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(
            parameters, {**defaults, "n_steps": n_steps, "n_parts": n_parts, "dtype": dtype}
        )

    def _new_state(self, parameter: nn.Parameter, group: Group) -> dict[str, Tensor]:
        if parameter.dim() != 2 or parameter.shape[0] % group["n_parts"]:
            raise ConfigError(
                f"Muon got a parameter of shape {tuple(parameter.shape)} in {group['n_parts']} "
                "parts; expected a matrix whose rows divide; give the others to AdamW"
            )
        return {"m": torch.zeros_like(parameter)}

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        lr, momentum, n_parts = group["lr"], group["momentum"], group["n_parts"]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            m = self.state[parameter]["m"].lerp_(gradient, 1.0 - momentum)
            ahead = gather_whole(gradient.lerp(m, momentum), parameter).to(group["dtype"])
            parts = ahead.reshape(n_parts, -1, ahead.shape[1])
            update = orthogonalize(parts, group["n_steps"]).flatten(0, 1).to(parameter.dtype)
            scale = _RMS * max(parts.shape[-2:]) ** 0.5
            parameter.mul_(1.0 - lr * group["weight_decay"])
            parameter.add_(scatter_like(update, parameter), alpha=-lr * scale)
