"""The mesh of a run in this process: where it stands, and whom it talks to.

Ranks are numbered pipeline, replicate, shard, context, tensor, the last fastest. Collectives take
a `Group`: the processes that differ in some coordinates only. A group of one says nothing.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor

from lmcore.errors import ConfigError
from lmcore.parallel.config import ParallelConfig

# named so from torch 2.13 on, where the old names warn
_all_gather: Any = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
_reduce_scatter: Any = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor

AXES: Final = ("pipeline", "replicate", "shard", "context", "tensor")


@dataclass(frozen=True, slots=True)
class Group:
    """Some processes, this one among them; the methods are collective within it."""

    ranks: tuple[int, ...] = (0,)
    """Their ranks in the world, in order."""
    rank: int = 0
    """This process's place among them."""
    handle: dist.ProcessGroup | None = None
    """None for a group of one."""

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.ranks)

    def sum(self, tensor: Tensor) -> Tensor:
        """Adds a tensor up over the group, in place."""
        if self.size > 1:
            dist.all_reduce(tensor, group=self.handle)
        return tensor

    def gather(self, tensor: Tensor) -> Tensor:
        """Everyone's tensors, stacked in the order of the ranks."""
        if self.size == 1:
            return tensor[None]
        tensor = tensor.contiguous()
        flat = tensor.new_empty(self.size * tensor.numel())
        _all_gather(flat, tensor.flatten(), group=self.handle)
        return flat.view(self.size, *tensor.shape)

    def sum_and_scatter(self, stacked: Tensor) -> Tensor:
        """Adds up the tensors that everyone stacked for each rank; returns this rank's sum."""
        if self.size == 1:
            return stacked[0]
        mine = torch.empty_like(stacked[0], memory_format=torch.contiguous_format)
        _reduce_scatter(mine.view(-1), stacked.contiguous().view(-1), group=self.handle)
        return mine

    def copy_from(self, tensor: Tensor, source: int) -> Tensor:
        """Overwrites a tensor by that of the process at a place in the group."""
        if self.size > 1:
            dist.broadcast(tensor, self.ranks[source], group=self.handle)
        return tensor


class Mesh:
    """This process's coordinates and groups; every process makes its own, in step.

    Raises ConfigError when the sizes do not multiply to the number of processes, or when weights
    are to be offloaded from the CPU to the CPU.
    """

    def __init__(
        self,
        config: ParallelConfig,
        *,
        rank: int = 0,
        size: int = 1,
        device: torch.device | None = None,
    ) -> None:
        self.config = config
        self.rank, self.size = rank, size
        self.device = device or torch.device("cpu")
        if config.offload and self.device.type == "cpu":
            raise ConfigError(
                "found parallel.offload on cpu; expected an accelerator, whose memory it spares; "
                "leave it out, and choose pretrain.recompute to need less memory"
            )
        data_size = config.data_size(size)
        self.shape = {
            "pipeline": config.pipeline,
            "replicate": config.replicate,
            "shard": data_size // config.replicate,
            "context": config.context,
            "tensor": config.tensor,
        }
        self.at = self._coordinates(rank)
        self.tensor = self._group(("tensor",))
        self.context = self._group(("context",))
        self.pipeline = self._group(("pipeline",))
        self.gradients = self._group(("replicate", "shard", "context"))
        """the processes whose gradients of the same weights add up"""
        self.ends = self._ends()
        """first and last stage of this process's pipeline; of one process in the stages between"""
        self.world = Group(tuple(range(size)), rank, dist.group.WORLD if size > 1 else None)

    @property
    def data_size(self) -> int:
        """How many share the rows of a batch."""
        return self.shape["replicate"] * self.shape["shard"]

    @property
    def data_rank(self) -> int:
        """Which share of the rows is this process's."""
        return self.at["replicate"] * self.shape["shard"] + self.at["shard"]

    @property
    def is_first_stage(self) -> bool:
        """Whether this process embeds tokens."""
        return self.at["pipeline"] == 0

    @property
    def is_last_stage(self) -> bool:
        """Whether this process computes the loss."""
        return self.at["pipeline"] == self.shape["pipeline"] - 1

    @cached_property
    def sharding(self) -> Any:  # torch's DeviceMesh, a second to import
        """The mesh that FSDP shards over: (replicate, shard x context), or the second alone."""
        from torch.distributed.device_mesh import init_device_mesh

        shape = self.shape
        sizes = (
            shape["pipeline"],
            shape["replicate"],
            shape["shard"] * shape["context"],
            shape["tensor"],
        )
        names = ("pipeline", "replicate", "shard", "tensor")
        whole = init_device_mesh(self.device.type, sizes, mesh_dim_names=names)
        return whole["replicate", "shard"] if shape["replicate"] > 1 else whole["shard"]

    def rank_at(self, **at: int) -> int:
        """The rank of the process at these coordinates, the others as here."""
        rank = 0
        for axis in AXES:
            rank = rank * self.shape[axis] + {**self.at, **at}[axis]
        return rank

    def _coordinates(self, rank: int) -> dict[str, int]:
        at = {}
        for axis in reversed(AXES):
            rank, at[axis] = divmod(rank, self.shape[axis])
        return at

    def _group(self, axes: Sequence[str]) -> Group:
        """The processes that differ from this one along these axes only."""
        others = [axis for axis in AXES if axis not in axes]
        return self._choose(
            tuple(
                self.rank_at(
                    **dict(zip(others, fixed, strict=True)), **dict(zip(axes, free, strict=True))
                )
                for free in itertools.product(*(range(self.shape[axis]) for axis in axes))
            )
            for fixed in itertools.product(*(range(self.shape[axis]) for axis in others))
        )

    def _ends(self) -> Group:
        last = self.shape["pipeline"] - 1
        if last == 0:
            return Group((self.rank,))
        others = AXES[1:]
        return self._choose(
            tuple(
                self.rank_at(pipeline=stage, **dict(zip(others, fixed, strict=True)))
                for stage in (0, last)
            )
            for fixed in itertools.product(*(range(self.shape[axis]) for axis in others))
        )

    def _choose(self, every: Iterable[tuple[int, ...]]) -> Group:
        """This process's among groups that all processes make in the same order."""
        mine = Group((self.rank,))
        for ranks in every:
            if len(ranks) == 1:
                continue
            handle = dist.new_group(list(ranks))
            if self.rank in ranks:
                mine = Group(ranks, ranks.index(self.rank), handle)
        return mine
