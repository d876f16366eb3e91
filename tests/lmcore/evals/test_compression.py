"""The table of tokenizers on the same text: arithmetic that can be checked by hand."""

import pytest

from lmcore.errors import InputError
from lmcore.evals.compression import compare, longest_tokens
from lmcore.tokenizer.baselines import ByteTokenizer, CharacterTokenizer
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe


def test_compare_counts_bytes_tokens_words_and_vocabulary():
    characters = CharacterTokenizer.train(["abc é"])
    texts = [("en", "ab ab"), ("en", "c"), ("fr", "é é")]
    rows = compare({"bytes": ByteTokenizer(), "characters": characters}, texts)
    by_key = {(row.tokenizer, row.language): row for row in rows}
    assert len(rows) == 6
    english = by_key["bytes", "en"]
    assert (english.n_bytes, english.n_tokens, english.bytes_per_token) == (6, 6, 1.0)
    assert english.tokens_per_word == 2.0
    assert english.vocabulary_use == 4 / 256
    french = by_key["characters", "fr"]
    assert (french.n_bytes, french.n_tokens) == (5, 3)
    everything = by_key["characters", "all"]
    assert (everything.n_bytes, everything.n_tokens) == (11, 9)
    assert everything.vocabulary_use == 5 / 6
    assert all(row.is_lossless for row in rows)


def test_compare_bpe_beats_bytes_and_loss_is_told():
    text = "the cat saw the dog " * 20
    bpe = train_bpe([text], TokenizerConfig(vocab_size=272))
    rows = compare({"bpe": bpe, "characters": CharacterTokenizer.train(["x"])}, [("en", text)])
    assert rows[0].bytes_per_token > 3
    assert rows[0].is_lossless
    assert not rows[-1].is_lossless


def test_compare_no_text_refused():
    with pytest.raises(InputError, match="no text"):
        compare({"bytes": ByteTokenizer()}, [("en", "")])


def test_longest_tokens_longest_first_then_by_id():
    assert longest_tokens({0: b"a", 1: b"bb", 2: b"cc"}, 2) == [(1, b"bb"), (2, b"cc")]
