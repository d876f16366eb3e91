"""One step of training: a batch, its loss, its gradient, an update.

The loss of a step is the sum of nats over the whole batch divided by the tokens of the whole
batch, however many processes share the rows.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from lmcore.errors import InputError
from lmcore.model.masks import document_mask
from lmcore.model.transformer import Transformer
from lmcore.parallel.engine import Parallel
from lmcore.parallel.mesh import Mesh
from lmcore.tokens.batches import count_windows
from lmcore.tokens.reading import Batch, BatchSource
from lmcore.tokens.shards import TokenShards
from lmcore.train.accumulation import accumulate, micro_batches
from lmcore.train.config import TrainConfig
from lmcore.train.noise_scale import MicroGradients
from lmcore.train.pieces import Held, part_of_stack
from lmcore.train.precision import autocast, prepare
from lmcore.train.recompute import offloading, recompute_blocks, refuse_offload
from lmcore.train.spec import TrainSpec
from lmcore.train.updates import Updates, Verdict, learning_rate
from lmcore.train.world import World

_PRODUCT_TYPES = {"float32": torch.float32, "float16": torch.float16}
_PROBES = (256, 1024, 2048)
"""Sides of the products that are timed: a processor without instructions for the type multiplies
hundreds of times more slowly and is told by the first, one with them is not yet busy there."""
_LEAST_PROBE_SECONDS = 0.005
_N_PROBES = 3

Tensors = tuple[Tensor | None, ...]

_deterministic: Any = torch.utils.deterministic  # a module whose class is swapped at import


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What a step measured before its update."""

    loss: float
    """Nats per token over the whole batch."""
    lr: float
    grad_norm: float
    """Norm over all parameters, before clipping."""
    position: int
    """Place of the batch's first window in the order of the data."""
    n_targets: int
    """Tokens that were predicted, over all processes."""
    verdict: Verdict
    """Whether the update was made."""
    loss_scale: float | None
    """Factor of the loss in the backward pass; None but under float16."""
    noise: tuple[float, float] | None
    """Square of the gradient and noise of a target's, where the step measured them."""
    critical_batch_tokens: float | None
    """Critical batch size by the measurements so far, in a step that made one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gradient:
    """What a backward pass left beside the gradient."""

    loss: float
    n_targets: int
    noise: tuple[float, float] | None


class Trainer:
    """The model and the optimizer of a run, and the tokens that they see."""

    def __init__(self, spec: TrainSpec, world: World) -> None:
        config = spec.train
        self.config = config
        self.context_length = spec.model.context_length
        self.world = world
        self.train_shards = _open_split(spec, "train")
        self.validation_shards = _open_split(spec, "validation")
        self.source = BatchSource(
            self.train_shards,
            config.data,
            context_length=self.context_length,
            steps=config.steps,
            batch_size=config.batch_size,
            seed=config.seed,
        )
        self.model = Transformer(spec.model, spec.vocab_size, seed=config.seed)
        self.device = world.device.type
        prepare(self.model, config.precision, self.device)
        recompute_blocks(self.model, config.recompute)
        refuse_offload(config.offload_activations, self.device)
        mesh = Mesh(config.parallel, rank=world.rank, size=world.size, device=world.device)
        self.parallel = Parallel(self.model, mesh)
        self.parameters = self.parallel.parameters
        self.updates = Updates(config, self.parallel)

    @property
    def batch_tokens(self) -> int:
        """Places in a step, over all processes: each is a target, unless documents are packed."""
        return self.config.batch_size * self.context_length

    def position(self, step: int) -> int:
        """Place of the first window of a step's batch; roll-backs have passed over batches."""
        return (step - 1 + self.updates.n_passed_over) * self.config.batch_size

    def train_step(self, step: int) -> StepResult:
        """Makes update number `step`, counted from 1, or what train.on_spike says instead.

        Raises:
            InputError: the loss or the gradient is a spike or not finite, and the run is to stop
                or has passed over train.max_spikes; the weights stay as they were.
        """
        config, updates = self.config, self.updates
        position, loss_scale = self.position(step), updates.loss_scale
        gradient = self._gradient(step, position)
        updates.unscale()
        grad_norm = self.parallel.clip(config.clip_norm)
        verdict = updates.judge(step, gradient.loss, grad_norm)
        if verdict.is_update:
            updates.make(step, gradient.loss, grad_norm, gradient.noise)
        for parameter in self.parameters.values():
            parameter.grad = None
        updates.keep(step, verdict)
        return StepResult(
            loss=gradient.loss,
            lr=learning_rate(config, step),
            grad_norm=grad_norm,
            position=position,
            n_targets=gradient.n_targets,
            verdict=verdict,
            loss_scale=loss_scale,
            noise=gradient.noise,
            critical_batch_tokens=updates.noise.critical_batch if gradient.noise else None,
        )

    def _gradient(self, step: int, position: int) -> _Gradient:
        """Adds the gradient of the step's batch to the parameters, times the loss scale."""
        config, mesh = self.config, self.parallel.mesh
        n_rows = config.batch_size // mesh.data_size
        n_targets = self.source.n_targets(position, config.batch_size)
        if not n_targets:
            raise InputError(
                f"found no target in the batch of step {step:,d}, windows {position:,d} to "
                f"{position + config.batch_size - 1:,d}; expected one at least; give text that "
                "is not masked altogether, or raise pretrain.batch_size"
            )
        scale, every = self.updates.loss_scale or 1.0, config.noise_scale_every
        micro = MicroGradients(self.parameters.values()) if every and step % every == 0 else None

        def take(ids: Tensor, targets: Tensor, *others: Tensor | None) -> None:
            del ids, others
            assert micro is not None
            micro.take(int(self.world.sum((targets >= 0).sum())))

        batch = _tensors(self.source.read(position + mesh.data_rank * n_rows, n_rows))
        loss = self._backward(batch, scale / n_targets, None if micro is None else take)
        loss /= n_targets
        if micro is None:
            return _Gradient(loss=loss, n_targets=n_targets, noise=None)
        micro.put_back()
        return _Gradient(loss=loss, n_targets=n_targets, noise=micro.noise(scale / n_targets))

    def _backward(
        self, batch: Tensors, factor: float, on_gradient: Callable[..., None] | None
    ) -> float:
        """Adds factor times the gradient of all processes' nats to every `grad`; the nats."""
        parallel, size = self.parallel, self.config.micro_batch_size
        if parallel.pipeline is not None:
            ids, targets, positions, documents = (*batch, None, None)[:4]
            assert ids is not None
            assert targets is not None
            mask = None if documents is None else document_mask(documents)
            with self._forward_contexts():
                nats = parallel.through_stages(ids, targets, positions, mask, scale=factor)
            return parallel.finish(nats)
        assert batch[0] is not None
        parallel.begin(len([*micro_batches(len(batch[0]), size)]))
        nats = accumulate(
            self._nats,
            batch,
            size=size,
            factor=factor * parallel.factor,
            on_gradient=on_gradient,
        )
        return parallel.finish(nats)

    @torch.no_grad()
    def evaluate(self) -> float:
        """Measures the validation loss in nats per token, over the first windows of the split.

        The windows are read in order, without shuffling. A split shorter than one window is
        read whole.
        """
        config, shards = self.config, self.validation_shards
        length = min(self.context_length, shards.n_tokens - 1)
        n_windows = min(
            count_windows(shards.n_tokens, length), config.eval_batches * config.batch_size
        )
        mesh = self.parallel.mesh
        total = torch.zeros((), dtype=torch.float64, device=mesh.device)
        for first in range(0, n_windows, config.batch_size):
            n_rows = min(config.batch_size, n_windows - first)
            rows = range(first + mesh.data_rank, first + n_rows, mesh.data_size)
            # every process has to take part in every forward, with or without a row of its own
            windows = rows or range(first, first + 1)
            read = np.stack([shards.read(row * length, length + 1) for row in windows])
            batch = torch.from_numpy(read.astype(np.int64))
            nats = self.parallel.own(self._nats(batch[:, :-1], batch[:, 1:]))
            total += nats.double() if rows else 0.0
        return float(self.world.sum(total)) / (n_windows * length)

    def evaluate_average(self) -> float | None:
        """Measures the validation loss of the averaged weights; None where there are none."""
        if self.updates.average is None:
            return None
        self.updates.before_update()
        self.parallel.drop_gathered()
        with self.updates.average.swapped(self.updates.n_updates):
            loss = self.evaluate()
            self.parallel.drop_gathered()
        return loss

    def weights(self) -> dict[str, Tensor]:
        """Gathers the whole parameters by name; every process has to call."""
        return self.parallel.whole(self.parameters)

    def averaged_weights(self) -> dict[str, Tensor] | None:
        """Gathers the averaged weights by name; None where there are none."""
        if self.updates.average is None:
            return None
        averaged = self.updates.average.averaged(self.updates.n_updates)
        return self.parallel.whole(averaged)

    def state(self) -> dict[str, Held]:
        """Every tensor that the next step depends on, this process's part, not copied."""
        weights = {f"model.{name}": p.detach() for name, p in self.parameters.items()}
        tensors = weights | self.updates.state()
        return {path: self._held(path, tensor) for path, tensor in tensors.items()}

    def _held(self, path: str, tensor: Tensor) -> Held:
        split = self.parallel.split_of(path, tensor)
        if split is None:
            return tensor
        return part_of_stack(
            tensor, split.shape, axis=split.axis, n_parts=split.n_parts, mine=split.mine
        )

    def scalars(self) -> dict[str, object]:
        """Everything else that the next step depends on, beside its number, as JSON."""
        return self.updates.scalars()

    def restore(self, step: int, scalars: Mapping[str, Any]) -> None:  # JSON: many types
        """Goes on after step number `step`, once `state` has been filled with what it was then."""
        del step
        self.updates.restore(scalars)

    def _nats(
        self,
        ids: Int64[Tensor, "rows seq"],
        targets: Int64[Tensor, "rows seq"],
        positions: Int64[Tensor, "rows seq"] | None = None,
        documents: Int64[Tensor, "rows seq"] | None = None,
    ) -> Tensor:
        mask = None if documents is None else document_mask(documents)
        with self._forward_contexts():
            return self.parallel.loss(ids, targets, positions, mask)

    @contextmanager
    def _forward_contexts(self) -> Iterator[None]:
        config = self.config
        with (
            autocast(config.precision, self.device),
            offloading(config.offload_activations and torch.is_grad_enabled()),
        ):
            yield


