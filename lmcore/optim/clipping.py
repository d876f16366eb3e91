"""Gradient clipping by the norm over all parameters (arXiv:1211.5063)."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from lmcore.optim.sharded import gather_whole

_EPS = 1e-6


def gradient_norm(gradients: Sequence[Tensor]) -> float:
    """The norm of all gradients as one vector, over all shards where tensors are sharded."""
    if not gradients:
        return 0.0
    norms = torch._foreach_norm(list(gradients), 2.0)  # noqa: SLF001  # the batched form is named so
    whole = torch.stack([gather_whole(part) for part in norms])
    return float(torch.linalg.vector_norm(whole))


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> float:
    """Scales all gradients in place so that their joint norm is at most `max_norm`.

    Returns the norm before clipping, over all shards where tensors are sharded. A norm that is
    not finite scales nothing: the caller decides.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = gradient_norm(gradients)
    if math.isfinite(norm) and norm > max_norm:
        torch._foreach_mul_(gradients, max_norm / (norm + _EPS))
    return norm
