"""A model on a mesh: what a trainer asks of the processes that share a run.

    parallel = Parallel(model, mesh)       cuts the model in place
    parallel.updated                       the parameters that this process's optimizers update
    parallel.begin(n)                      a step of n microbatches, then n times
    parallel.loss(ids, targets, ...)       nats; their gradient, times `factor`, is the caller's
    parallel.through_stages(...)           or, with a pipeline, both passes of all of them
    parallel.finish(nats)                  now gradients are sums over the batch; the batch's nats
    parallel.clip(max_norm)                by the norm over every part of every parameter
    parallel.finish_update()               after the optimizers' steps
    parallel.whole(tensors)                whole tensors by name, whatever the mesh

Everything here is called by all processes in step. With one process nothing is communicated, and
the model computes what it would without.
"""

from collections.abc import Mapping
from typing import Any, Final

import torch
from jaxtyping import Bool, Int64
from torch import Tensor, nn

from lmcore.model.transformer import Transformer
from lmcore.optim.clipping import clip_gradients
from lmcore.optim.sharded import (
    Split,
    gather_whole,
    is_sharded,
    local_part,
    mark,
    split_of,
)
from lmcore.parallel.buckets import GradientBuckets
from lmcore.parallel.fsdp import offload_policy
from lmcore.parallel.mesh import Mesh
from lmcore.parallel.pipeline import Pipeline
from lmcore.parallel.stage import Stage, stage_of
from lmcore.parallel.zero import broadcast_updates, choose_owners

_TIED: Final = "embedding.weight"


