"""Encoding: equal to the definition, in one piece or streamed; control tokens only on request."""

import os
import pickle
import random
import tracemalloc
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.errors import InputError
from lmcore.tokenizer import bpe, plain, pretokenize
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import PATTERNS, SPECIAL_TOKENS, TokenizerConfig
from lmcore.tokenizer.gpt2 import from_gpt2_files
from lmcore.tokenizer.pretokenize import stream_pretokens, text_pretokens
from lmcore.tokenizer.reference import encode_reference, split_specials
from lmcore.tokenizer.train import train_bpe

SHARED_DATA = Path(
    os.environ.get("C2M_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data")
)
TRAINING_TEXT = (
    "the quick brown fox doesn't jump over 1234 lazy dogs; they'll, we've, I'm, you're, it's\r\n"
    "  indented\t\ttabs   and aaaaaaaa aaaa bbbb -- ... !!! éé 你好你好 😀😀\n\n\n"
)
OVERLAPPING = ("<|a|>", "<|a|><|a|>", "|><|", "a\n")
# Pieces that meet at every rule of the patterns: look-ahead, contractions, CRLF, specials.
PIECES = [
    *" \t\n\r'a1é你😀\u3000\u0301\x00\x1c|<>",
    *("'s", "'ll", "'l", "l", "'re", "\r\n", "   ", " \n", "aa", "the", " the", "!!", "12"),
    *(*SPECIAL_TOKENS, *OVERLAPPING, "<|end", "oftext|>", "<|"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=40)


@cache
def tokenizer_of(pattern: str, specials: tuple[str, ...] = SPECIAL_TOKENS) -> Tokenizer:
    size = 256 + len(specials) + 70
    config = TokenizerConfig(vocab_size=size, pattern=pattern, special_tokens=specials)
    return train_bpe([TRAINING_TEXT * 3], config)


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(ends)]


@given(text=texts, pattern=st.sampled_from(sorted(PATTERNS)), allow_special=st.booleans())
def test_encode_any_text_equals_reference_and_round_trips(text, pattern, allow_special):
    tokenizer = tokenizer_of(pattern)
    ids = tokenizer.encode(text, allow_special=allow_special)
    assert ids == encode_reference(tokenizer, text, allow_special)
    assert tokenizer.decode(ids) == text


@settings(max_examples=150)
@given(
    text=texts,
    places=st.lists(st.integers(0, 1000), max_size=60),
    block=st.integers(1, 30),
    pattern=st.sampled_from(sorted(PATTERNS)),
    specials=st.sampled_from([(), SPECIAL_TOKENS, OVERLAPPING]),
)
def test_stream_pretokens_any_chunks_equal_one_pass(text, places, block, pattern, specials):
    expected: list[str] = []
    for piece, is_special in split_specials(text, specials):
        expected += [piece] if is_special else regex.findall(PATTERNS[pattern], piece)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretokenize, "BLOCK_CHARS", block)  # so that a short text has many blocks
        for blocks in (
            stream_pretokens(cut(text, places), pattern, specials),
            text_pretokens(text, pattern, specials),
        ):
            found: list[str] = []
            for pretokens, special in blocks:
                found += pretokens if special is None else [*pretokens, special]
            assert found == expected
    assert "".join(expected) == text


@pytest.mark.parametrize("specials", [(), OVERLAPPING])
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
@pytest.mark.parametrize(
    "end",
    [
        "'ll",
        "'re x",
        "'s",
        "   x",
        " \n y",
        "\r\n\r\nz",
        "1234",
        "<|a|><|a|>",
        "<|a|><|a|",
        "|><|a|>",
    ],
)
def test_stream_pretokens_block_ends_at_every_character_equals_one_pass(
    monkeypatch, end, pattern, specials
):
    for n_before in range(12):
        text = "x" * n_before + end
        expected: list[str] = []
        for piece, is_special in split_specials(text, specials):
            expected += [piece] if is_special else regex.findall(PATTERNS[pattern], piece)
        for block in range(1, len(text) + 1):
            monkeypatch.setattr(pretokenize, "BLOCK_CHARS", block)
            found: list[str] = []
            for pretokens, special in stream_pretokens(text, pattern, specials):
                found += pretokens if special is None else [*pretokens, special]
            assert found == expected


@given(text=texts, places=st.lists(st.integers(0, 1000), max_size=60), allow_special=st.booleans())
def test_encode_iterable_any_chunks_equals_encode(text, places, allow_special):
    tokenizer = tokenizer_of("digits", OVERLAPPING)
    streamed = tokenizer.encode_iterable(cut(text, places), allow_special=allow_special)
    assert list(streamed) == tokenizer.encode(text, allow_special)


def test_encode_iterable_single_characters_over_many_blocks_equals_encode(monkeypatch):
    monkeypatch.setattr(pretokenize, "BLOCK_CHARS", 500)
    tokenizer = tokenizer_of("gpt2")
    text = "".join(random.Random(0).choices(PIECES, k=20_000))
    assert list(tokenizer.encode_iterable(text, allow_special=True)) == tokenizer.encode(text, True)


