"""The tokenizer's file: the same bytes each time, the same tokenizer back, nothing corrupt."""

import json

import pytest

from lmcore.errors import InputError
from lmcore.tokenizer.alphabet import printable_bytes
from lmcore.tokenizer.bpe import FILE_NAME, Tokenizer
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.gpt2 import from_gpt2_files
from lmcore.tokenizer.train import train_bpe

BYTES = {i: bytes([i]) for i in range(256)}


@pytest.fixture
def tokenizer():
    return train_bpe(["the then there, 你好 you're"], TokenizerConfig(vocab_size=270))


def test_save_twice_gives_the_same_bytes_and_nothing_else(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    first = (tmp_path / FILE_NAME).read_bytes()
    Tokenizer.load(tmp_path).save(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_load_saved_tokenizer_is_equal(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.vocab == tokenizer.vocab
    assert loaded.merges == tokenizer.merges
    assert (loaded.special_tokens, loaded.pattern) == (tokenizer.special_tokens, tokenizer.pattern)
    text = "then 你好 <|end|>"
    assert loaded.encode(text, True) == tokenizer.encode(text, True)


def drop_id(content):
    del content["vocab"]["3"]


def shift_id(content):
    content["vocab"]["999"] = content["vocab"].pop("3")


def repeat_token(content):
    content["vocab"]["257"] = content["vocab"]["256"]


def drop_merge(content):
    content["merges"].pop()


def swap_merges(content):
    content["merges"].reverse()


def unmade_merge(content):
    content["merges"][-1] = "61 7a"


def repeat_merge(content):
    content["merges"][1] = content["merges"][0]


def broken_hex(content):
    content["vocab"]["7"] = "0g"


def merge_of_three(content):
    content["merges"][0] += " 61"


def unknown_pattern(content):
    content["pattern"] = "words"


def other_format(content):
    content["format"] = "tokenizers"


def other_version(content):
    content["version"] = 2


def no_specials(content):
    del content["special_tokens"]


def vocab_as_list(content):
    content["vocab"] = list(content["vocab"].values())


@pytest.mark.parametrize(
    "corrupt",
    [
        drop_id,
        shift_id,
        repeat_token,
        drop_merge,
        swap_merges,
        unmade_merge,
        repeat_merge,
        broken_hex,
        merge_of_three,
        unknown_pattern,
        other_format,
        other_version,
        no_specials,
        vocab_as_list,
    ],
)
def test_load_corrupt_content_refused(tokenizer, tmp_path, corrupt):
    tokenizer.save(tmp_path)
    content = json.loads((tmp_path / FILE_NAME).read_bytes())
    corrupt(content)
    (tmp_path / FILE_NAME).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"found .*expected"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"{}"])
def test_load_no_tokenizer_file_refused(tmp_path, data):
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(InputError, match="expected a crawl2model-tokenizer file"):
        Tokenizer.load(tmp_path)


def test_load_missing_file_refused(tmp_path):
    with pytest.raises(InputError, match=r"found .*expected"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("vocab", "merges", "specials"),
    [
        ({**BYTES, 257: b"ab"}, [(b"a", b"b")], ()),
        ({**BYTES, 256: b"a"}, [], ()),
        ({i: bytes([i]) for i in range(255)}, [], ()),
        (BYTES, [(b"a", b"b")], ()),
        ({**BYTES, 256: b"abc"}, [(b"ab", b"c")], ()),
        ({**BYTES, 256: b"ab"}, [(b"a", b"b")], ("ab",)),
        ({**BYTES, 256: b"aaa", 257: b"aa"}, [(b"a", b"a"), (b"aa", b"a"), (b"a", b"aa")], ()),
    ],
    ids=["hole", "repeat", "byte", "product", "part", "special", "made-twice"],
)
def test_tokenizer_contradiction_refused(vocab, merges, specials):
    with pytest.raises(InputError, match=r"found .*expected"):
        Tokenizer(vocab, merges, specials)


def test_tokenizer_specials_not_in_vocabulary_appended():
    tokenizer = Tokenizer({**BYTES, 256: b"<|b|>"}, [], ["<|a|>", "<|b|>"], "gpt2")
    assert tokenizer.token_id("<|a|>") == 257
    assert tokenizer.token_id("<|b|>") == 256
    assert tokenizer.vocab_size == 258


def test_from_gpt2_files_plain_files_read_and_corrupt_refused(tmp_path):
    vocab = {character: i for i, character in enumerate(printable_bytes())}
    vocab |= {"Ġa": 256, "<|endoftext|>": 257}
    (tmp_path / "vocab.json").write_text(json.dumps(vocab))
    (tmp_path / "merges.txt").write_text("#version: 0.2\nĠ a\n", encoding="utf-8")
    tokenizer = from_gpt2_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert tokenizer.encode("a a\x00", allow_special=True) == [97, 256, 0]
    (tmp_path / "merges.txt").write_text("Ġ a b\n", encoding="utf-8")
    with pytest.raises(InputError, match="expected GPT-2's"):
        from_gpt2_files(tmp_path / "vocab.json", tmp_path / "merges.txt")
