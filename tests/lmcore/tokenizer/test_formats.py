"""Formats of others: the same tokenizer back, the same ids in their libraries, damage refused."""

import json

import pytest

from lmcore.errors import InputError
from lmcore.tokenizer.config import PATTERNS, SPECIAL_TOKENS, TokenizerConfig, expression_of
from lmcore.tokenizer.formats import (
    read_huggingface,
    read_tiktoken,
    write_huggingface,
    write_tiktoken,
)
from lmcore.tokenizer.gpt2 import from_gpt2_files, write_gpt2_files
from lmcore.tokenizer.train import train_bpe

TEXT = (
    "the quick brown fox doesn't jump over 1234 lazy dogs; they'll, WE'VE, I'm HTTPServer's\r\n"
    "  indented\t\ttabs   and aaaaaaaa aaaa bbbb -- ...//\n!!! éé 你好你好 😀😀\n\n\n  "
)
CUSTOM = r"regex:\p{L}+|\s+"


def trained(pattern):
    return train_bpe([TEXT * 3], TokenizerConfig(vocab_size=310, pattern=pattern))


def same(tokenizer, other):
    assert other.vocab == tokenizer.vocab
    assert other.merges == tokenizer.merges
    assert other.pattern == tokenizer.pattern
    assert set(other.special_tokens) == set(tokenizer.special_tokens)
    text = TEXT + "<|end|> <|user|>"
    assert other.encode(text, True) == tokenizer.encode(text, True)


@pytest.mark.parametrize("pattern", [*sorted(PATTERNS), CUSTOM])
def test_huggingface_written_and_read_is_equal(pattern, tmp_path):
    tokenizer = trained(pattern)
    write_huggingface(tokenizer, tmp_path)
    same(tokenizer, read_huggingface(tmp_path))


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_tiktoken_written_and_read_is_equal(pattern, tmp_path):
    tokenizer = trained(pattern)
    write_tiktoken(tokenizer, tmp_path / "ranks")
    specials = {special: tokenizer.token_id(special) for special in SPECIAL_TOKENS}
    same(tokenizer, read_tiktoken(tmp_path / "ranks", pattern, specials))


def test_gpt2_files_written_and_read_are_equal(tmp_path):
    tokenizer = trained("gpt2")
    write_gpt2_files(tokenizer, tmp_path / "vocab.json", tmp_path / "merges.txt")
    paths = (tmp_path / "vocab.json", tmp_path / "merges.txt")
    same(tokenizer, from_gpt2_files(*paths, SPECIAL_TOKENS))


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_huggingface_library_gives_equal_ids(pattern, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = trained(pattern)
    write_huggingface(tokenizer, tmp_path)
    peer = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for text in (TEXT, TEXT * 3, "a\n ", "<|user|>hi <|end|>", "  x", "é's"):
        assert peer.encode(text).ids == tokenizer.encode(text, True)


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_tiktoken_library_gives_equal_ids(pattern, tmp_path):
    tiktoken = pytest.importorskip("tiktoken")
    load = pytest.importorskip("tiktoken.load")
    tokenizer = trained(pattern)
    write_tiktoken(tokenizer, tmp_path / "ranks")
    peer = tiktoken.Encoding(
        "ours",
        pat_str=expression_of(pattern),
        mergeable_ranks=load.load_tiktoken_bpe(str(tmp_path / "ranks")),
        special_tokens={special: tokenizer.token_id(special) for special in SPECIAL_TOKENS},
    )
    for text in (TEXT, TEXT * 3, "a\n ", "<|user|>hi <|end|>", "  x", "é's"):
        assert peer.encode(text, allowed_special="all") == tokenizer.encode(text, True)
        assert peer.encode_ordinary(text) == tokenizer.encode(text)


def test_chat_template_travels(tmp_path):
    tokenizer = trained("digits")
    tokenizer.chat_template = "{{ messages }}"
    write_huggingface(tokenizer, tmp_path)
    assert read_huggingface(tmp_path).chat_template == "{{ messages }}"
    own = tmp_path / "own"
    own.mkdir()
    tokenizer.save(own)
    assert type(tokenizer).load(own).chat_template == "{{ messages }}"


def hole(content):
    vocab = content["model"]["vocab"]
    vocab[next(text for text, i in vocab.items() if i == 300)] = 999


def same_id(content):
    content["model"]["vocab"]["zzz"] = 3


def bad_merge(content):
    content["model"]["merges"][0] = ["zz", "zz"]


def normalizer(content):
    content["normalizer"] = {"type": "NFC"}


def wordpiece(content):
    content["model"]["type"] = "WordPiece"


def prefix_space(content):
    content["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = True


def not_a_byte(content):
    content["model"]["vocab"]["\u4f60"] = 310


def no_model(content):
    del content["model"]


@pytest.mark.parametrize(
    "corrupt",
    [hole, same_id, bad_merge, normalizer, wordpiece, prefix_space, not_a_byte, no_model],
)
def test_read_huggingface_corrupt_refused(corrupt, tmp_path):
    write_huggingface(trained("gpt2"), tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_bytes())
    corrupt(content)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"found .*expected"):
        read_huggingface(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [*lines, lines[5]],
        lambda lines: [*lines, b"YWJjZGVmZw== 5"],
        lambda lines: lines[:100] + lines[101:],
        lambda lines: [*lines, b"!!!! 400"],
        lambda lines: [*lines, b"enp6eg== 306"],
        lambda lines: [*lines[:-1], lines[-1].split()[0]],
        lambda lines: [*lines[:-1], lines[-1].split()[0] + b" 900"],
    ],
    ids=["twice", "rank", "byte", "base64", "parts", "number", "hole"],
)
def test_read_tiktoken_corrupt_refused(change, tmp_path):
    path = tmp_path / "ranks"
    write_tiktoken(trained("gpt2"), path)
    path.write_bytes(b"\n".join(change(path.read_bytes().splitlines())) + b"\n")
    with pytest.raises(InputError, match=r"found .*expected"):
        read_tiktoken(path, "gpt2", {})


def test_write_tiktoken_ids_out_of_order_refused(tmp_path):
    tokenizer = trained("gpt2")
    vocab = dict(tokenizer.vocab)
    vocab[256], vocab[257] = vocab[257], vocab[256]
    swapped = type(tokenizer)(vocab, tokenizer.merges, SPECIAL_TOKENS, "gpt2")
    with pytest.raises(InputError, match="order of the merges"):
        write_tiktoken(swapped, tmp_path / "ranks")