def test_encode_iterable_long_stream_is_lazy_and_bounded(monkeypatch):
    # Loading kernels is memory of another kind; their streaming is tested with them.
    monkeypatch.setattr(bpe, "is_worth_while", lambda _: False)
    tokenizer = tokenizer_of("digits")
    line = "the quick brown fox\r\n"
    read = 0

    def lines():
        nonlocal read
        for _ in range(20_000):
            read += len(line)
            yield line

    stream = tokenizer.encode_iterable(lines())
    assert read == 0
    tracemalloc.start()
    next(stream)
    assert read <= pretokenize.BLOCK_CHARS + len(line)
    n_ids = 1 + sum(1 for _ in stream)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_ids == 20_000 * len(tokenizer.encode(line + line)) // 2
    assert peak_bytes < 800_000  # a list of the ids alone would be 2 MB or more


@pytest.mark.parametrize("unit", ["a", " ", "ab", "the"])
def test_encode_giant_pretoken_not_quadratic(unit):
    tokenizer = tokenizer_of("digits")
    text = unit * (50_000 // len(unit))
    assert tokenizer.decode(tokenizer.encode_iterable(text)) == text


def test_encode_special_strings_in_text_stay_text():
    tokenizer = tokenizer_of("digits")
    page = "<|user|>ignore this<|end|><|endoftext|>"
    special_ids = {tokenizer.token_id(special) for special in SPECIAL_TOKENS}
    assert not special_ids & set(tokenizer.encode(page))
    assert tokenizer.decode(tokenizer.encode(page)) == page
    assert special_ids & set(tokenizer.encode(page, allow_special=True)) == special_ids - {
        tokenizer.token_id("<|assistant|>")
    }


def test_encode_overlapping_specials_longest_wins():
    tokenizer = tokenizer_of("digits", OVERLAPPING)
    ids = tokenizer.encode("<|a|><|a|><|a|>", allow_special=True)
    assert ids == [tokenizer.token_id("<|a|><|a|>"), tokenizer.token_id("<|a|>")]


def test_encode_text_beside_specials_keeps_whitespace_whole():
    tokenizer = tokenizer_of("gpt2")
    eot = tokenizer.eot_id
    assert tokenizer.encode("<|endoftext|>\n\n", True) == [eot, *tokenizer.encode("\n\n")]
    spaces = tokenizer.encode("a\n\n")
    assert tokenizer.encode("a\n\n<|endoftext|>b", True) == [*spaces, eot, *tokenizer.encode("b")]


def test_encode_more_pretokens_than_the_cache_holds_stays_right(monkeypatch):
    monkeypatch.setattr(plain, "CACHE_PRETOKENS", 7)
    tokenizer = train_bpe([TRAINING_TEXT], TokenizerConfig(vocab_size=290))
    assert tokenizer.encode(TRAINING_TEXT * 2) == encode_reference(tokenizer, TRAINING_TEXT * 2)
    assert len(tokenizer._plain) <= 7


def test_encode_lone_surrogate_refused():
    with pytest.raises(InputError, match=r"U\+DC80"):
        tokenizer_of("digits").encode("a\udc80")


def test_decode_bytes_that_are_no_utf8_become_replacement_characters():
    assert tokenizer_of("digits").decode([0x61, 0xE4, 0xBD, 0xFF, 0x62]) == "a\ufffd\ufffdb"


@pytest.mark.parametrize("token_id", [-1, 330])
def test_decode_id_outside_vocabulary_refused(token_id):
    with pytest.raises(InputError, match="expected 0 to 329"):
        tokenizer_of("digits").decode([token_id])


def test_token_id_of_no_special_refused():
    with pytest.raises(InputError, match="expected one of"):
        tokenizer_of("digits").token_id("<|tool|>")
    with pytest.raises(InputError, match="none at all"):
        _ = tokenizer_of("digits", ()).eot_id


@pytest.fixture(scope="module")
def gpt2():
    folder = SHARED_DATA / "text"
    if not folder.is_dir():
        pytest.skip("the shared data is not here")
    return from_gpt2_files(folder / "gpt2_vocab.json.gz", folder / "gpt2_merges.txt.gz")


def test_from_gpt2_files_known_ids_and_round_trip(gpt2):
    assert gpt2.vocab_size == 50257
    # Ids that GPT-2's own encoder gives, as printed in its documentation.
    assert gpt2.encode("Hello world") == [15496, 995]
    assert gpt2.encode("<|endoftext|>", allow_special=True) == [50256]
    text = TRAINING_TEXT * 2
    assert gpt2.decode(gpt2.encode(text)) == text


def test_from_gpt2_files_ids_equal_tiktoken(gpt2):
    tiktoken = pytest.importorskip("tiktoken")
    merges = {token: token_id for token_id, token in gpt2.vocab.items() if token_id < 50256}
    peer = tiktoken.Encoding(
        "gpt2", pat_str=PATTERNS["gpt2"], mergeable_ranks=merges, special_tokens={}
    )
    assert gpt2.encode(TRAINING_TEXT) == peer.encode_ordinary(TRAINING_TEXT)


def test_encode_only_these_specials_allowed():
    tokenizer = tokenizer_of("digits")
    text = "<|user|>x<|end|>"
    ids = tokenizer.encode(text, {"<|end|>"})
    assert ids == [*tokenizer.encode("<|user|>x"), tokenizer.token_id("<|end|>")]
    with pytest.raises(InputError, match="no special token"):
        tokenizer.encode(text, {"<|tool|>"})


def test_encode_disallowed_specials_refused_unless_allowed():
    tokenizer = tokenizer_of("digits")
    text = "hello <|end|> you"
    with pytest.raises(InputError, match=r"'<\|end\|>' at character 6"):
        tokenizer.encode(text, disallow_special=True)
    assert tokenizer.encode(text, {"<|end|>"}, disallow_special=True)
    assert tokenizer.encode(text, disallow_special={"<|user|>"}) == tokenizer.encode(text)


def test_encode_allowed_and_disallowed_specials_as_tiktoken_does():
    tiktoken = pytest.importorskip("tiktoken")
    tokenizer = tokenizer_of("gpt2")
    special_ids = {special: tokenizer.token_id(special) for special in SPECIAL_TOKENS}
    ranks = {t: i for i, t in tokenizer.vocab.items() if i not in special_ids.values()}
    peer = tiktoken.Encoding(
        "ours", pat_str=PATTERNS["gpt2"], mergeable_ranks=ranks, special_tokens=special_ids
    )
    one, two = "<|user|>", "<|end|>"
    choices = [(False, set()), ({one}, {one}), ({one, two}, {one, two}), (True, "all")]
    n_refused = 0
    for text in ("plain", f"a{one}b", f"a {two}{one} b", f"<|{one}", "<|endoftext|>x"):
        for allow, allowed in choices:
            for disallow, disallowed in choices:
                try:
                    expected = peer.encode(
                        text, allowed_special=allowed, disallowed_special=disallowed
                    )
                except ValueError:
                    n_refused += 1
                    with pytest.raises(InputError):
                        tokenizer.encode(text, allow, disallow_special=disallow)
                else:
                    assert tokenizer.encode(text, allow, disallow_special=disallow) == expected
    assert 10 < n_refused < 60


@given(text=texts, allow_special=st.booleans())
def test_decode_iterable_joined_equals_decode(text, allow_special):
    tokenizer = tokenizer_of("gpt2")
    ids = tokenizer.encode(text, allow_special)
    assert "".join(tokenizer.decode_iterable(ids)) == tokenizer.decode(ids)


def test_decode_iterable_holds_back_half_a_character():
    tokenizer = tokenizer_of("digits")
    assert list(tokenizer.decode_iterable([0x61, 0xE4, 0xBD, 0xA0, 0xE4])) == ["a", "你", "\ufffd"]


@given(text=texts, dropout=st.floats(0, 1), seed=st.integers(0, 99))
def test_encode_with_dropout_stands_for_the_same_text(text, dropout, seed):
    tokenizer = tokenizer_of("digits")
    ids = tokenizer.encode_with_dropout(text, dropout, random.Random(seed))
    assert tokenizer.decode(ids) == text
    assert ids == tokenizer.encode_with_dropout(text, dropout, random.Random(seed))
    assert tokenizer.encode_with_dropout(text, 0.0, random.Random(seed)) == tokenizer.encode(text)
    assert tokenizer.encode_with_dropout(text, 1.0, random.Random(0)) == list(text.encode())


def test_encode_with_dropout_outside_of_probabilities_refused():
    with pytest.raises(InputError, match="expected 0 to 1"):
        tokenizer_of("digits").encode_with_dropout("a", 1.5, random.Random(0))


def test_tokenizer_pickled_is_equal():
    tokenizer = tokenizer_of("cl100k")
    other = pickle.loads(pickle.dumps(tokenizer))
    assert other.encode(TRAINING_TEXT, True) == tokenizer.encode(TRAINING_TEXT, True)
    assert other.merges == tokenizer.merges


def test_custom_pattern_keeps_what_it_does_not_match():
    config = TokenizerConfig(vocab_size=262, pattern=r"regex:\p{L}+", special_tokens=())
    tokenizer = train_bpe(["the then, them!! 12 the"], config)
    text = "them, 99 bottles 你"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert list(tokenizer.encode_iterable(text)) == tokenizer.encode(text)


def test_custom_pattern_that_is_no_expression_refused():
    with pytest.raises(InputError, match=r"found pattern 'regex:\("):
        train_bpe(["a"], TokenizerConfig(vocab_size=261, pattern="regex:("))
