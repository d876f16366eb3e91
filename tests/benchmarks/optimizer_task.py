"""The task on which optimizers are compared: a small model on books, textbooks and stories.

4 layers of 128, windows of 64 tokens, a vocabulary of 2,048, 16 windows a step: 1.1 million parameters.
The text is every English book and textbook of the shared data's `text/`, each once, of which no run reads
more than a fortieth, so no window comes twice; 2% of the documents are held out. A document is cut into
pieces of 20,000 characters, so that books are on both sides of the split.

Every run warms up over a share of its steps and decays to zero at its own last step, and only losses after
the decay are compared: rankings in the middle of a run turn over (arXiv:2509.02046). Products are taken in
bfloat16, in 0.6 of the time; with float32, 60 steps of windows twice as long ended within 0.023 nats of it.
"""

import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import torch
from harness import ROOT

if TYPE_CHECKING:
    from lmcore.train.spec import TrainSpec
    from lmcore.train.step import Trainer

DATA = Path(os.environ.get("C2M_SHARED_DATA", ROOT.parent / "shared" / "data"))
WORK = ROOT / ".benchmarks" / "optimizers"
GRID_FILE = Path(__file__).with_name("optimizer_grid.json")
N_STEPS = 120
"""Length of AdamW's runs; its loss after them is what the others have to reach."""
VOCAB_SIZE = 2048
MODEL: Mapping[str, int] = {"d_model": 128, "n_layers": 4, "n_heads": 4, "context_length": 64}
TRAIN: Mapping[str, str | float] = {
    "batch_size": 16,
    "min_lr_ratio": 0.0,
    "schedule": "linear",
    "eval_batches": 30,
    "threads": 1,
    "precision": "bfloat16",
}
WARMUP_SHARE = 0.1
_SETS = ("classic_books", "openstax_psychology", "openstax_us-history")
_PIECE_CHARS = 20_000
_MOST_CHARS = 12_000_000

Fields = Mapping[str, str | float]
"""What a point of the grid sets: fields of TrainConfig, and `warmup_share`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    loss: float
    """Nats per token of the held-out windows after the last step; infinite where it diverged."""
    cpu_seconds: float
    curve: tuple[float, ...]
    """Loss of each step's batch, before its update."""


def _pieces() -> Iterator[tuple[str, str]]:
    n_chars = 0
    for name in _SETS:
        for row in pq.read_table(DATA / "text" / f"{name}.parquet").to_pylist():
            text = row["text"] or ""
            for start in range(0, len(text), _PIECE_CHARS):
                if n_chars < _MOST_CHARS or name != _SETS[0]:
                    piece = text[start : start + _PIECE_CHARS]
                    n_chars += len(piece)
                    yield f"{name}-{n_chars}", piece


def prepare() -> Path:
    """The folder of the token shards, made at the first call."""
    shards = WORK / "shards"
    if not (shards / "shards.json").exists():
        if not (DATA / "text").is_dir():
            sys.exit(f"found no {DATA / 'text'}; set C2M_SHARED_DATA to the shared data")
        from lmcore.tokenizer.config import TokenizerConfig
        from lmcore.tokenizer.train import train_bpe
        from lmcore.tokens.config import TokensConfig
        from lmcore.tokens.shards import encode_to_shards

        pieces = list(_pieces())
        config = TokenizerConfig(vocab_size=VOCAB_SIZE)
        tokenizer = train_bpe([text for _, text in pieces], config)
        shards.mkdir(parents=True, exist_ok=True)
        encode_to_shards(pieces, tokenizer, shards, TokensConfig(validation_fraction=0.02))
    return shards


def train(fields: Fields, steps: int, seed: int) -> Outcome:
    """Trains here and now, on one thread; no checkpoint is written, no loss but the last measured."""
    from lmcore.errors import InputError
    from lmcore.train.step import numerics

    spec = _spec(fields, steps, seed)
    started, curve = time.process_time(), []
    try:
        with numerics(spec.train):
            trainer = _trainer(spec)
            curve = [trainer.train_step(step).loss for step in range(1, steps + 1)]
            loss = trainer.evaluate()
    except InputError as error:
        if "finite numbers" not in str(error):
            raise
        loss = float("inf")
    return Outcome(loss=loss, cpu_seconds=time.process_time() - started, curve=tuple(curve))


def update_seconds(fields: Fields, n: int = 20) -> float:
    """Median processor time of one update by the optimizer alone, gradients at hand."""
    from lmcore.train.step import numerics

    spec = _spec(fields, n, 0)
    with numerics(spec.train):
        trainer = _trainer(spec)
        times = []
        for step in range(1, n + 1):
            generator = torch.Generator().manual_seed(step)
            for parameter in trainer.parameters.values():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            started = time.process_time()
            for optimizer in trainer.updates.optimizers:
                optimizer.step()
            times.append(time.process_time() - started)
    return statistics.median(times)


def _spec(fields: Fields, steps: int, seed: int) -> "TrainSpec":
    from lmcore.model.config import ModelConfig
    from lmcore.train.config import TrainConfig
    from lmcore.train.spec import TrainSpec

    settings = dict(fields)
    warmup = round(float(settings.pop("warmup_share", WARMUP_SHARE)) * steps)
    return TrainSpec(
        model=ModelConfig(**MODEL),
        train=TrainConfig(**(TRAIN | settings), warmup_steps=warmup, steps=steps, seed=seed),
        vocab_size=VOCAB_SIZE,
        shards_dir=prepare(),
        out_dir=WORK,
    )


def _trainer(spec: "TrainSpec") -> "Trainer":
    from lmcore.train.step import Trainer
    from lmcore.train.world import World

    return Trainer(spec, World())


def keep_pages() -> None:
    """Starts the program again with the memory allocator told to keep its pages, as `c2m` trains."""
    from lmcore.train.launch import environment, is_malloc_set

    if not is_malloc_set():
        variables = os.environ | environment(1)
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], variables)  # itself
