"""The n-gram baseline learns from the split that the model learnt from."""

import numpy as np
import pytest

from lmcore.errors import ConfigError
from lmcore.evals.config import EvaluateConfig
from lmcore.ngram.kneser_ney import KneserNey
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import TokenShards, encode_to_shards
from tasks.evaluation import fit_baseline

SPECIALS = ["<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"]
TOKENIZER = Tokenizer({i: bytes([i]) for i in range(256)}, [], SPECIALS)
HELD_OUT = np.frombuffer(b"document 7 has no document 8", np.uint8)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens")
    documents = [(f"d{i}", f"document {i} has {i * 7} words") for i in range(80)]
    encode_to_shards(documents, TOKENIZER, folder, TokensConfig(shard_tokens=300))
    return TokenShards(folder, "train")


def nll_of(tokens):
    model = KneserNey(TOKENIZER.vocab_size, 5)
    model.fit(tokens)
    return model.nll(HELD_OUT)


def test_baseline_counts_the_whole_training_split_unless_limited(shards):
    found, n_tokens = fit_baseline(shards, TOKENIZER.vocab_size, EvaluateConfig())
    assert n_tokens == shards.n_tokens
    assert found.nll(HELD_OUT) == nll_of(shards.read(0, shards.n_tokens))


def test_baseline_with_a_limit_counts_that_many_tokens_and_says_so(shards):
    config = EvaluateConfig(ngram_train_tokens=500)
    found, n_tokens = fit_baseline(shards, TOKENIZER.vocab_size, config)
    assert n_tokens == 500 < shards.n_tokens
    assert found.nll(HELD_OUT) == nll_of(shards.read(0, 500))
    beyond = EvaluateConfig(ngram_train_tokens=shards.n_tokens + 1)
    assert fit_baseline(shards, TOKENIZER.vocab_size, beyond)[1] == shards.n_tokens


def test_config_negative_limit_is_refused():
    with pytest.raises(ConfigError, match="ngram_train_tokens -1"):
        EvaluateConfig(ngram_train_tokens=-1)
