"""SOAP (arXiv:2409.11321): Adam in the eigenbasis of Shampoo's preconditioners.

For a matrix G of r rows and c columns the running means of G G^T and G^T G have eigenvectors Q_L
and Q_R; Adam runs on Q_L^T G Q_R and its step is turned back. The eigenvectors follow by one step of
power iteration and QR every `every` updates. A side longer than `max_size` is left unturned. The first
gradient only starts the preconditioners, as in the authors' program.

State: m and v, and 2 (r^2 + c^2) numbers. Cost: 8 (r^2 c + r c^2) FLOPs an update beside AdamW's. A
matrix that holds several projections is split first. Not for sharded matrices: where a mean has no full
rank, as that of the longer side of a matrix at first, its eigenvectors are decided by the last bits of
sums, so each number of processes would train another model.
"""

from collections.abc import Iterable
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmcore.errors import ConfigError
from lmcore.optim.base import Group, Optimizer, check

_SIDES: Final = (("left", 0), ("right", 1))


def soap_reference(  # noqa: PLR0913  # the quantities of the paper's algorithm 3
    parameter: Float[Tensor, "rows columns"],
    gradients: Iterable[Float[Tensor, "rows columns"]],
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    every: int,
) -> Float[Tensor, "rows columns"]:
    """The parameter after one update by each gradient, the paper's algorithm 3 line by line."""
    beta1, beta2 = betas
    m = v = torch.zeros_like(parameter)
    left = right = q_left = q_right = torch.zeros(0)
    for step, gradient in enumerate(gradients):
        if step == 0:
            left = (1 - beta2) * gradient @ gradient.T
            right = (1 - beta2) * gradient.T @ gradient
            q_left, q_right = torch.linalg.eigh(left)[1], torch.linalg.eigh(right)[1]
            continue
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * (q_left.T @ gradient @ q_right) ** 2
        m_hat = q_left.T @ m @ q_right / (1 - beta1**step)
        v_hat = v / (1 - beta2**step)
        update = q_left @ (m_hat / (v_hat.sqrt() + eps)) @ q_right.T
        parameter = parameter - lr * weight_decay * parameter - lr * update
        left = beta2 * left + (1 - beta2) * gradient @ gradient.T
        right = beta2 * right + (1 - beta2) * gradient.T @ gradient
        if (step + 1) % every == 0:
            q_left, q_right = torch.linalg.qr(left @ q_left)[0], torch.linalg.qr(right @ q_right)[0]
    return parameter


class SOAP(Optimizer):
    """Updates matrices; `group["n_parts"]` says how many projections each of its matrices stacks."""

    def __init__(  # noqa: PLR0913  # the paper's hyperparameters
        self,
        parameters: Iterable[nn.Parameter] | Iterable[Group],
        *,
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.1,
        every: int = 10,
        max_size: int = 10_000,
        n_parts: int = 1,
    ) -> None:
        beta1, beta2 = betas
        check(
            "SOAP",
            at_least_0={"lr": lr, "eps": eps, "weight_decay": weight_decay},
            in_unit={"beta1": beta1, "beta2": beta2},
        )
        if every < 1:
            raise ConfigError(f"SOAP got every={every}; expected at least 1; 10 is usual")
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(
            parameters, {**defaults, "every": every, "max_size": max_size, "n_parts": n_parts}
        )

    def _new_state(self, parameter: nn.Parameter, group: Group) -> dict[str, Tensor]:
        n_parts = group["n_parts"]
        if parameter.dim() != 2 or parameter.shape[0] % n_parts:
            raise ConfigError(
                f"SOAP got a parameter of shape {tuple(parameter.shape)} in {n_parts} parts; "
                "expected a matrix whose rows divide; give the others to AdamW"
            )
        blank = torch.empty(0, dtype=parameter.dtype, device=parameter.device)
        shape = (parameter.shape[0] // n_parts, parameter.shape[1])
        state = {name: blank.new_zeros(n_parts, *shape) for name in ("m", "v")}
        for side, axis in _SIDES:
            if shape[axis] <= group["max_size"]:
                square = (n_parts, shape[axis], shape[axis])
                state[f"{side}_mean"] = blank.new_zeros(square)
                state[f"{side}_basis"] = torch.eye(shape[axis]).to(blank).expand(square).clone()
        return state

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        step = group["step"]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            state = self.state[parameter]
            parts = gradient.reshape(group["n_parts"], -1, gradient.shape[1])
            if step > 1:
                update = self._direction(parts, state, group).flatten(0, 1)
                parameter.mul_(1.0 - group["lr"] * group["weight_decay"])
                parameter.add_(update, alpha=-group["lr"])
            self._learn(parts, state, group)

    def _direction(
        self, parts: Float[Tensor, "parts rows columns"], state: dict[str, Tensor], group: Group
    ) -> Float[Tensor, "parts rows columns"]:
        """Adam's step in the eigenbasis, turned back."""
        (beta1, beta2), n_steps = group["betas"], group["step"] - 1
        m = state["m"].lerp_(parts, 1.0 - beta1)
        turned = turn(parts, state)
        v = state["v"].mul_(beta2).addcmul_(turned, turned, value=1.0 - beta2)
        m_hat = turn(m, state) / (1.0 - beta1**n_steps)
        v_hat = v / (1.0 - beta2**n_steps)
        return turn_back(m_hat / (v_hat.sqrt() + group["eps"]), state)

    def _learn(
        self, parts: Float[Tensor, "parts rows columns"], state: dict[str, Tensor], group: Group
    ) -> None:
        """Adds a gradient to the preconditioners and renews their eigenvectors where it is time."""
        _, beta2 = group["betas"]
        squares = {"left": parts @ parts.mT, "right": parts.mT @ parts}
        for side, _ in _SIDES:
            if f"{side}_mean" not in state:
                continue
            mean, basis = state[f"{side}_mean"], state[f"{side}_basis"]
            mean.lerp_(squares[side], 1.0 - beta2)
            if group["step"] == 1:
                basis.copy_(torch.linalg.eigh(mean).eigenvectors)
            elif group["step"] % group["every"] == 0:
                basis.copy_(torch.linalg.qr(mean @ basis).Q)


def turn(
    parts: Float[Tensor, "parts rows columns"], state: dict[str, Tensor]
) -> Float[Tensor, "parts rows columns"]:
    """Q_L^T G Q_R; a side without a basis stays."""
    if "left_basis" in state:
        parts = state["left_basis"].mT @ parts
    return parts @ state["right_basis"] if "right_basis" in state else parts


def turn_back(
    parts: Float[Tensor, "parts rows columns"], state: dict[str, Tensor]
) -> Float[Tensor, "parts rows columns"]:
    """Q_L N Q_R^T."""
    if "left_basis" in state:
        parts = state["left_basis"] @ parts
    return parts @ state["right_basis"].mT if "right_basis" in state else parts
