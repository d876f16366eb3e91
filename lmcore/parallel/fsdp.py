"""Fully sharded data parallelism for any module (arXiv:2304.11277), over torch's FSDP2.

Layers with matrices are sharded, each a unit that is gathered when it runs; layers that share a
matrix (a tied head) are one unit. What is smaller (gains, biases of layers without a matrix) is
replicated, because gathering it would cost a message for a few bytes.

With `parallel.offload` the shares of weights, gradients and moments lie in pinned memory of the CPU:
16/n bytes a parameter leave the accelerator, which holds what is gathered, and a step copies weights
there twice and gradients back once, 12/n bytes a parameter. The update runs on the CPU, and what it
sends (the whole of a matrix under Muon) goes by gloo: the processes need that beside NCCL
(lmcore.train.world). Offloading was written by reading torch's source and has not been run: its
test waits for a machine with two accelerators.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lmcore.optim.sharded import gather_whole
from lmcore.parallel.buckets import GradientBuckets
from lmcore.parallel.mesh import Mesh


class FullyShardedDataParallel(nn.Module):
    """A module of which each process holds a share; gradients become the mean over processes.

    Call `finish_gradient_synchronization` between the backward pass and the update. With a
    `compute_dtype`, matrices are sent and multiplied in it; weights and gradients that the
    optimizer sees stay as they are. The module is changed in place.
    """

    def __init__(
        self, module: nn.Module, mesh: Mesh, *, compute_dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard  # a second

        offload = offload_policy(mesh)

        self.module = module
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                mesh.gradients.copy_from(tensor.data, 0)
        names = [name for name, _ in module.named_parameters()]
        units = _units(module)
        sharded = {p for unit in units for one in unit for p in one.parameters(recurse=False)}
        # optimizers update tensors of one device together, so offloading takes the small ones too
        rest = {p for p in module.parameters() if p not in sharded and not mesh.config.offload}
        policy = MixedPrecisionPolicy(
            param_dtype=compute_dtype, cast_forward_inputs=compute_dtype is not None
        )
        if mesh.gradients.size > 1:
            for unit in units:
                fully_shard(unit, mesh=mesh.sharding, mp_policy=policy, offload_policy=offload)
            if module not in [one for unit in units for one in unit]:
                fully_shard(module, mesh=mesh.sharding, ignored_params=rest, offload_policy=offload)
        self._parameters_by_name = {name: module.get_parameter(name) for name in names}
        self._buckets = GradientBuckets(rest, mesh.gradients, average=True)

    def forward(self, *inputs: Any, **named: Any) -> Any:  # whatever the module takes and returns
        """Calls the module, gathering each unit as it runs."""
        return self.module(*inputs, **named)

    def finish_gradient_synchronization(self) -> None:
        """Waits until every gradient is the mean over the processes."""
        self._buckets.finish()

    def whole_parameters(self) -> dict[str, Tensor]:
        """The whole parameters by their names in the module; every process has to call."""
        return {name: gather_whole(p.detach()) for name, p in self._parameters_by_name.items()}


def offload_policy(mesh: Mesh) -> Any:  # torch's policy, a second to import
    """Where FSDP keeps a process's shares: pinned in the memory of the CPU, or where it computes."""
    from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy

    return CPUOffloadPolicy() if mesh.config.offload else OffloadPolicy()


def _units(module: nn.Module) -> list[list[nn.Module]]:
    """Layers that hold a matrix themselves; those that share one are together."""
    units: dict[nn.Parameter, list[nn.Module]] = {}
    for layer in module.modules():
        matrices = [p for p in layer.parameters(recurse=False) if p.dim() >= 2]
        if matrices:
            units.setdefault(matrices[0], []).append(layer)
    return list(units.values())
