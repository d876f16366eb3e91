"""The task on which optimizers are compared: a small model on books, textbooks and stories.

4 layers of 128, windows of 128 tokens, a vocabulary of 4,096, 16 windows a step. The text is every
English book and textbook of the shared data's `text/`, each once; 2% of the documents are held out.
A document is cut into pieces of 20,000 characters, so that books are on both sides of the split.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq
from harness import ROOT

DATA = Path(os.environ.get("C2M_SHARED_DATA", ROOT.parent / "shared" / "data"))
WORK = ROOT / ".benchmarks" / "optimizers"
GRID_FILE = Path(__file__).with_name("optimizer_grid.json")
N_STEPS = 300
VOCAB_SIZE = 4096
TRAIN = {
    "batch_size": 16,
    "warmup_steps": 30,
    "min_lr_ratio": 0.0,
    "schedule": "linear",
    "weight_decay": 0.1,
    "eval_every": 10_000,
    "eval_batches": 40,
    "checkpoint_every": 10_000,
    "threads": 1,
}
_SETS = ("classic_books", "openstax_psychology", "openstax_us-history")
_PIECE_CHARS = 20_000
_MOST_CHARS = 12_000_000


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


def train(fields: Mapping[str, object], steps: int, seed: int) -> float:
    """The validation loss after the last step, in nats per token; found again where it is known."""
    import json

    from lmcore.model.config import ModelConfig
    from lmcore.train.config import TrainConfig
    from lmcore.train.launch import environment
    from lmcore.train.metrics import read_metrics
    from lmcore.train.spec import TrainSpec

    shards = prepare()
    name = "-".join(str(value) for value in (*fields.values(), steps, seed))
    out = WORK / "runs" / name
    spec = TrainSpec(
        model=ModelConfig(d_model=128, n_layers=4, n_heads=4, context_length=128),
        train=TrainConfig(**(TRAIN | dict(fields)), steps=steps, seed=seed),
        vocab_size=VOCAB_SIZE,
        shards_dir=shards,
        out_dir=out,
        resume_dir=None,
    )
    out.mkdir(parents=True, exist_ok=True)
    spec.write(out / "spec.json")
    command = [sys.executable, "-m", "lmcore.train.loop", str(out / "spec.json")]
    subprocess.run(
        command, env=os.environ | environment(1), check=True, stdout=subprocess.DEVNULL, cwd=ROOT
    )
    outcome = json.loads((out / "outcome.json").read_text())
    if outcome["outcome"] != "finished":
        return float("inf")
    rows = read_metrics(out / "final" / "metrics.parquet")
    return [row.loss for row in rows if row.split == "validation"][-1]
