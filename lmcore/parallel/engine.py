"""A model on a mesh: what a trainer asks of the processes that share a run.

    parallel = Parallel(model, mesh)       cuts the model in place
    parallel.build(make_optimizers)        for the parameters that this process updates
    parallel.backward(ids, targets, scale) nats of the batch; gradients are sums over the batch
    parallel.clip(max_norm)                by the norm over every part of every parameter
    parallel.finish_update()               after the optimizers' steps
    parallel.weights(), moments(), restore whole tensors by name, whatever the mesh

Everything here is called by all processes in step. With one process nothing is communicated, and
the model computes what it would without.
"""

from collections.abc import Callable, Mapping
from typing import Final

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from lmcore.model.transformer import Transformer
from lmcore.optim.build import state_tensors
from lmcore.optim.clipping import clip_gradients
from lmcore.optim.sharded import (
    gather_state,
    gather_whole,
    is_sharded,
    local_part,
    mark,
    scatter_like,
    scatter_state,
    split_of,
)
from lmcore.parallel.buckets import GradientBuckets
from lmcore.parallel.mesh import Mesh
from lmcore.parallel.pipeline import Pipeline
from lmcore.parallel.stage import Stage, stage_of
from lmcore.parallel.zero import broadcast_updates, choose_owners

Optimizers = tuple[torch.optim.Optimizer, ...]
_TIED: Final = "embedding.weight"


