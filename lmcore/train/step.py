"""One step of training: a batch, its loss, its gradient, an update.

The loss of a step is the sum of nats over the whole batch divided by the tokens of the whole
batch, however many processes share the rows.
"""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmcore.errors import InputError
from lmcore.model.masks import document_mask
from lmcore.model.transformer import Transformer
from lmcore.optim.build import build_optimizers, state_tensors
from lmcore.optim.clipping import clip_gradients
from lmcore.optim.schedule import SCHEDULES
from lmcore.optim.sharded import scatter_like
from lmcore.tokens.batches import count_windows
from lmcore.tokens.reading import Batch, BatchSource
from lmcore.tokens.shards import TokenShards
from lmcore.train.config import TrainConfig
from lmcore.train.spec import TrainSpec
from lmcore.train.world import World, gather

_PROBES = {"float32": (1024, torch.float32), "bfloat16": (256, torch.bfloat16)}
"""Side and type of the product that is timed; small in bfloat16, which a processor without
instructions for it multiplies hundreds of times more slowly."""

_deterministic: Any = torch.utils.deterministic  # a module whose class is swapped at import


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step measured before its update."""

    loss: float
    """Nats per token over the whole batch."""
    lr: float
    grad_norm: float
    """Norm over all parameters, before clipping."""
    n_targets: int
    """Tokens that were predicted, over all processes."""


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
        world.shard(self.model)
        # taken here, because FSDP puts gathered tensors in their place after an evaluation
        self.parameters = dict(self.model.named_parameters())
        self.optimizers = build_optimizers(
            config.optimizer,
            self.parameters,
            lr=config.lr,
            betas=(config.beta1, config.beta2),
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )

    @property
    def batch_tokens(self) -> int:
        """Places in a step, over all processes: each is a target, unless documents are packed."""
        return self.config.batch_size * self.context_length

    def train_step(self, step: int) -> StepResult:
        """Makes update number `step`, counted from 1.

        Raises:
            InputError: the loss or the gradient is not finite; the weights stay as they were.
        """
        config, world = self.config, self.world
        n_rows = config.batch_size // world.size
        first = (step - 1) * config.batch_size
        n_targets = self.source.n_targets(first, config.batch_size)
        nats = self._nats(self.source.read(first + world.rank * n_rows, n_rows))
        # FSDP averages gradients over processes; what is wanted is their sum
        torch.autograd.backward(nats * (world.size / n_targets))
        loss = float(world.sum(nats.detach())) / n_targets
        grad_norm = clip_gradients(self.parameters.values(), config.clip_norm)
        lr = learning_rate(config, step)
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise InputError(
                f"found loss {loss} and gradient norm {grad_norm} in step {step:,d} of "
                f"{config.steps:,d} at lr {lr:g}; expected finite numbers; lower train.lr "
                f"(now {config.lr:g}) or lengthen train.warmup_steps (now {config.warmup_steps:,d})"
            )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return StepResult(loss, lr, grad_norm, n_targets)

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
        total = torch.zeros((), dtype=torch.float64)
        for first in range(0, n_windows, config.batch_size):
            n_rows = min(config.batch_size, n_windows - first)
            rows = range(first + self.world.rank, first + n_rows, self.world.size)
            # every process has to take part in every forward, with or without a row of its own
            windows = rows or range(first, first + 1)
            batch = np.stack([shards.read(row * length, length + 1) for row in windows])
            batch = batch.astype(np.int64)
            nats = self._nats(Batch(batch[:, :-1], batch[:, 1:]))
            total += nats.double() if rows else 0.0
        return float(self.world.sum(total)) / (n_windows * length)

    def weights(self) -> dict[str, Tensor]:
        """Gathers the whole parameters by name; every process has to call."""
        return {name: gather(p) for name, p in self.parameters.items()}

    def moments(self) -> dict[str, Tensor]:
        """Gathers the optimizers' state as "<slot>.<name>"; every process has to call."""
        found = state_tensors(self.optimizers, self.parameters)
        return {name: gather(tensor) for name, tensor in found.items()}

    @torch.no_grad()
    def restore(self, step: int, weights: dict[str, Tensor], moments: dict[str, Tensor]) -> None:
        """Goes back to the state after update number `step`, from whole tensors."""
        for name, parameter in self.parameters.items():
            parameter.copy_(scatter_like(weights[name], parameter))
        for name, tensor in state_tensors(self.optimizers, self.parameters).items():
            tensor.copy_(scatter_like(moments[name], tensor))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["step"] = step

    def _nats(self, batch: Batch) -> Tensor:
        ids, targets = torch.from_numpy(batch.ids), torch.from_numpy(batch.targets)
        with _autocast(self.config):
            if batch.positions is None or batch.documents is None:
                return self.model.loss(ids, targets)
            mask = document_mask(torch.from_numpy(batch.documents))
            return self.model.loss(ids, targets, torch.from_numpy(batch.positions), mask)


def learning_rate(config: TrainConfig, step: int) -> float:
    """The learning rate of update number `step`, counted from 1."""
    extra = {"decay_share": config.decay_share} if config.schedule == "wsd" else {}
    return SCHEDULES[config.schedule](
        step,
        steps=config.steps,
        lr=config.lr,
        min_lr_ratio=config.min_lr_ratio,
        warmup_steps=config.warmup_steps,
        **extra,
    )


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
    side, dtype = _PROBES[config.precision]
    square = torch.ones(side, side, dtype=dtype)
    torch.mm(square, square)
    started = time.perf_counter()
    torch.mm(square, square)
    return 2.0 * side**3 / (time.perf_counter() - started)


def _autocast(config: TrainConfig) -> AbstractContextManager[object]:
    if config.precision == "float32":
        return nullcontext()
    return torch.autocast("cpu", dtype=torch.bfloat16)


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
