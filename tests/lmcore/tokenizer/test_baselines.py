"""Characters, bytes and words: what they keep and what they lose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcore.tokenizer.baselines import (
    UNKNOWN,
    ByteTokenizer,
    CharacterTokenizer,
    WordTokenizer,
)

TEXT = "the cat saw the dog; the dog saw é.\n"


@given(st.text())
def test_byte_tokenizer_round_trips_any_text(text):
    tokenizer = ByteTokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode(text)) == len(text.encode())


@pytest.mark.parametrize("kind", [CharacterTokenizer, WordTokenizer])
def test_dictionary_round_trips_its_training_text_and_marks_the_unknown(kind):
    tokenizer = kind.train([TEXT])
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    assert tokenizer.encode("世") == [0]
    assert tokenizer.decode([0]) == UNKNOWN


def test_character_tokenizer_numbers_by_frequency():
    tokenizer = CharacterTokenizer.train(["aab"])
    assert tokenizer.encode("ab") == [1, 2]
    assert tokenizer.vocab_size == 3


def test_word_tokenizer_keeps_the_most_frequent_words():
    tokenizer = WordTokenizer.train([TEXT], vocab_size=3)
    assert tokenizer.vocab_size == 3
    assert tokenizer.decode(tokenizer.encode("the cat")) == f"the {UNKNOWN}"
