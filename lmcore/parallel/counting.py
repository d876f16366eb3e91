"""Counts the bytes that a process sends, by listening to every collective that it starts.

A dispatch mode sees the operators of torch.distributed whoever calls them, FSDP's included, so
nothing has to be wrapped and nothing can be forgotten. What n processes send together for S bytes
with the algorithms that NCCL and gloo use for large messages:

    all-reduce 2 (n - 1) S     all-gather, reduce-scatter of a whole of S (n - 1) S
    broadcast, reduce (n - 1) S     send S

A process counts 1/n of it. An operator of another name is an error, not a zero.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_FACTORS: Final = {
    "c10d::allreduce_": 2,
    "c10d::allreduce_coalesced_": 2,
    "c10d::_allgather_base_": 1,
    "c10d::_reduce_scatter_base_": 1,
    "c10d::broadcast_": 1,
    "c10d::reduce_": 1,
    "_c10d_functional::all_reduce": 2,
    "_c10d_functional::all_reduce_": 2,
    "_c10d_functional::all_gather_into_tensor": 1,
    "_c10d_functional::reduce_scatter_tensor": 1,
}
"""Times (n - 1) S of the whole tensor."""
_PARTS: Final = ("_c10d_functional::all_gather_into_tensor",)
"""Operators that are given a part of the whole."""
_SILENT: Final = (
    "c10d::recv_",
    "c10d::barrier",
    "_c10d_functional::wait_tensor",
    "_c10d_functional::_wrap_tensor_autograd",
)


class CountBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no type for it
    """While it is entered, `sent` adds up the bytes that this process sends, by operator."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.sent: dict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()

    @property
    def total(self) -> float:
        """Bytes sent by this process."""
        return sum(self.sent.values())

    def __torch_dispatch__(  # torch's own signature
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Counts an operator of torch.distributed and runs it, as any other."""
        if func.namespace in ("c10d", "_c10d_functional"):
            self._count(func.name().partition(".")[0], args)
        return func(*args, **(kwargs or {}))

    def _count(self, name: str, args: Sequence[Any]) -> None:
        self.calls[name] += 1
        if name in _SILENT:
            return
        if name == "c10d::send":
            self.sent[name] += sum(_bytes(tensor) for tensor in args[0])
            return
        n = _size(name, args)
        is_scatter = name == "c10d::_reduce_scatter_base_"
        what = args[1] if is_scatter else args[0]  # its input is the whole
        tensors = what if isinstance(what, list | tuple) else [what]
        whole = sum(_bytes(tensor) for tensor in tensors) * (n if name in _PARTS else 1)
        self.sent[name] += _FACTORS[name] * (n - 1) * whole / n


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _size(name: str, args: Sequence[Any]) -> int:
    """Processes that take part, from whichever argument says so."""
    for argument in args:
        if isinstance(argument, str):
            return dist.distributed_c10d._resolve_process_group(argument).size()  # type: ignore[attr-defined,arg-type]  # noqa: SLF001  # the only way from a name
        if isinstance(argument, torch.ScriptObject):
            try:
                return dist.ProcessGroup.unbox(argument).size()
            except RuntimeError:  # the kind of sum, boxed alike
                continue
    raise ValueError(f"no process group among the arguments of {name}")
