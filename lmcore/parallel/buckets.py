"""Gradients added up over processes while the backward pass still runs (arXiv:2006.15704).

Gradients become ready from the last layer to the first. They are copied into buckets in that
order, and a full bucket is sent at once, so all but the last bucket travel while earlier layers
are computed. Buckets are sent in a fixed order: collectives have to meet in every process, and a
parameter that one process did not use must not change it.

Cost: one copy of the gradients, and 2 (n - 1) / n of their bytes sent and received by each of n
processes. With owners (ZeRO-1) a bucket is summed in its owner only, for half of that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lmcore.parallel.mesh import Group

BUCKET_BYTES: Final = 25 * 2**20
"""As in the paper's measurements: smaller ones pay latency, larger ones overlap less."""


@dataclass(slots=True)
class _Bucket:
    parameters: list[nn.Parameter]
    owner: int | None
    waiting: set[nn.Parameter] = field(default_factory=set)
    flat: Tensor | None = None
    views: dict[nn.Parameter, Tensor] = field(default_factory=dict)
    work: dist.Work | None = None

    def open(self) -> None:
        self.waiting = set(self.parameters)
        self.flat, self.work, self.views = None, None, {}

    def take(self, parameter: nn.Parameter) -> None:
        if self.flat is None:  # only now: until then the last gradients are in use
            sizes = [p.numel() for p in self.parameters]
            self.flat = self.parameters[0].detach().new_zeros(sum(sizes))
            parts = zip(self.parameters, torch.split(self.flat, sizes), strict=True)
            self.views = {p: part.view_as(p) for p, part in parts}
        self.waiting.discard(parameter)
        if parameter.grad is not None:
            self.views[parameter].copy_(parameter.grad)


class GradientBuckets:
    """Hooks on parameters that sum their gradients over a group.

    After the backward pass `finish` waits, and every `p.grad` is the sum (or, with `average`, the
    mean) over the group. With `owners` only the owner of a parameter keeps a gradient. A parameter
    without a gradient counts as zero. While `is_open` is False gradients only accumulate.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        group: Group,
        *,
        bucket_bytes: int = BUCKET_BYTES,
        owners: Mapping[nn.Parameter, int] | None = None,
        average: bool = False,
    ) -> None:
        self.group, self.average = group, average
        self.is_open = True
        self.sent: list[int] = []
        """buckets in the order in which they were sent, since the last `finish`"""
        every = [p for p in dict.fromkeys(parameters) if p.requires_grad]
        self.buckets = _fill(every, bucket_bytes, owners or {})
        self._place = {p: i for i, one in enumerate(self.buckets) for p in one.parameters}
        for bucket in self.buckets:
            bucket.open()
        if group.size > 1:
            for parameter in every:
                parameter.register_post_accumulate_grad_hook(self._ready)  # type: ignore[no-untyped-call]  # torch's

    def finish(self) -> None:
        """Sends what has not been sent, waits, and hands the sums out."""
        if self.group.size == 1:
            return
        for bucket in self.buckets:
            for parameter in tuple(bucket.waiting):
                bucket.take(parameter)
        self._send_full()
        for bucket in self.buckets:
            assert bucket.work is not None
            assert bucket.flat is not None
            bucket.work.wait()
            is_mine = bucket.owner in (None, self.group.rank)
            if self.average and is_mine:
                bucket.flat /= self.group.size
            for parameter, gradient in bucket.views.items():
                parameter.grad = gradient if is_mine else None
            bucket.open()
        self.sent = []

    def _ready(self, parameter: nn.Parameter) -> None:
        if not self.is_open:
            return
        self.buckets[self._place[parameter]].take(parameter)
        self._send_full()

    def _send_full(self) -> None:
        """Sends buckets from the first unsent on, as long as they are full."""
        for i in range(len(self.sent), len(self.buckets)):
            bucket = self.buckets[i]
            if bucket.waiting or bucket.flat is None:
                return
            handle = self.group.handle
            if bucket.owner is None:
                bucket.work = dist.all_reduce(bucket.flat, group=handle, async_op=True)
            else:
                owner = self.group.ranks[bucket.owner]
                bucket.work = dist.reduce(bucket.flat, owner, group=handle, async_op=True)
            self.sent.append(i)


def _fill(
    parameters: list[nn.Parameter], bucket_bytes: int, owners: Mapping[nn.Parameter, int]
) -> list[_Bucket]:
    """Buckets from the last parameter to the first, one type, device and owner each."""
    buckets: list[_Bucket] = []
    open_ones: dict[tuple[torch.dtype, torch.device, int | None], _Bucket] = {}
    room: dict[int, int] = {}
    for parameter in reversed(parameters):
        key = (parameter.dtype, parameter.device, owners.get(parameter))
        n_bytes = parameter.numel() * parameter.element_size()
        bucket = open_ones.get(key)
        if bucket is None or room[id(bucket)] < n_bytes:
            bucket = _Bucket([], owners.get(parameter))
            buckets.append(bucket)
            open_ones[key] = bucket
            room[id(bucket)] = bucket_bytes
        bucket.parameters.append(parameter)
        room[id(bucket)] -= n_bytes
    return buckets
