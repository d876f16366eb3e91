import random
from pathlib import Path

import pytest

from lmcore.model.config import ModelConfig
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import encode_to_shards
from lmcore.train.config import TrainConfig
from lmcore.train.spec import TrainSpec

MODEL = ModelConfig(d_model=16, n_layers=2, n_heads=2, context_length=16)
TRAIN = {
    "steps": 12,
    "batch_size": 4,
    "warmup_steps": 3,
    "eval_every": 5,
    "eval_batches": 2,
    "checkpoint_every": 6,
    "threads": 1,
}


@pytest.fixture(scope="session")
def shards_dir(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("shards")
    rng = random.Random(0)
    words = ["crawl", "page", "token", "shard", "batch", "loss", "model", "step"]
    texts = [" ".join(rng.choices(words, k=60)) + f" {i}." for i in range(40)]
    tokenizer = train_bpe(texts, TokenizerConfig(vocab_size=280))
    documents = [(str(i), text) for i, text in enumerate(texts)]
    encode_to_shards(documents, tokenizer, directory, TokensConfig(validation_fraction=0.2))
    return directory


@pytest.fixture
def make_spec(shards_dir, tmp_path):
    """A spec of a tiny run; keywords change train fields or, when fields of it, the spec."""

    def make(name="run", *, model=MODEL, resume_dir=None, **train):
        return TrainSpec(
            model=model,
            train=TrainConfig(**(TRAIN | train)),
            vocab_size=280,
            shards_dir=shards_dir,
            out_dir=tmp_path / name,
            resume_dir=resume_dir,
        )

    return make