def _tensors(batch: Batch) -> Tensors:
    return tuple(None if array is None else torch.from_numpy(array) for array in batch)


@contextmanager
def numerics(config: TrainConfig) -> Iterator[None]:
    """Fixes the number of threads and deterministic kernels, and puts both back at the end."""
    threads = torch.get_num_threads()
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    fill = _deterministic.fill_uninitialized_memory
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True)
    # filling every new tensor with NaN finds bugs, and costs a pass over each
    _deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(was_deterministic)
        _deterministic.fill_uninitialized_memory = fill


def product_rate(config: TrainConfig) -> float:
    """Measures the operations per second of one process's matrix product, in 0.1 s or so."""
    dtype = _PRODUCT_TYPES.get(config.precision, torch.bfloat16)
    rate = 0.0
    for side in _PROBES:
        seconds = _product_seconds(torch.ones(side, side, dtype=dtype))
        rate = max(rate, 2.0 * side**3 / seconds)
        if seconds >= _LEAST_PROBE_SECONDS:
            break
    return rate


def _product_seconds(square: Tensor) -> float:
    """The shortest of a few products' times: a neighbour, or a core that wakes, only adds to them."""
    torch.mm(square, square)
    times = []
    for _ in range(_N_PROBES):
        started = time.perf_counter()
        torch.mm(square, square)
        times.append(time.perf_counter() - started)
    return max(min(times), 1e-9)


def _open_split(spec: TrainSpec, split: str) -> TokenShards:
    shards = TokenShards(spec.shards_dir, split)
    if shards.vocab_size != spec.vocab_size:
        raise InputError(
            f"found shards of {shards.vocab_size:,d} tokens in {spec.shards_dir} for a model of "
            f"{spec.vocab_size:,d}; expected the same vocabulary; use the tokenizer's shards"
        )
    if shards.n_tokens < 2:
        raise InputError(
            f"found {shards.n_tokens} tokens in the {split} split of {spec.shards_dir}; expected "
            "at least 2, one to read and one to predict; give more text"
        )
    return shards
