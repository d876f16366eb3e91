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


def test_write_huggingface_special_that_looks_like_a_token_refused(tmp_path):
    tokenizer = train_bpe(["a a a"], TokenizerConfig(vocab_size=258, special_tokens=("Ġa",)))
    with pytest.raises(InputError, match="of its own"):
        write_huggingface(tokenizer, tmp_path)
    assert not list(tmp_path.iterdir())


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


def token_twice(content):
    content["added_tokens"][0]["content"] = "the"
    content["model"]["vocab"]["the"] = content["added_tokens"][0]["id"]
    content["model"]["vocab"]["th"] = 400


def merges_cut_short(content):
    del content["model"]["merges"][-3:]


def id_with_a_fraction(content):
    content["model"]["vocab"]["A"] = 65.0


def id_true(content):
    content["model"]["vocab"][next(t for t, i in content["model"]["vocab"].items() if i == 1)] = (
        True
    )


def id_infinite(content):
    content["model"]["vocab"]["A"] = float("inf")


def added_twice(content):
    content["added_tokens"].append(content["added_tokens"][0])


def added_takes_in_blanks(content):
    content["added_tokens"][0]["lstrip"] = True


def no_pretokenizer(content):
    content["pre_tokenizer"]["pretokenizers"] = []


@pytest.mark.parametrize(
    "corrupt",
    [
        hole,
        same_id,
        bad_merge,
        normalizer,
        wordpiece,
        prefix_space,
        not_a_byte,
        no_model,
        token_twice,
        merges_cut_short,
        id_with_a_fraction,
        id_true,
        id_infinite,
        added_twice,
        added_takes_in_blanks,
        no_pretokenizer,
    ],
)
def test_read_huggingface_corrupt_refused(corrupt, tmp_path):
    write_huggingface(trained("gpt2"), tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_bytes())
    corrupt(content)
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"found .*expected"):
        read_huggingface(tmp_path)


def test_read_huggingface_key_twice_refused(tmp_path):
    write_huggingface(trained("gpt2"), tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text().replace('"A": 65', '"A": 300, "A": 65'))
    with pytest.raises(InputError, match="the key 'A' twice"):
        read_huggingface(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_read_huggingface_no_tokenizer_refused(data, tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(InputError, match="expected a byte-level BPE"):
        read_huggingface(tmp_path)


@pytest.mark.parametrize("template", [1, {"name": "x"}, [1], [{"name": "x", "template": "y"}]])
def test_read_huggingface_template_of_another_kind_refused(template, tmp_path):
    write_huggingface(trained("gpt2"), tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    with pytest.raises(InputError, match=r"found .*expected"):
        read_huggingface(tmp_path)


def test_read_huggingface_default_of_several_templates_is_taken(tmp_path):
    write_huggingface(trained("gpt2"), tmp_path)
    templates = [{"name": name, "template": name.upper()} for name in ("tools", "default")]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": templates}))
    assert read_huggingface(tmp_path).chat_template == "DEFAULT"


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
        lambda lines: [*lines[:-1], lines[-1].split()[0] + b" +305"],
        lambda lines: [b"AB== 0", *lines[1:]],
        lambda lines: [b"\xff\xfe", *lines],
    ],
    ids=["twice", "rank", "byte", "base64", "parts", "number", "hole", "sign", "bits", "no-ranks"],
)
def test_read_tiktoken_corrupt_refused(change, tmp_path):
    path = tmp_path / "ranks"
    write_tiktoken(trained("gpt2"), path)
    path.write_bytes(b"\n".join(change(path.read_bytes().splitlines())) + b"\n")
    with pytest.raises(InputError, match=r"found .*expected"):
        read_tiktoken(path, "gpt2", {})


@pytest.mark.parametrize(
    "specials",
    [{"<|a|>": 7}, {"<|a|>": 306, "<|b|>": 306}, {"<|a|>": 307}, {"the": 306}, {"": 306}],
)
def test_read_tiktoken_special_that_is_taken_or_leaves_a_hole_refused(specials, tmp_path):
    write_tiktoken(trained("gpt2"), tmp_path / "ranks")
    with pytest.raises(InputError, match=r"found .*expected"):
        read_tiktoken(tmp_path / "ranks", "gpt2", specials)


def test_write_tiktoken_ids_out_of_order_refused(tmp_path):
    tokenizer = trained("gpt2")
    vocab = dict(tokenizer.vocab)
    vocab[256], vocab[257] = vocab[257], vocab[256]
    swapped = type(tokenizer)(vocab, tokenizer.merges, SPECIAL_TOKENS, "gpt2")
    with pytest.raises(InputError, match="order of the merges"):
        write_tiktoken(swapped, tmp_path / "ranks")
