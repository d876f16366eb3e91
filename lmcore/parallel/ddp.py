"""Data parallelism: every process holds the model and sees its own rows (arXiv:2006.15704)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from lmcore.parallel.buckets import BUCKET_BYTES, GradientBuckets
from lmcore.parallel.mesh import Group


class DistributedDataParallel(nn.Module):
    """A module whose gradients become the mean over processes, whatever the module is.

    Weights and buffers of the first process are copied to all. Call
    `finish_gradient_synchronization` between the backward pass and the update. Tied weights are
    sent once; parameters that need no gradient are left alone.
    """

    def __init__(
        self, module: nn.Module, group: Group, *, bucket_bytes: int = BUCKET_BYTES
    ) -> None:
        super().__init__()
        self.module = module
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                group.copy_from(tensor.data, 0)
        self.buckets = GradientBuckets(
            module.parameters(), group, bucket_bytes=bucket_bytes, average=True
        )

    def forward(self, *inputs: Any, **named: Any) -> Any:  # whatever the module takes and returns
        """Calls the module."""
        return self.module(*inputs, **named)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients of backward passes within only accumulate; the first one after sends them."""
        self.buckets.is_open = False
        try:
            yield
        finally:
            self.buckets.is_open = True

    def finish_gradient_synchronization(self) -> None:
        """Waits until every gradient is the mean over the processes."""
        self.buckets.finish()
