"""The table of tokenizers on the same text: arithmetic that can be checked by hand."""

import random
from collections import Counter

import pytest

from lmcore.errors import InputError
from lmcore.evals.compression import choose, compare, count_ids, longest_tokens, read_chosen
from lmcore.tokenizer.baselines import ByteTokenizer, CharacterTokenizer, WordTokenizer
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import TokenShards, encode_to_shards


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


def test_compare_unknown_words_are_counted_but_not_u_fffd_of_the_text():
    words = WordTokenizer.train(["the cat"])
    texts = [("en", "the dog"), ("en", "cat \ufffd"), ("en", "the cat")]
    english, everything = compare({"words": words}, texts)
    assert (english.n_tokens, english.unknown_share, english.is_lossless) == (9, 1 / 9, False)
    assert everything.unknown_share == 1 / 9


def test_compare_chinese_words_are_characters_and_no_word_has_no_fertility():
    rows = compare({"bytes": ByteTokenizer()}, [("zh", "\u732b\u5750"), ("und", "?!")])
    fertility = {row.language: row.tokens_per_word for row in rows}
    assert fertility == {"zh": 3.0, "und": None, "all": 4.0}


def test_compare_no_text_refused():
    with pytest.raises(InputError, match="no text"):
        compare({"bytes": ByteTokenizer()}, [("en", "")])


def test_longest_tokens_longest_first_then_by_id():
    assert longest_tokens({0: b"a", 1: b"bb", 2: b"cc"}, 2) == [(1, b"bb"), (2, b"cc")]


DOCUMENTS = [(f"{i:02d}", "\u00e9" * i + "x") for i in range(20)]


def group_of(doc_id):
    return "odd" if int(doc_id) % 2 else "even"


def test_choose_takes_the_smallest_doc_ids_of_each_group_until_the_limit():
    documents = [(doc_id, group_of(doc_id), len(text)) for doc_id, text in DOCUMENTS]
    chosen = choose(documents, 7)
    assert chosen == {"00": "even", "01": "odd", "02": "even", "03": "odd", "04": "even", "05": "odd"}  # fmt: skip
    random.Random(5).shuffle(documents)
    assert choose(documents, 7) == chosen
    assert choose([("a", "x", 0), ("b", "x", 1)], 1) == {"b": "x"}


def test_read_chosen_cuts_a_group_at_its_limit_and_at_a_character():
    chosen = {doc_id: group_of(doc_id) for doc_id, _ in DOCUMENTS if int(doc_id) < 6}
    shuffled = random.Random(5).sample(DOCUMENTS, len(DOCUMENTS))
    found = read_chosen(shuffled, chosen, 8)
    # of "04", which has 9 bytes, 2 are left; of "03" 5 of 7, so that half a character goes
    assert found == {"even": ["x", "\u00e9\u00e9x", "\u00e9"], "odd": ["\u00e9x", "\u00e9\u00e9"]}
    assert read_chosen(shuffled, chosen, 1000)["odd"] == [DOCUMENTS[i][1] for i in (1, 3, 5)]
    assert read_chosen([], chosen, 8) == {}


@pytest.mark.parametrize("block_tokens", [7, 1 << 20])
def test_count_ids_are_those_of_the_shards(byte_tokenizer, tmp_path, block_tokens):
    documents = [(str(i), f"document {i} of {i % 7}") for i in range(30)]
    index = encode_to_shards(documents, byte_tokenizer, tmp_path, TokensConfig(shard_tokens=100))
    expected = Counter()
    for row, (_, text) in zip(index, documents, strict=True):
        if row.split == "train":
            expected.update([*text.encode(), byte_tokenizer.eot_id])
    counts = count_ids(TokenShards(tmp_path, "train"), block_tokens=block_tokens)
    assert {i: int(n) for i, n in enumerate(counts) if n} == expected
