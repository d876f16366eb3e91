import math

import pytest
import torch

from lmcore.errors import InputError
from lmcore.evals.bits_per_byte import bits_per_byte, score_documents, sum_by_source

DOCUMENTS = [
    ("a", "x.example", "The cat sat on the mat. " * 3),
    ("b", "y.example", "Ünïcode: 日本語"),
    ("c", "x.example", ""),
    ("d", "x.example", "<|endoftext|>" * 3),
    ("e", "y.example", "z" * 32),
    ("f", "y.example", "z" * 31),
    ("g", "y.example", "z" * 33),
]


def reference_nats(model, tokenizer, text):
    """One token at a time, each with the context that its window gives it."""
    ids = [tokenizer.eot_id, *tokenizer.encode(text), tokenizer.eot_id]
    size = model.config.context_length
    total = 0.0
    for i in range(1, len(ids)):
        if i <= size:
            start = 0
        else:
            n_halves = -(-(i - size) // (size // 2))
            end = min(len(ids) - 1, size + n_halves * (size // 2))
            start = end - size
        table = model(torch.tensor([ids[start:i]]))[0, -1].log_softmax(-1)
        total -= table[ids[i]].item()
    return total


def test_scores_agree_with_a_loop_over_tokens(make_byte_model, byte_tokenizer):
    model = make_byte_model()
    found = score_documents(model, byte_tokenizer, DOCUMENTS)
    for score, (doc_id, source, text) in zip(found, DOCUMENTS, strict=True):
        assert (score.doc_id, score.source, score.n_bytes) == (doc_id, source, len(text.encode()))
        assert score.n_tokens == len(byte_tokenizer.encode(text)) + 1
        expected = reference_nats(model, byte_tokenizer, text)
        assert score.nats == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_scores_do_not_depend_on_the_batch_size(make_byte_model, byte_tokenizer, batch_size):
    model = make_byte_model()
    whole = score_documents(model, byte_tokenizer, DOCUMENTS, batch_size=16)
    found = score_documents(model, byte_tokenizer, DOCUMENTS, batch_size=batch_size)
    for a, b in zip(whole, found, strict=True):
        assert a.nats / a.n_tokens == pytest.approx(b.nats / b.n_tokens, abs=1e-5)


def test_probabilities_of_the_first_token_sum_to_one(make_byte_model, byte_tokenizer):
    model = make_byte_model()
    (empty,) = score_documents(model, byte_tokenizer, [("e", "s", "")])
    table = model(torch.tensor([[byte_tokenizer.eot_id]]))[0, 0].softmax(-1)
    assert math.exp(-empty.nats) == pytest.approx(table[byte_tokenizer.eot_id].item(), rel=1e-5)


def test_sources_sum_their_documents(make_byte_model, byte_tokenizer):
    scores = score_documents(make_byte_model(), byte_tokenizer, DOCUMENTS)
    found = {row.source: row for row in sum_by_source(scores)}
    assert list(found) == ["x.example", "y.example"]
    x = [score for score in scores if score.source == "x.example"]
    assert found["x.example"].n_documents == 3
    assert found["x.example"].n_bytes == sum(score.n_bytes for score in x)
    nats = sum(score.nats for score in x)
    bits = nats / math.log(2) / sum(score.n_bytes for score in x)
    assert found["x.example"].bits_per_byte == pytest.approx(bits)


def test_uniform_model_of_bytes_costs_the_log_of_its_vocabulary(make_byte_model, byte_tokenizer):
    model = make_byte_model()
    torch.nn.init.zeros_(model.embedding.weight)
    (score,) = score_documents(model, byte_tokenizer, [("a", "s", "abcdefg")])
    assert score.nats == pytest.approx(8 * math.log(260), rel=1e-6)


def test_bits_of_no_bytes_are_refused():
    with pytest.raises(InputError, match="0 bytes"):
        bits_per_byte(1.0, 0)
