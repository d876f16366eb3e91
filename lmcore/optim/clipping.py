"""Gradient clipping by the norm over all parameters (arXiv:1211.5063)."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from lmcore.optim.sharded import gather_whole, local_part

_EPS = 1e-6


def gradient_norm(gradients: Sequence[Tensor]) -> float:
    """The norm of all gradients as one vector, over all shards where tensors are sharded."""
    if not gradients:
        return 0.0
    norms = torch._foreach_norm(list(gradients), 2.0)  # noqa: SLF001  # the batched form is named so
    whole = torch.stack([gather_whole(part) for part in norms])
    return float(torch.linalg.vector_norm(whole))


def clip_gradients(
    parameters: Iterable[nn.Parameter],
    max_norm: float,
    *,
    total: Callable[[Tensor], Tensor] | None = None,
    is_counted: Callable[[nn.Parameter], bool] = lambda _: True,
) -> float:
    """Scales all gradients in place so that their joint norm is at most `max_norm`.

    Returns the norm before clipping, over all shards where tensors are sharded. A norm that is
    not finite scales nothing: the caller decides. Where processes hold different parameters or
    parts, `total` adds a number up over all of them, and `is_counted` is True in one process
    only for each gradient, or part of one, that several hold alike; then every process has to call.
    """
    held = [(p, p.grad) for p in parameters if p.grad is not None]
    gradients = [gradient for _, gradient in held]
    if total is None:
        norm = gradient_norm(gradients)
    else:
        counted = [local_part(gradient) for p, gradient in held if is_counted(p)]
        norm = math.sqrt(float(total(_sum_of_squares(counted))))
    if gradients and math.isfinite(norm) and norm > max_norm:
        torch._foreach_mul_(gradients, max_norm / (norm + _EPS))
    return norm


def _sum_of_squares(tensors: list[Tensor]) -> Tensor:
    if not tensors:
        return torch.zeros((), dtype=torch.float64)
    norms = torch._foreach_norm(tensors, 2.0)  # noqa: SLF001  # as above
    return torch.stack(norms).double().square().sum()
