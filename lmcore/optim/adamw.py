"""AdamW (arXiv:1711.05101): Adam with the weight decay outside the gradient.

State: two float32 tensors per parameter (8 bytes each parameter beside its 4 and its gradient's
4). A step is one pass over them, torch's own fused kernel: 1.1 ms a 2.6 million parameters on a core
with AVX-512, where eight passes of batched operations (torch._foreach) take 4.0.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmcore.errors import ConfigError

Group = dict[str, Any]  # torch's own type: tensors under "params", numbers under the rest


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


class AdamW(torch.optim.Optimizer):
    """Updates all tensors of a group together; sharded tensors (DTensor) work the same.

    Each group counts its updates in `group["step"]`; `state[parameter]` holds `m` and `v`.
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
        if lr < 0.0 or eps < 0.0 or weight_decay < 0.0 or not all(0.0 <= b < 1.0 for b in betas):
            raise ConfigError(
                f"AdamW got lr={lr}, betas={betas}, eps={eps}, weight_decay={weight_decay}; "
                "expected betas in [0, 1) and the others at least 0"
            )
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "step": 0}
        super().__init__(parameters, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter] = {
                    "m": torch.zeros_like(parameter),
                    "v": torch.zeros_like(parameter),
                }

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
            self._update(group)
        return loss

    def _update(self, group: Group) -> None:
        parameters = [p for p in group["params"] if p.grad is not None]
        if not parameters:
            return
        # the kernel walks through memory, so a gradient has to lie there as its parameter does
        gradients = [
            p.grad if p.grad.stride() == p.stride() else torch.empty_like(p).copy_(p.grad)
            for p in parameters
        ]
        m = [self.state[p]["m"] for p in parameters]
        v = [self.state[p]["v"] for p in parameters]
        beta1, beta2 = group["betas"]
        step = torch.tensor(float(group["step"]), device=gradients[0].device)
        torch._fused_adamw_(  # what torch.optim calls under fused=True
            parameters,
            gradients,
            m,
            v,
            [],
            [step] * len(parameters),
            lr=group["lr"],
            beta1=beta1,
            beta2=beta2,
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
        )


def decay_groups(model: nn.Module, weight_decay: float) -> list[Group]:
    """Two groups: matrices, which decay, and gains, which do not."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