class Parallel:
    """The share of one process in a model and its gradients.

    Raises:
        ConfigError: the mesh cannot cut the model.
    """

    def __init__(self, model: Transformer, mesh: Mesh) -> None:
        config = mesh.config
        config.check_model(model.config, model.vocab_size)
        self.mesh = mesh
        self.shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
        """of the whole model"""
        if not config.offload:  # else FSDP takes one block after the other there and back
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
                self.parameters.values(), mesh.gradients, owners=self._owner_of_each()
            )
        self.pipeline: Pipeline | None = None
        if mesh.pipeline.size > 1:
            self.pipeline = Pipeline(self.stage, config.schedule, config.microbatches)
        self._n_left = 0

    @property
    def updated(self) -> dict[str, nn.Parameter]:
        """The parameters that this process's optimizers update."""
        rank = self.mesh.gradients.rank
        return {
            name: p for name, p in self.parameters.items() if self._owners.get(name, rank) == rank
        }

    @property
    def factor(self) -> int:
        """What the nats of `loss` are multiplied with: FSDP averages, and the sum is wanted."""
        return self.mesh.gradients.size if self._is_fsdp else 1

    def begin(self, n_microbatches: int) -> None:
        """Says how many losses the gradient of this step is of: it is sent with the last one's."""
        self._n_left = n_microbatches
        if self.buckets is not None:
            self.buckets.is_open = n_microbatches == 1

    def loss(
        self,
        ids: Int64[Tensor, "rows seq"],
        targets: Int64[Tensor, "rows seq"],
        positions: Int64[Tensor, "rows seq"] | None = None,
        mask: Bool[Tensor, "rows 1 seq seq"] | None = None,
    ) -> Tensor:
        """The nats of rows that this process computes; `own` counts each of them once.

        Through a pipeline they have no gradient: that is `through_stages`.
        """
        batch = self._here(ids, targets, positions, mask)
        if self.pipeline is not None:
            with torch.no_grad():
                return self.pipeline.step(*batch)
        if torch.is_grad_enabled():
            self._n_left -= 1
            if self.buckets is not None:
                self.buckets.is_open = self._n_left <= 0
        return self.stage.loss(*batch)

    def through_stages(
        self,
        ids: Int64[Tensor, "rows seq"],
        targets: Int64[Tensor, "rows seq"],
        positions: Int64[Tensor, "rows seq"] | None = None,
        mask: Bool[Tensor, "rows 1 seq seq"] | None = None,
        *,
        scale: float,
    ) -> Tensor:
        """Forward and backward of all microbatches of a pipeline; the nats of the last stage."""
        assert self.pipeline is not None
        buckets = self.buckets
        if buckets is not None:
            buckets.is_open = False

        def open_buckets() -> None:
            if buckets is not None:
                buckets.is_open = True

        batch = self._here(ids, targets, positions, mask)
        return self.pipeline.step(*batch, scale=scale, before_last=open_buckets)

    def finish(self, nats: Tensor) -> float:
        """Makes every gradient the sum over all rows of all processes; returns their nats."""
        self._finish_gradients()
        return float(self.mesh.world.sum(self.own(nats.detach())))

    def own(self, nats: Tensor) -> Tensor:
        """The nats, or 0 where another process of the same rows and positions counts them."""
        is_counted = self.mesh.is_last_stage and self.mesh.tensor.rank == 0
        return nats if is_counted else torch.zeros_like(nats)

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

    def drop_gathered(self) -> None:
        """Lets FSDP gather the root's weights anew: without gradients it keeps the gathered ones."""
        if self._is_fsdp:
            self.stage.reshard()  # type: ignore[operator]  # FSDP adds it

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The whole tensors of all parameters in every process, from what each holds by name.

        Tensors are laid out as the parameters of their names are.
        """
        whole = {}
        for name, shape in self.shapes.items():
            held = torch.empty(0)
            if self._stage_of(name) == self.mesh.pipeline.rank:
                held = gather_whole(tensors[name].detach(), self.parameters[name])
            if self.mesh.pipeline.size > 1:
                if self._stage_of(name) != self.mesh.pipeline.rank:
                    held = torch.empty(shape, device=self.mesh.device)
                held = self.mesh.pipeline.copy_from(held.contiguous(), self._stage_of(name))
            whole[name] = held
        return whole

    def split_of(self, path: str, tensor: Tensor) -> Split | None:
        """How a tensor that belongs to a parameter ("<what>.<name>") lies in the whole.

        None where it is the whole, as one of another shape than its parameter's part is.
        """
        parameter = self._parameter_of(path)
        return split_of(parameter) if tensor.shape == parameter.shape else None

    def _parameter_of(self, path: str) -> nn.Parameter:
        rest = path
        while rest not in self.parameters:
            rest = rest.partition(".")[2]
            assert rest, f"{path} belongs to no parameter"
        return self.parameters[rest]

    def _here(self, *batch: Tensor | None) -> tuple[Any, ...]:  # tensors, or None as it came
        return tuple(None if tensor is None else tensor.to(self.mesh.device) for tensor in batch)

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
            sizes = [p.numel() for p in parts]
            for part, total in zip(parts, torch.split(flat, sizes), strict=True):
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
        owners: dict[str, int] = {}
        for stage in range(self.mesh.pipeline.size):
            names = [name for name in self.shapes if self._stage_of(name) == stage]
            sizes = [torch.Size(self.shapes[name]).numel() for name in names]
            chosen = choose_owners(sizes, self.mesh.gradients.size)
            owners |= dict(zip(names, chosen, strict=True))
        return owners

    def _owner_of_each(self) -> dict[nn.Parameter, int]:
        if not self._owners:
            return {}
        return {p: self._owners[name] for name, p in self.parameters.items()}

    def _stage_of(self, name: str) -> int:
        return stage_of(name, self.stage.model.config.n_layers, self.mesh.pipeline.size)


def _shard_fully(stage: Stage) -> None:
    """Shards the parameters (FSDP2, arXiv:2304.11277), block by block, the rest with the root.

    The embedding belongs to the root, so a tied head finds it gathered: `loss` counts as a
    forward of the root.
    """
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method  # a second

    model, mesh, offload = stage.model, stage.mesh.sharding, offload_policy(stage.mesh)
    splits = {name: split_of(p) for name, p in model.named_parameters()}
    for block in model.blocks:
        fully_shard(block, mesh=mesh, offload_policy=offload)
    fully_shard(stage, mesh=mesh, offload_policy=offload)
    register_fsdp_forward_method(stage, "loss")
    for name, parameter in model.named_parameters():
        split = splits[name]
        if split is not None:
            mark(parameter, split)
