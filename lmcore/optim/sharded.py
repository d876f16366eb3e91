"""Tensors of which a process may hold a part, and the whole of them.

Two kinds of parts, and both at once. FSDP's are DTensors; torch.distributed.tensor takes a second
to import, and a tensor can only be of its kind where FSDP has imported it, so one is told by what
it can do. Tensor parallelism's are plain tensors, marked with the `Split` of the whole that they
are a part of; what belongs to a parameter (gradient, moments) is laid out like it.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Gathering(Protocol):
    """Processes that can put their tensors together (lmcore.parallel.mesh.Group)."""

    @property
    def size(self) -> int:
        """How many processes."""

    @property
    def rank(self) -> int:
        """Which of them this one is."""

    def gather(self, tensor: Tensor) -> Tensor:
        """Everyone's tensors, stacked."""


@dataclass(frozen=True, slots=True)
class Split:
    """A matrix of which each process of a group holds some rows or some columns.

    A matrix that stacks `n_parts` projections is cut within each, so that process i has share i
    of all of them: its heads of queries, keys and values.
    """

    group: Gathering
    shape: tuple[int, ...]
    """Of the whole."""
    axis: int
    """0 cuts rows, 1 columns."""
    n_parts: int = 1

    def cut(self, whole: Tensor) -> Tensor:
        """This process's part of a whole that it holds."""
        mine = self.mine
        if self.axis == 1:
            return whole[:, mine.start : mine.stop].contiguous()
        stacked = whole.reshape(self.n_parts, self._n, -1)
        return stacked[:, mine.start : mine.stop].flatten(0, 1).contiguous()

    def join(self, part: Tensor) -> Tensor:
        """The whole of everyone's parts; every process of the group has to call."""
        if self.axis == 0:  # [parts x share, columns] -> [share, parts, columns]
            part = part.reshape(self.n_parts, -1, part.shape[1])
        part = part.transpose(0, 1)  # what is shared first
        n_most = -(-self._n // self.group.size)
        padding = part.new_zeros(n_most - part.shape[0], *part.shape[1:])
        every = self.group.gather(torch.cat((part, padding)))
        size = self.group.size
        whole = torch.cat([every[i, : len(share(self._n, size, i))] for i in range(size)])
        return whole.transpose(0, 1).reshape(self.shape).contiguous()

    @property
    def mine(self) -> range:
        """Which rows of each projection, or which columns, are this process's."""
        return share(self._n, self.group.size, self.group.rank)

    @property
    def _n(self) -> int:
        """What the processes share: rows of a projection, or columns."""
        return self.shape[self.axis] // (self.n_parts if self.axis == 0 else 1)


def share(n: int, parts: int, part: int) -> range:
    """Which of n things part number `part` of `parts` takes: in order, sizes differing by one."""
    small, extra = divmod(n, parts)
    start = part * small + min(part, extra)
    return range(start, start + small + (part < extra))


def is_sharded(tensor: Tensor) -> bool:
    """Whether FSDP has left only a part of the tensor in this process."""
    return hasattr(tensor, "full_tensor")


def split_of(parameter: Tensor) -> Split | None:
    """How a parameter lies in the whole; None where it is the whole."""
    return getattr(parameter, "of_whole", None)


def mark(parameter: Tensor, split: Split) -> None:
    """Says how a parameter lies in the whole."""
    parameter.of_whole = split  # type: ignore[attr-defined]  # beside the tensor, as grad is


def whole_shape(parameter: Tensor) -> tuple[int, ...]:
    """Shape of the tensor that a parameter may be a part of."""
    split = split_of(parameter)
    return tuple(parameter.shape) if split is None else split.shape


def local_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor that FSDP may have sharded."""
    if not is_sharded(tensor):
        return tensor
    part: Tensor = tensor.to_local()  # type: ignore[attr-defined]  # DTensor's own
    return part


def gather_whole(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """The whole of a tensor that may be a part; then every process that shares it has to call.

    `like` is the parameter that the tensor belongs to, where it is not the parameter itself.
    """
    split = split_of(tensor if like is None else like)
    if is_sharded(tensor):
        tensor = tensor.full_tensor()  # type: ignore[attr-defined]  # DTensor's own
    return tensor if split is None else split.join(tensor)


def scatter_like(whole: Tensor, like: Tensor) -> Tensor:
    """A whole tensor, the same in every process, laid out as a parameter is; nothing is sent."""
    split = split_of(like)
    if split is not None:
        whole = split.cut(whole)
    if not is_sharded(like):
        return whole
    # not by distribute_tensor, which would take an offloaded part to the accelerator
    (chunk,) = like.__create_chunk_list__()  # type: ignore[attr-defined]  # DTensor's own
    mine = tuple(slice(o, o + n) for o, n in zip(chunk.offsets, chunk.sizes, strict=True))
    part = torch.empty_like(like, dtype=whole.dtype)
    local_part(part).copy_(whole[mine])
    return part
