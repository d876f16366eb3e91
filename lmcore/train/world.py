"""The processes of a run: one, or several that torchrun has started (NCCL on GPUs, else gloo)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, slots=True)
class World:
    """This process among all; with one process nothing is communicated."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where this process computes."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, value: Tensor) -> Tensor:
        """Adds a tensor over all processes, in place where this process computes."""
        if self.size > 1:
            there = value.to(self.device)
            dist.all_reduce(there)
            return there.to(value.device)
        return value

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in one process at least; the same answer in all."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(int(flag), device=self.device)).item())

    def wait(self) -> None:
        """Waits for all processes."""
        if self.size > 1:
            dist.barrier()


@contextmanager
def world_from_environment(*, is_offloaded: bool = False) -> Iterator[World]:
    """Joins the processes that torchrun started, and leaves them at the end.

    Each process takes a GPU of its own where the machine has enough of them, else all compute on
    the CPU. Where the model is offloaded (lmcore.parallel.fsdp) the processes send tensors of both:
    those of the CPU by gloo.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    device = _device()
    if size == 1:
        yield World(device=device)
        return
    is_gpu = device.type == "cuda"
    if is_gpu and is_offloaded:
        # without a device: groups of a bound one are split off by NCCL, and gloo's are made anew
        dist.init_process_group("cpu:gloo,cuda:nccl")
    else:
        dist.init_process_group("nccl" if is_gpu else "gloo", device_id=device if is_gpu else None)
    try:
        yield World(dist.get_rank(), size, device)
    finally:
        dist.destroy_process_group()


def _device() -> torch.device:
    here = int(os.environ.get("LOCAL_RANK", "0"))
    n_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if not torch.cuda.is_available() or torch.cuda.device_count() < n_here:
        return torch.device("cpu")
    torch.cuda.set_device(here)
    return torch.device("cuda", here)
