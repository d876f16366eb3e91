"""Training: equal to the definition, to CS336's reference, and honest about its limits."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest

from lmcore.errors import ConfigError, InputError
from lmcore.tokenizer.alphabet import printable_bytes
from lmcore.tokenizer.config import SPECIAL_TOKENS, TokenizerConfig
from lmcore.tokenizer.reference import train_reference
from lmcore.tokenizer.train import count_pretokens, train_bpe

SHARED_DATA = Path(
    os.environ.get("C2M_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data")
)


def random_text(random_state: random.Random, alphabet: str, n_chars: int) -> str:
    return "".join(random_state.choices(alphabet, k=n_chars))


@pytest.mark.parametrize("pattern", ["digits", "gpt2"])
@pytest.mark.parametrize("alphabet", ["ab", "aab \n", "abc 1'<|end|>", "aéß你好😀 \x00\r\n\u0301"])
def test_train_bpe_random_corpora_equals_reference(pattern, alphabet):
    for seed in range(8):
        random_state = random.Random(f"{seed} {alphabet}")
        texts = [random_text(random_state, alphabet, random_state.randrange(60)) for _ in range(5)]
        expected = train_reference(texts, TokenizerConfig(vocab_size=290, pattern=pattern))
        config = TokenizerConfig(vocab_size=260 + len(expected), pattern=pattern)
        assert train_bpe(texts, config).merges == expected


def test_train_bpe_worked_example_breaks_ties_towards_greatest_pair():
    # The handout's example has no space in front of a word; newlines keep it so.
    text = "\n".join(["low"] * 5 + ["lower"] * 2 + ["widest"] * 3 + ["newest"] * 6)
    config = TokenizerConfig(vocab_size=256 + 4 + 6)
    merged = [left + right for left, right in train_bpe([text], config).merges]
    assert merged == [b"st", b"est", b"ow", b"low", b"west", b"ne"]


def test_train_bpe_ties_compare_pairs_of_bytes_not_their_join():
    # (ab, a) and (a, z) occur twice each: "aba" < "az", but "ab" > "a".
    text = "\n".join(["ab"] * 5 + ["aba"] * 2 + ["az"] * 2)
    config = TokenizerConfig(vocab_size=258, special_tokens=())
    assert train_bpe([text], config).merges == [(b"a", b"b"), (b"ab", b"a")]


def test_train_bpe_special_tokens_never_merged_into():
    texts = ["x<|end|>y <|end|>" * 20, "<|endoftext|><|end|>" * 9, "end end end"]
    tokenizer = train_bpe(texts, TokenizerConfig(vocab_size=263))
    ordinary = list(tokenizer.vocab.values())[: -len(SPECIAL_TOKENS)]
    assert not [token for token in ordinary if b"<" in token and len(token) > 1]
    assert set(count_pretokens(texts, TokenizerConfig())) == {b"x", b"y", b" ", b"end", b" end"}


def test_train_bpe_overlapping_specials_longest_cut_first():
    config = TokenizerConfig(special_tokens=("<|a|>", "<|a|><|a|>", "|><"))
    assert count_pretokens(["<|a|><|a|>x<|a|>"], config) == {b"x": 1}


def test_train_bpe_layout_bytes_merges_specials():
    tokenizer = train_bpe(["the then them"], TokenizerConfig(vocab_size=262))
    assert [tokenizer.vocab[i] for i in range(256)] == [bytes([i]) for i in range(256)]
    assert [tokenizer.vocab[256 + i] for i in range(2)] == [
        left + right for left, right in tokenizer.merges
    ]
    assert [tokenizer.token_id(special) for special in SPECIAL_TOKENS] == [258, 259, 260, 261]
    assert tokenizer.vocab_size == 262


def test_train_bpe_order_of_texts_changes_nothing():
    texts = [f"page{'abc'[i % 3] * i} of the web {'xy' * i}" for i in range(30)]
    config = TokenizerConfig(vocab_size=300)
    assert train_bpe(texts, config).merges == train_bpe(reversed(texts), config).merges


def test_train_bpe_vocabulary_larger_than_data_refused_with_numbers():
    with pytest.raises(InputError, match=r"4 merges .*expected 3,836 .*at most 264"):
        train_bpe(["abcde"], TokenizerConfig())
    largest = train_bpe(["abcde"], TokenizerConfig(vocab_size=264))
    assert largest.encode("abcde") == [259]


@pytest.mark.parametrize("texts", [[], [""], ["a"]])
def test_train_bpe_no_pairs_refused(texts):
    with pytest.raises(InputError, match="0 merges"):
        train_bpe(texts, TokenizerConfig(vocab_size=261))
    assert train_bpe(texts, TokenizerConfig(vocab_size=260)).merges == []


def test_train_bpe_giant_pretoken_not_quadratic():
    # Rewriting the whole pre-token for each of 300 merges would take a minute.
    random_state = random.Random(1)
    text = random_text(random_state, "abcd", 100_000)
    tokenizer = train_bpe([text], TokenizerConfig(vocab_size=560))
    assert tokenizer.decode(tokenizer.encode(text[:1000])) == text[:1000]


def test_train_bpe_lone_surrogate_refused():
    with pytest.raises(InputError, match=r"U\+D800"):
        train_bpe(["a\ud800b"], TokenizerConfig(vocab_size=261))


@pytest.mark.parametrize(
    "change",
    [
        {"pattern": "words"},
        {"vocab_size": 259},
        {"special_tokens": ("<|a|>", "<|a|>")},
        {"special_tokens": ("a",)},
        {"special_tokens": ("",)},
    ],
)
def test_tokenizer_config_impossible_refused(change):
    with pytest.raises(ConfigError, match=r"found .*expected"):
        TokenizerConfig(**change)


def test_train_bpe_cs336_corpus_equals_published_merges_and_vocabulary():
    folder = SHARED_DATA / "text"
    if not folder.is_dir():
        pytest.skip("the shared data is not here")
    with gzip.open(folder / "cs336_corpus_en.txt.gz", "rt", encoding="utf-8", newline="") as file:
        text = file.read()
    byte_of = {character: byte for byte, character in enumerate(printable_bytes())}
    lines = (folder / "cs336_train-bpe-reference-merges.txt").read_text().splitlines()
    expected = [
        tuple(bytes(byte_of[character] for character in token) for token in line.split(" "))
        for line in lines
    ]
    config = TokenizerConfig(vocab_size=500, pattern="gpt2", special_tokens=("<|endoftext|>",))
    tokenizer = train_bpe([text], config)
    assert len(expected) == 243
    assert tokenizer.merges == expected
    published = (folder / "cs336_train-bpe-reference-vocab.json").read_text()
    tokens = {
        text.encode() if text == "<|endoftext|>" else bytes(byte_of[c] for c in text)
        for text in json.loads(published)
    }
    assert set(tokenizer.vocab.values()) == tokens
