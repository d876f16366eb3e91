"""The processes of a run: one, or several that torchrun has started (gloo)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from lmcore.model.transformer import Transformer
from lmcore.optim.sharded import gather_whole


@dataclass(frozen=True, slots=True)
class World:
    """This process among all; with one process nothing is communicated."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, value: Tensor) -> Tensor:
        """Adds a tensor over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in one process at least; the same answer in all."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(int(flag))).item())

    def wait(self) -> None:
        """Waits for all processes."""
        if self.size > 1:
            dist.barrier()

    def shard(self, model: Transformer) -> None:
        """Shards the parameters over the processes (FSDP2), block by block.

        The embedding belongs to the root, so the tied head finds it gathered: `loss` counts as a
        forward of the root.
        """
        if self.size == 1:
            return
        from torch.distributed.device_mesh import init_device_mesh  # a second to import
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

        mesh = init_device_mesh("cpu", (self.size,))
        for block in model.blocks:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
        register_fsdp_forward_method(model, "loss")


@contextmanager
def world_from_environment() -> Iterator[World]:
    """Joins the processes that torchrun started, and leaves them at the end."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    dist.init_process_group("gloo")
    try:
        yield World(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


def gather(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded; every process has to call."""
    return gather_whole(tensor).detach()
