import os
import random
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest

from lmcore.model.config import ModelConfig
from lmcore.parallel.config import ParallelConfig
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import encode_to_shards
from lmcore.train.config import TrainConfig
from lmcore.train.launch import environment
from lmcore.train.spec import TrainSpec

VOCAB_SIZE = 281
"""odd: no number of processes divides it"""
MODEL = {"d_model": 32, "n_layers": 4, "n_heads": 4, "context_length": 32}
TRAIN = {
    "steps": 3,
    "batch_size": 8,
    "warmup_steps": 1,
    "eval_every": 3,
    "eval_batches": 2,
    "checkpoint_every": 3,
    "threads": 1,
}
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def shards_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("shards")
    rng = random.Random(0)
    words = ["crawl", "page", "token", "shard", "batch", "loss", "model", "step"]
    texts = [" ".join(rng.choices(words, k=60)) + f" {i}." for i in range(40)]
    tokenizer = train_bpe(texts, TokenizerConfig(vocab_size=VOCAB_SIZE))
    documents = [(str(i), text) for i, text in enumerate(texts)]
    encode_to_shards(documents, tokenizer, directory, TokensConfig(validation_fraction=0.2))
    return directory


@pytest.fixture
def make_spec(shards_dir, tmp_path):
    """A spec of a tiny run on a mesh."""

    def make(name, *, world_size=1, model=(), train=(), resume_dir=None, **parallel):
        return TrainSpec(
            model=ModelConfig(**(MODEL | dict(model))),
            train=TrainConfig(
                **(TRAIN | dict(train)),
                world_size=world_size,
                parallel=ParallelConfig(**parallel),
            ),
            vocab_size=VOCAB_SIZE,
            shards_dir=shards_dir,
            out_dir=tmp_path / name,
            resume_dir=resume_dir,
        )

    return make


@pytest.fixture
def start_processes(tmp_path):
    """Runs a script of this folder in several processes that know each other (gloo)."""

    def start(script, size, *arguments):
        store = tmp_path / f"store-{uuid.uuid4().hex}"
        line = [sys.executable, str(HERE / script), str(store)]
        logs = [tmp_path / f"{store.name}-{rank}.log" for rank in range(size)]
        with ExitStack() as stack:
            processes = [
                subprocess.Popen(
                    [*line, str(rank), str(size), *map(str, arguments)],
                    env=os.environ | environment(1),
                    stdout=stack.enter_context(log.open("w")),
                    stderr=subprocess.STDOUT,
                )
                for rank, log in enumerate(logs)
            ]
            try:
                while None in (codes := [process.poll() for process in processes]):
                    if any(codes):  # the others would wait for it
                        time.sleep(2.0)
                        break
                    time.sleep(0.1)
            finally:
                for process in processes:
                    process.kill()
                    process.wait()
        assert codes == [0] * size, "".join(log.read_text()[-4000:] for log in logs)

    return start