class Parallel:
    """The share of one process in a model, its gradients and its optimizers' state.

    Raises:
        ConfigError: the mesh cannot cut the model.
    """

    def __init__(self, model: Transformer, mesh: Mesh) -> None:
        config = mesh.config
        config.check_model(model.config, model.vocab_size)
        self.mesh = mesh
        self.shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
        """of the whole model"""
        model.to(mesh.device)
        self.stage = Stage(model, mesh)
        self._is_split_pair = model.config.tied_embeddings and mesh.pipeline.size > 1
        self._is_fsdp = config.data == "fsdp" and mesh.gradients.size > 1
        if self._is_fsdp:
            _shard_fully(self.stage)
        # taken here, because FSDP puts gathered tensors in their place after an evaluation
        self.parameters: dict[str, nn.Parameter] = dict(model.named_parameters())
        self._names = {p: name for name, p in self.parameters.items()}
        self._owners = self._choose_owners() if config.data == "zero1" else {}
        self.buckets: GradientBuckets | None = None
        if not self._is_fsdp and mesh.gradients.size > 1:
            self.buckets = GradientBuckets(
                self.parameters.values(),
                mesh.gradients,
                owners=self._owner_of_each(),
            )
        self.pipeline: Pipeline | None = None
        if mesh.pipeline.size > 1:
            self.pipeline = Pipeline(self.stage, config.schedule, config.microbatches)
        self.optimizers: Optimizers = ()
        self._slots: dict[str, tuple[int, ...]] = {}

    def build(self, make: Callable[[Mapping[str, nn.Parameter]], Optimizers]) -> Optimizers:
        """Makes the optimizers of the parameters that this process updates."""
        blank = {
            name: nn.Parameter(torch.empty(shape, device="meta"))
            for name, shape in self.shapes.items()
        }
        if self.mesh.size > 1:
            found = state_tensors(make(blank), blank)
            self._slots = {name: tuple(tensor.shape) for name, tensor in found.items()}
        self.optimizers = make(self.updated)
        return self.optimizers

    @property
    def updated(self) -> dict[str, nn.Parameter]:
        """The parameters that this process's optimizers update."""
        rank = self.mesh.gradients.rank
        return {
            name: p for name, p in self.parameters.items() if self._owners.get(name, rank) == rank
        }

    def backward(
        self, ids: Int64[Tensor, "rows seq"], targets: Int64[Tensor, "rows seq"], scale: float
    ) -> float:
        """Adds the gradient of scale x (nats of all rows of all processes); returns the nats."""
        ids, targets = ids.to(self.mesh.device), targets.to(self.mesh.device)
        if self.pipeline is not None:
            nats = self._through_stages(ids, targets, scale)
        else:
            nats = self.stage.loss(ids, targets)
            # FSDP averages gradients over processes; what is wanted is their sum
            factor = self.mesh.gradients.size if self._is_fsdp else 1
            torch.autograd.backward(nats * (scale * factor))
        self._finish_gradients()
        return float(self.mesh.world.sum(self._own(nats.detach())))

    @torch.no_grad()
    def nats(self, ids: Int64[Tensor, "rows seq"], targets: Int64[Tensor, "rows seq"]) -> Tensor:
        """This process's part of the nats of its rows: summed over all processes, each counts once."""
        ids, targets = ids.to(self.mesh.device), targets.to(self.mesh.device)
        if self.pipeline is not None:
            return self._own(self.pipeline.step(ids, targets))
        return self._own(self.stage.loss(ids, targets))

    def clip(self, max_norm: float) -> float:
        """Clips the gradients by their norm over all processes, and returns it."""
        if self.mesh.size == 1:
            return clip_gradients(self.parameters.values(), max_norm)
        return clip_gradients(
            self.parameters.values(), max_norm, total=self._total, is_counted=self._is_counted
        )

    def finish_update(self) -> None:
        """Takes from their owners the parameters that other processes have updated."""
        if self._owners:
            broadcast_updates(self._owner_of_each(), self.mesh.gradients)

    def weights(self) -> dict[str, Tensor]:
        """The whole parameters by name, in every process."""
        whole = {}
        for name, shape in self.shapes.items():
            held = None
            if self._holds(name):
                parameter = self.parameters[name]
                held = gather_whole(parameter.detach(), parameter)
            whole[name] = self._send_to_all(held, name, shape, owner=None)
        return whole

    def moments(self) -> dict[str, Tensor]:
        """The optimizers' whole state as "<slot>.<name>", in every process."""
        found = state_tensors(self.optimizers, self.updated)
        if self.mesh.size == 1:
            return {name: tensor.detach() for name, tensor in found.items()}
        whole = {}
        for slot, shape in self._slots.items():
            name = slot.partition(".")[2]
            held = None
            if slot in found and self._holds(name):
                held = gather_state(found[slot].detach(), self.parameters[name])
            whole[slot] = self._send_to_all(held, name, shape, owner=self._owners.get(name))
        return whole

    @torch.no_grad()
    def restore(self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]) -> None:
        """Takes this process's part of whole parameters and state."""
        for name, parameter in self.parameters.items():
            parameter.copy_(scatter_like(weights[name].to(self.mesh.device), parameter))
        for slot, tensor in state_tensors(self.optimizers, self.updated).items():
            parameter = self.parameters[slot.partition(".")[2]]
            tensor.copy_(scatter_state(moments[slot].to(self.mesh.device), tensor, parameter))

    def _through_stages(self, ids: Tensor, targets: Tensor, scale: float) -> Tensor:
        assert self.pipeline is not None
        buckets = self.buckets
        if buckets is None:
            return self.pipeline.step(ids, targets, scale=scale)
        buckets.is_open = False

        def open_buckets() -> None:
            buckets.is_open = True

        return self.pipeline.step(ids, targets, scale=scale, before_last=open_buckets)

    @torch.no_grad()
    def _finish_gradients(self) -> None:
        """Adds up what several processes have computed of one gradient."""
        if self.buckets is not None:
            self.buckets.finish()
        parts = [
            local_part(p.grad)
            for name, p in self.parameters.items()
            if p.grad is not None and self._is_partial(name)
        ]
        if parts and self.mesh.tensor.size > 1:
            flat = self.mesh.tensor.sum(torch.cat([part.flatten() for part in parts]))
            for part, total in zip(
                parts, torch.split(flat, [p.numel() for p in parts]), strict=True
            ):
                part.copy_(total.view_as(part))
        tied = self.parameters.get(_TIED)
        if self._is_split_pair and tied is not None and tied.grad is not None:
            self.mesh.ends.sum(tied.grad)

    def _is_partial(self, name: str) -> bool:
        """Whether each process of a tensor group sees a part of what this gain acts on.

        Gains of queries and keys act on the heads of a process, the others, where positions are
        shared, on its positions.
        """
        is_of_heads = ".query_norm." in name or ".key_norm." in name
        is_gain = len(self.shapes[name]) == 1
        return is_of_heads or (is_gain and self.mesh.config.sequence_parallel)

    def _own(self, nats: Tensor) -> Tensor:
        """The nats, or 0 where another process of the same rows and positions counts them."""
        is_counted = self.mesh.is_last_stage and self.mesh.tensor.rank == 0
        return nats if is_counted else torch.zeros_like(nats)

    def _total(self, value: Tensor) -> Tensor:
        return self.mesh.world.sum(value.to(self.mesh.device))

    def _is_counted(self, parameter: nn.Parameter) -> bool:
        mesh = self.mesh
        if split_of(parameter) is None and mesh.tensor.rank > 0:
            return False
        if self._is_split_pair and self._names[parameter] == _TIED and not mesh.is_first_stage:
            return False
        if is_sharded(parameter):
            return mesh.at["replicate"] == 0
        return bool(self._owners) or mesh.gradients.rank == 0

    def _choose_owners(self) -> dict[str, int]:
        """The owner of every parameter within its stage's processes of the same weights."""
        n_layers, mesh = self.stage.model.config.n_layers, self.mesh
        owners: dict[str, int] = {}
        for stage in range(mesh.pipeline.size):
            names = [
                name
                for name in self.shapes
                if stage_of(name, n_layers, mesh.pipeline.size) == stage
            ]
            sizes = [torch.Size(self.shapes[name]).numel() for name in names]
            chosen = choose_owners(sizes, mesh.gradients.size)
            owners |= dict(zip(names, chosen, strict=True))
        return owners

    def _owner_of_each(self) -> dict[nn.Parameter, int]:
        if not self._owners:
            return {}
        return {p: self._owners[name] for name, p in self.parameters.items()}

    def _stage_of(self, name: str) -> int:
        return stage_of(name, self.stage.model.config.n_layers, self.mesh.pipeline.size)

    def _holds(self, name: str) -> bool:
        return self._stage_of(name) == self.mesh.pipeline.rank

    def _send_to_all(
        self, held: Tensor | None, name: str, shape: tuple[int, ...], *, owner: int | None
    ) -> Tensor:
        """A whole tensor from the stage and owner that have it."""
        mesh = self.mesh
        if held is None:
            held = torch.empty(shape, device=mesh.device)
        if owner is not None and self._holds(name):
            held = mesh.gradients.copy_from(held.contiguous(), owner)
        if mesh.pipeline.size > 1:
            held = mesh.pipeline.copy_from(held.contiguous(), self._stage_of(name))
        return held


def _shard_fully(stage: Stage) -> None:
    """Shards the parameters (FSDP2, arXiv:2304.11277), block by block, the rest with the root.

    The embedding belongs to the root, so a tied head finds it gathered: `loss` counts as a
    forward of the root.
    """
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method  # a second

    model, mesh = stage.model, stage.mesh.sharding
    splits = {name: split_of(p) for name, p in model.named_parameters()}
    for block in model.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(stage, mesh=mesh)
    register_fsdp_forward_method(stage, "loss")
    for name, parameter in model.named_parameters():
        split = splits[name]
        if split is not None:
            mark(parameter, split)
