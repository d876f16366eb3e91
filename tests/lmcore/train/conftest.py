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


TEXTS = [
    " ".join(random.Random(i).choices(["crawl", "page", "token", "shard", "batch", "loss"], k=60))
    for i in range(40)
]


def write_shards(directory, learnt_from):
    """The same text, through a tokenizer of 280 words that has learnt from some text."""
    tokenizer = train_bpe(learnt_from, TokenizerConfig(vocab_size=280))
    documents = [(str(i), text) for i, text in enumerate(TEXTS)]
    encode_to_shards(documents, tokenizer, directory, TokensConfig(validation_fraction=0.2))
    return directory


@pytest.fixture(scope="session")
def shards_dir(tmp_path_factory) -> Path:
    return write_shards(tmp_path_factory.mktemp("shards"), TEXTS)


@pytest.fixture(scope="session")
def other_shards_dir(tmp_path_factory) -> Path:
    """As many words, but others: what another tokenizer makes of the same text."""
    return write_shards(
        tmp_path_factory.mktemp("other-shards"), ["fire and water, air and earth, wood and metal"]
    )


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
