"""What SFT, DPO and GRPO share: the order of their examples, the update, their tables.

Why together: the three stages differ in their loss alone, and an update must be the same in all.
Cost: AdamW reads and writes 16 bytes a parameter and step.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from lmcore.align.config import DPOConfig, GRPOConfig, SFTConfig
from lmcore.errors import InputError
from lmcore.model.transformer import Transformer
from lmcore.optim.adamw import AdamW, decay_groups
from lmcore.optim.clipping import clip_gradients
from lmcore.optim.schedule import cosine

Progress = Callable[[int, int, str], None]
"""Called with (steps done, steps in all, one line on how it goes)."""

Item = TypeVar("Item")

Row = dict[str, Any]  # a row of Parquet: its types are the table's schema


@dataclass(frozen=True, slots=True)
class Update:
    """What one optimiser step was."""

    lr: float
    grad_norm: float
    """Global norm before clipping."""


class Updater:
    """Turns gradients into steps of AdamW with warm-up, cosine decay and clipping."""

    def __init__(self, model: Transformer, config: SFTConfig | DPOConfig | GRPOConfig) -> None:
        self.config = config
        self.n_steps = config.steps
        if isinstance(config, GRPOConfig):
            self.n_steps *= config.updates_per_step
        self.parameters = list(model.parameters())
        self.optimizer = AdamW(
            decay_groups(model, config.weight_decay),
            lr=config.lr,
            betas=(config.beta1, config.beta2),
        )
        self.n_done = 0

    def apply(self) -> Update:
        """Applies the accumulated gradients and clears them.

        Raises InputError where the gradient is not finite: the run has diverged.
        """
        lr = self._lr()
        norm = clip_gradients(self.parameters, self.config.clip_norm)
        if not math.isfinite(norm):
            raise InputError(
                f"The gradient of step {self.n_done + 1:,d} has norm {norm}; expected a finite "
                f"number. Lower lr ({self.config.lr})."
            )
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.n_done += 1
        return Update(lr, norm)

    def skip(self, n_updates: int) -> Update:
        """Counts updates that had nothing to learn from, and changes no weight."""
        lr = self._lr()
        self.n_done += n_updates
        return Update(lr, 0.0)

    def _lr(self) -> float:
        config = self.config
        return cosine(
            self.n_done + 1,
            steps=self.n_steps,
            lr=config.lr,
            min_lr_ratio=config.min_lr_ratio,
            warmup_steps=config.warmup_steps,
        )


def shuffled_indices(n: int, seed: int) -> Iterator[int]:
    """Yields 0 … n-1 in a random order, then in another, without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(n, generator=generator).tolist()


def microbatches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Yields consecutive parts of at most `size` items; 0 = all in one."""
    size = size or len(items)
    for start in range(0, len(items), size):
        yield items[start : start + size]


def write_table(path: Path, rows: Sequence[Row], schema: pa.Schema) -> None:
    """Writes `rows` as Parquet: equal rows, equal bytes."""
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, compression="zstd")


def set_threads(threads: int) -> None:
    """Sets torch's threads for this process: they are part of a stage's identity."""
    torch.set_num_threads(threads)
