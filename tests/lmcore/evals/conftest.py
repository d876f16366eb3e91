"""A tokenizer of bytes with the four special tokens, and small models for it."""

from collections.abc import Callable

import pytest
import torch

from lmcore.model.config import ModelConfig
from lmcore.model.transformer import Transformer
from lmcore.tokenizer.bpe import Tokenizer


@pytest.fixture(scope="session")
def byte_tokenizer() -> Tokenizer:
    specials = ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>")
    return Tokenizer({i: bytes([i]) for i in range(256)}, [], specials, "digits")


@pytest.fixture
def make_byte_model(byte_tokenizer) -> Callable[..., Transformer]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    def make(seed: int = 0, context_length: int = 32) -> Transformer:
        config = ModelConfig(d_model=32, n_layers=2, n_heads=2, context_length=context_length)
        return Transformer(config, byte_tokenizer.vocab_size, seed=seed)

    yield make
    torch.set_num_threads(before)
