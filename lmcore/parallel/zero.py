"""ZeRO-1: each process keeps the optimizer's state of a share of the parameters (arXiv:1910.02054).

A parameter has one owner, which updates it whole and sends it to the others: optimizers that need
whole matrices (Muon, Adafactor) work unchanged. Parameters go to owners by size, the largest
first, each to the one that has least. State: 1/n of the optimizer's bytes a process. Sent: as many
bytes as an all-reduce takes, half for the gradients to their owners, half for the weights back.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

import torch
from torch import Tensor, nn

from lmcore.parallel.mesh import Group

ParameterGroup = dict[str, Any]  # torch's own type


def choose_owners(sizes: Sequence[int], n_owners: int, held: Sequence[int] = ()) -> list[int]:
    """The owner of each thing by its size; `held` is what the owners have already."""
    load = list(held) or [0] * n_owners
    owners = [0] * len(sizes)
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        owners[i] = min(range(n_owners), key=lambda rank: (load[rank], rank))
        load[owners[i]] += sizes[i]
    return owners


@torch.no_grad()
def broadcast_updates(owners: Mapping[nn.Parameter, int], group: Group) -> None:
    """Copies every parameter from its owner to the group, in one message an owner and type."""
    if group.size == 1:
        return
    together: dict[tuple[int, torch.dtype], list[nn.Parameter]] = {}
    for parameter, owner in owners.items():
        together.setdefault((owner, parameter.dtype), []).append(parameter)
    for (owner, _), parameters in sorted(
        together.items(), key=lambda item: (item[0][0], str(item[0][1]))
    ):
        flat = torch.cat([p.detach().flatten() for p in parameters])
        group.copy_from(flat, owner)
        if owner != group.rank:
            parts = torch.split(flat, [p.numel() for p in parameters])
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.copy_(part.view_as(parameter))


class ShardedOptimizer(torch.optim.Optimizer):
    """Any optimizer, with its state shared out over a group; `settings` go to it as they are.

    The state of this process's parameters is in `inner.state`.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[ParameterGroup],
        optimizer: Callable[..., torch.optim.Optimizer],
        group: Group,
        **settings: Any,  # of any optimizer
    ) -> None:
        self._make = optimizer
        self._settings = settings
        self._group = group
        self._load = [0] * group.size
        self.owners: dict[nn.Parameter, int] = {}
        self.inner: torch.optim.Optimizer | None = None
        super().__init__(parameters, dict(settings))

    def add_param_group(self, param_group: ParameterGroup) -> None:
        """Shares the parameters of a group out; torch calls it for each group at the start."""
        inspect.unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)
        added = self.param_groups[-1]
        parameters: list[nn.Parameter] = added["params"]
        sizes = [p.numel() for p in parameters]
        owners = choose_owners(sizes, self._group.size, self._load)
        for parameter, size, owner in zip(parameters, sizes, owners, strict=True):
            self.owners[parameter] = owner
            self._load[owner] += size
        mine = {**added, "params": [p for p in parameters if self.owners[p] == self._group.rank]}
        if self.inner is None:
            self.inner = self._make([mine], **self._settings)
        else:
            self.inner.add_param_group(mine)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Updates this process's share and takes the others' from their owners."""
        assert self.inner is not None
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for outer, inner in zip(self.param_groups, self.inner.param_groups, strict=True):
            inner |= {name: value for name, value in outer.items() if name != "params"}
        self.inner.step()
        for outer, inner in zip(self.param_groups, self.inner.param_groups, strict=True):
            outer |= {name: value for name, value in inner.items() if name != "params"}
        broadcast_updates(self.owners, self._group)
        return loss


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of the state that an optimizer holds in this process."""
    return sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    )
