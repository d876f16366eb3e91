"""AdamW (arXiv:1711.05101): Adam with the weight decay outside the gradient.

State: two float32 tensors per parameter (8 bytes each parameter beside its 4 and its gradient's
4). On a CPU a step is one compiled pass over them; elsewhere (an accelerator, other types) eight
passes of torch's batched operations, which compute the same to rounding.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmcore.kernels import compiling
from lmcore.model import compiled
from lmcore.optim.base import Group, Optimizer, check
from lmcore.optim.sharded import local_part

_Tensors = tuple[Tensor, ...]
"""Parameter, gradient, m and v."""


def adamw_reference(  # noqa: PLR0913  # the quantities of the paper's algorithm 2
    parameter: Float[Tensor, "..."],
    gradient: Float[Tensor, "..."],
    m: Float[Tensor, "..."],
    v: Float[Tensor, "..."],
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."], Float[Tensor, "..."]]:
    """One update of one tensor, line by line: returns the new parameter, m and v."""
    m = beta1 * m + (1 - beta1) * gradient
    v = beta2 * v + (1 - beta2) * gradient**2
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    decayed = parameter - lr * weight_decay * parameter
    return decayed - lr * m_hat / (v_hat.sqrt() + eps), m, v


class AdamW(Optimizer):
    """Updates all tensors of a group; sharded tensors (DTensor) work the same.

    `state[parameter]` holds `m` and `v`.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[Group],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.1,
    ) -> None:
        check(
            "AdamW",
            at_least_0={"lr": lr, "eps": eps, "weight_decay": weight_decay},
            in_unit={"beta1": betas[0], "beta2": betas[1]},
        )
        super().__init__(
            parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    def _new_state(self, parameter: nn.Parameter, group: Group) -> dict[str, Tensor]:
        del group
        return {"m": torch.zeros_like(parameter), "v": torch.zeros_like(parameter)}

    def _update(self, parameters: list[Tensor], gradients: list[Tensor], group: Group) -> None:
        beta1, beta2 = group["betas"]
        constants = _Constants(
            beta1=beta1,
            beta2=beta2,
            kept=1.0 - group["lr"] * group["weight_decay"],
            rate=group["lr"] / (1.0 - beta1 ** group["step"]),
            unbias=(1.0 - beta2 ** group["step"]) ** -0.5,
            eps=group["eps"],
        )
        for_torch: list[_Tensors] = []
        for parameter, gradient in zip(parameters, gradients, strict=True):
            state = self.state[parameter]
            whole = (parameter, gradient, state["m"], state["v"])
            tensors: _Tensors = tuple(map(local_part, whole))
            if _fits_kernel(tensors):
                _update_compiled(tensors, constants)
            else:
                for_torch.append(tensors)
        if for_torch:
            _update_batched(for_torch, constants)


class _Constants(NamedTuple):
    """An update's numbers, in the order of the kernel's arguments."""

    beta1: float
    beta2: float
    kept: float
    """Of the parameter: 1 - lr * weight decay."""
    rate: float
    """lr over the first moment's bias."""
    unbias: float
    """1 / sqrt(the second moment's bias)."""
    eps: float


def _fits_kernel(tensors: _Tensors) -> bool:
    """Whether a pass through memory in its order meets what belongs together."""
    changed = (tensors[0], *tensors[2:])
    return (
        compiled.fits(*tensors)
        and all(tensor.dtype == torch.float32 for tensor in tensors)
        and all(tensor.is_contiguous() for tensor in changed)
    )


def _update_compiled(tensors: _Tensors, constants: _Constants) -> None:
    n = tensors[0].numel()
    arrays = [compiled.array(tensor).reshape(-1) for tensor in tensors]
    compiled.share(_kernel(), n, *arrays, *map(np.float32, constants), n_numbers=n)


@functools.cache
def _kernel() -> Callable[..., None]:
    """Loads the kernel, or compiles it once after installation."""
    compiling.announce("the kernel of AdamW, about 1 s", "lmcore.optim.kernels.adamw")
    from lmcore.optim.kernels.adamw import update_adamw

    return update_adamw


def _update_batched(every: Sequence[_Tensors], constants: _Constants) -> None:
    """The same by torch's operations over many tensors at once, on any device."""
    parameters, gradients, m, v = (list(kind) for kind in zip(*every, strict=True))
    torch._foreach_lerp_(m, gradients, 1.0 - constants.beta1)  # the batched form is named so
    torch._foreach_mul_(v, constants.beta2)
    torch._foreach_addcmul_(v, gradients, gradients, 1.0 - constants.beta2)
    roots = torch._foreach_sqrt(v)  # noqa: SLF001  # as above
    torch._foreach_mul_(roots, constants.unbias)
    torch._foreach_add_(roots, constants.eps)
    torch._foreach_mul_(parameters, constants.kept)
    torch._foreach_addcdiv_(parameters, m, roots, -constants.rate)


def decay_groups(model: nn.Module, weight_decay: float) -> list[Group]:
    """Two groups: matrices, which decay, and gains, which do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
