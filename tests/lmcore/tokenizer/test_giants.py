"""A megabyte without a place to cut is dealt with rightly; `bench_tokenizer_giants` measures time."""

import random

import numpy as np
import pytest

from lmcore.tokenizer import counter
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import PATTERNS, TokenizerConfig
from lmcore.tokenizer.gpt2 import from_gpt2_files
from lmcore.tokenizer.pretokenize import compile_pattern
from lmcore.tokenizer.reference import encode_reference, train_reference
from lmcore.tokenizer.train import train_bpe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SMALL, LARGE = 250_000, 1_000_000
UNITS = {"spaces": " ", "letters": "a", "carets": "^", "emoji": "😀", "nuls": "\0"}
KINDS = [*UNITS, "chinese"]
MORE_UNITS = {"newlines": "\n", "capitals": "A", "apostrophes": "'", "contractions": "'s"}
DAMAGED = ["one bad byte", "bad bytes", "halves of characters"]


def giant(kind: str, n_bytes: int) -> str:
    """Return so many bytes of text with no blank and no change of class in it."""
    if kind == "chinese":
        characters = [chr(code) for code in range(0x4E00, 0x4E00 + 2000)]
        return "".join(random.Random(1).choices(characters, k=n_bytes // 3))
    unit = {**UNITS, **MORE_UNITS}[kind]
    return unit * (n_bytes // len(unit.encode()))


def damaged(kind: str, n_bytes: int) -> bytes:
    """Return so many bytes that are no UTF-8."""
    if kind == "one bad byte":
        return b"\xff" * n_bytes
    if kind == "bad bytes":
        return bytes(random.Random(1).choices(range(0x80, 0x100), k=n_bytes))
    return "中".encode()[:2] * (n_bytes // 2)


@pytest.fixture(scope="module")
def gpt2(shared_data):
    folder = shared_data / "text"
    return from_gpt2_files(folder / "gpt2_vocab.json.gz", folder / "gpt2_merges.txt.gz")


def fresh(tokenizer: Tokenizer, pattern: str = "gpt2") -> Tokenizer:
    return Tokenizer(tokenizer.vocab, tokenizer.merges, tokenizer.special_tokens, pattern)


@pytest.mark.parametrize("kind", KINDS)
def test_train_and_encode_giant_equal_reference(kind, choose_path):
    text = giant(kind, SMALL)  # of the whole megabyte the reference would make minutes
    config = TokenizerConfig(vocab_size=256 + 10, pattern="gpt2", special_tokens=())
    merges = train_reference([text], config)
    expected = None
    for path in ("plain", "compiled"):
        choose_path(path)
        tokenizer = train_bpe([text], config)
        assert tokenizer.merges == merges
        expected = encode_reference(tokenizer, text) if expected is None else expected
        assert tokenizer.encode(text) == expected
        chunks = (text[k : k + 9999] for k in range(0, len(text), 9999))
        assert list(tokenizer.encode_iterable(chunks)) == expected
        assert tokenizer.decode(expected) == text


@pytest.mark.parametrize("kind", DAMAGED)
@pytest.mark.parametrize("path", ["plain", "compiled"])
def test_train_giant_that_is_no_utf8_equals_reference(kind, path, choose_path):
    choose_path(path)
    data = damaged(kind, SMALL)
    config = TokenizerConfig(vocab_size=256 + 10, pattern="gpt2", special_tokens=())
    assert train_bpe([data], config).merges == train_reference([data], config)


@pytest.mark.parametrize("kind", [*KINDS, *MORE_UNITS])
@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_scan_giant_equals_regex(kind, pattern):
    pytest.importorskip("numba")
    text = giant(kind, LARGE)
    config = TokenizerConfig(pattern=pattern, special_tokens=())
    found = counter.count_texts([text], config).counts()
    expected = compile_pattern(pattern).findall(text)
    assert sum(found.values()) == len(expected)
    assert set(found) == {piece.encode() for piece in expected}


@pytest.mark.parametrize("kind", KINDS)
def test_encode_giant_compiled_equals_plain(kind, gpt2, choose_path):
    text = giant(kind, LARGE)
    found = {}
    for path in ("plain", "compiled"):
        choose_path(path)
        found[path] = np.array(fresh(gpt2).encode(text))
    assert np.array_equal(found["plain"], found["compiled"])


@pytest.mark.parametrize("kind", [*KINDS, *DAMAGED])
def test_train_giant_compiled_equals_plain(kind, choose_path):
    text = damaged(kind, LARGE) if kind in DAMAGED else giant(kind, LARGE)
    config = TokenizerConfig(vocab_size=256 + 12, pattern="gpt2", special_tokens=())
    found = {}
    for path in ("plain", "compiled"):
        choose_path(path)
        found[path] = train_bpe([text], config).merges
    assert found["plain"] == found["compiled"]


@pytest.mark.parametrize("kind", ["letters", "chinese"])
def test_encode_with_dropout_giant_is_whole(kind, gpt2):
    text = giant(kind, LARGE)
    ids = gpt2.encode_with_dropout(text, 0.1, random.Random(1))
    assert gpt2.decode(ids) == text
