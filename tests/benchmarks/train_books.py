"""A model of books and children's stories, as good as a few minutes make it: `make train-books`.

Trains a tokenizer and a model on the English books and stories of the shared data, with Muon in
bfloat16, and prints bits per byte of what was held out: whole books of four authors of whom nothing
was read, and every tenth story. Then it lets the model write. Every step is the product's own; the run
itself is a process with malloc's settings, as the pretraining stage starts it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import harness
import pyarrow.parquet as pq
import torch

DATA = Path(os.environ.get("C2M_SHARED_DATA", harness.ROOT.parent / "shared" / "data")) / "text"
WORK = harness.ROOT / ".benchmarks" / "books"
HELD_OUT = {"Horatio Alger", "Andre Alice Norton", "Gertrude Stein", "Max Brand"}
VOCAB_SIZE, BATCH_SIZE, CONTEXT = 4096, 16, 256
SCORED_CHARS = 60_000
"""Of each held-out book, from its beginning."""
PROMPTS = ("Once upon a time", "The old man looked at", "It was a dark night, and")

Document = tuple[str, str, str]
"""Name, source and text."""


def _documents() -> Iterator[tuple[bool, Document]]:
    """Whether each document is held out, and the document."""
    for row in pq.read_table(DATA / "classic_books.parquet").to_pylist():
        yield row["author"] in HELD_OUT, (row["doc_id"], "books", row["text"])
    stories = pq.read_table(DATA / "childrens_stories_multilingual.parquet").to_pylist()
    english = [row for row in stories if row["lang_raw"] == "en"]
    for number, row in enumerate(english):
        yield number % 10 == 9, (row["doc_id"], "stories", row["text"])


def _prepare() -> Path:
    """Tokenizer and shards of what is not held out."""
    from lmcore.tokenizer.config import TokenizerConfig
    from lmcore.tokenizer.train import train_bpe
    from lmcore.tokens.config import TokensConfig
    from lmcore.tokens.shards import encode_to_shards

    shards = WORK / "shards"
    if not (shards / "shards.json").exists():
        shutil.rmtree(shards, ignore_errors=True)
        shards.mkdir(parents=True)
        kept = [(name, text) for is_held_out, (name, _, text) in _documents() if not is_held_out]
        config = TokenizerConfig(vocab_size=VOCAB_SIZE)
        tokenizer = train_bpe([text for _, text in kept], config)
        (WORK / "tokenizer").mkdir(exist_ok=True)
        tokenizer.save(WORK / "tokenizer")
        encode_to_shards(kept, tokenizer, shards, TokensConfig(validation_fraction=0.02))
    return shards


def _train(shards: Path, steps: int, threads: int) -> Path:
    from lmcore.model.config import ModelConfig
    from lmcore.train import launch
    from lmcore.train.config import TrainConfig
    from lmcore.train.spec import TrainSpec

    out = WORK / f"run-{steps}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    spec = TrainSpec(
        model=ModelConfig(d_model=256, n_layers=6, n_heads=4, context_length=CONTEXT),
        train=TrainConfig(
            steps=steps,
            batch_size=BATCH_SIZE,
            optimizer="muon",
            schedule="wsd",
            decay_share=0.4,
            min_lr_ratio=0.0,
            lr=6e-3,
            warmup_steps=min(50, steps),
            eval_every=max(steps // 8, 1),
            checkpoint_every=steps,
            precision="bfloat16",
            threads=threads,
        ),
        vocab_size=VOCAB_SIZE,
        shards_dir=shards,
        out_dir=out,
    )
    spec.write(out / "spec.json")
    command = [sys.executable, "-m", "lmcore.train.loop", str(out / "spec.json")]
    subprocess.run(command, env=os.environ | launch.environment(threads), check=True)
    return out


def _scores(out: Path) -> dict[str, harness.Figure]:
    """Bits per byte of what was held out, by source; prints what the model writes."""
    from lmcore.evals.bits_per_byte import score_documents, sum_by_source
    from lmcore.inference.generate import generate
    from lmcore.model.files import load_model
    from lmcore.tokenizer.bpe import Tokenizer

    model, tokenizer = load_model(out / "final"), Tokenizer.load(WORK / "tokenizer")
    held_out = [
        (name, source, text[:SCORED_CHARS])
        for is_held_out, (name, source, text) in _documents()
        if is_held_out
    ]
    found = sum_by_source(score_documents(model, tokenizer, held_out))
    prompts = [tokenizer.encode(prompt) for prompt in PROMPTS]
    written = generate(
        model,
        prompts,
        max_new_tokens=80,
        temperature=0.8,
        top_p=0.9,
        stop_ids={tokenizer.eot_id},
        generator=torch.Generator().manual_seed(0),
    )
    for prompt, one in zip(PROMPTS, written, strict=True):
        print(f"{prompt}|{tokenizer.decode(one.ids)}\n")
    return {f"bits_per_byte_{score.source}": round(score.bits_per_byte, 4) for score in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    out = _train(_prepare(), given.steps, given.threads)
    figures = _scores(out)
    telemetry = json.loads((out / "telemetry.json").read_text())
    figures |= {
        "tokens": round(telemetry["tokens"]),
        "seconds": round(telemetry["seconds"]),
        "tokens_per_second": round(telemetry["tokens_per_second"]),
    }
    print(harness.to_last_line(figures))


if __name__ == "__main__":
    main()
