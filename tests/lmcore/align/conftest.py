"""A tokenizer of bytes and a few words, small models, and their chat template."""

import copy
from collections.abc import Callable

import pytest
import torch

from lmcore.align import sft
from lmcore.align.chat import ChatTemplate
from lmcore.align.config import ProblemConfig, SFTConfig
from lmcore.model.config import ModelConfig
from lmcore.model.transformer import Transformer
from lmcore.tokenizer.bpe import Tokenizer

SPECIALS = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    merges: list[tuple[bytes, bytes]] = []
    vocab = {i: bytes([i]) for i in range(256)}
    for word in (b"What", b" is", b" +"):
        for end in range(1, len(word)):
            merges.append((word[:end], word[end : end + 1]))
            vocab[len(vocab)] = word[: end + 1]
    return Tokenizer(vocab, merges, SPECIALS, "digits")


@pytest.fixture(scope="session")
def template(tokenizer) -> ChatTemplate:
    return ChatTemplate(tokenizer)


@pytest.fixture
def make_model(tokenizer) -> Callable[..., Transformer]:
    def make(seed: int = 0, **changes: int) -> Transformer:
        shape = {"d_model": 32, "n_layers": 2, "n_heads": 2, "context_length": 64} | changes
        return Transformer(ModelConfig(**shape), tokenizer.vocab_size, seed=seed)

    return make


@pytest.fixture(scope="session")
def _chatty(tokenizer, template) -> Transformer:
    config = ModelConfig(d_model=32, n_layers=2, n_heads=2, context_length=64)
    model = Transformer(config, tokenizer.vocab_size)
    training = SFTConfig(steps=40, batch_size=16, lr=5e-3, check_every=40, threads=1)
    sft.train(model, template, training, ProblemConfig(max_operand=12))
    return model


@pytest.fixture
def chatty(_chatty) -> Transformer:
    """A model that answers with a number and `<|end|>`, seldom the right one."""
    return copy.deepcopy(_chatty)
