"""The tokenizer's file: the same bytes each time, the same tokenizer back, nothing corrupt."""

import gzip
import json

import pytest

from lmcore.errors import InputError
from lmcore.tokenizer.alphabet import printable_bytes
from lmcore.tokenizer.bpe import FILE_NAME, Tokenizer
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.gpt2 import from_gpt2_files, write_gpt2_files
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


def special_renamed(content):
    content["special_tokens"][0] = "<|start|>"


def special_twice(content):
    content["special_tokens"][0] = content["special_tokens"][1]


def special_number(content):
    content["special_tokens"][0] = 7


def special_empty(content):
    content["special_tokens"][0] = ""
    content["vocab"][max(content["vocab"], key=int)] = ""


def id_written_twice(content):
    content["vocab"]["03"] = content["vocab"]["4"]
    del content["vocab"]["4"]


def template_number(content):
    content["chat_template"] = 1


def key_misspelt(content):
    content["chat_temptate"] = "x"


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
        special_renamed,
        special_twice,
        special_number,
        special_empty,
        id_written_twice,
        template_number,
        key_misspelt,
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


def test_load_key_twice_refused(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    text = (tmp_path / FILE_NAME).read_text()
    (tmp_path / FILE_NAME).write_text(text.replace('"7": "07"', '"7": "08",\n"7": "07"'))
    with pytest.raises(InputError, match="the key '7' twice"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"{}", b"[" * 100_000])
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
        ({**BYTES, 256: b""}, [], ()),
        (BYTES, [], ("",)),
    ],
    ids=["hole", "repeat", "byte", "product", "part", "special", "made-twice", "empty", "nameless"],
)
def test_tokenizer_contradiction_refused(vocab, merges, specials):
    with pytest.raises(InputError, match=r"found .*expected"):
        Tokenizer(vocab, merges, specials)


def test_tokenizer_specials_not_in_vocabulary_appended():
    tokenizer = Tokenizer({**BYTES, 256: b"<|b|>"}, [], ["<|a|>", "<|b|>"], "gpt2")
    assert tokenizer.token_id("<|a|>") == 257
    assert tokenizer.token_id("<|b|>") == 256
    assert tokenizer.vocab_size == 258


def write_gpt2(folder):
    vocab = {character: i for i, character in enumerate(printable_bytes())}
    vocab |= {"Ġa": 256, "<|endoftext|>": 257}
    paths = folder / "vocab.json", folder / "merges.txt"
    paths[0].write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    paths[1].write_text("#version: 0.2\nĠ a\n", encoding="utf-8")
    return paths


def test_from_gpt2_files_plain_files_read(tmp_path):
    tokenizer = from_gpt2_files(*write_gpt2(tmp_path))
    assert tokenizer.encode("a a\x00", allow_special=True) == [97, 256, 0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"Ġa": 256', '"Ġa": 300'),
        ('"Ġa": 256', '"Ġa": 256, "Ġa": 256'),
        ('"Ġa": 256', '"Ġa": 256, "Ġb": 256'),
        ('"Ġa": 256', '"Ġa": 256.0'),
        ('"Ġa": 256', '"Ġa": Infinity'),
        ('"Ġa": 256', '" a": 256'),
        ('"Ġa": 256', '"a": 256'),
        ("<|endoftext|>", "<|endoftex|>"),
        ('"A": 65', '"A": 66'),
        ("{", "["),
    ],
)
def test_from_gpt2_files_corrupt_vocabulary_refused(old, new, tmp_path):
    vocab, merges = write_gpt2(tmp_path)
    text = vocab.read_text(encoding="utf-8")
    assert old in text
    vocab.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"found .*expected"):
        from_gpt2_files(vocab, merges)


@pytest.mark.parametrize(
    "lines",
    [
        "#version: 0.2\n",
        "",
        "Ġ a b\n",
        "Ġ  a\n",
        "Ġa\n",
        "Ġ a\nĠ a\n",
        "  a\n",
        "a Ġ\n",
        "\ud83d a\n",
    ],
    ids=["none", "empty", "three", "two blanks", "one", "twice", "blank", "other", "surrogate"],
)
def test_from_gpt2_files_corrupt_merges_refused(lines, tmp_path):
    vocab, merges = write_gpt2(tmp_path)
    merges.write_bytes(lines.encode(errors="surrogatepass"))
    with pytest.raises(InputError, match=r"found .*expected"):
        from_gpt2_files(vocab, merges)


def test_from_gpt2_files_damaged_gzip_refused(tmp_path):
    vocab, merges = write_gpt2(tmp_path)
    packed = gzip.compress(vocab.read_bytes(), mtime=0)
    path = tmp_path / "vocab.json.gz"
    path.write_bytes(packed)
    assert from_gpt2_files(path, merges).vocab_size == 258
    for place in range(0, len(packed), 11):
        path.write_bytes(packed[:place] + bytes([packed[place] ^ 255]) + packed[place + 1 :])
        try:
            assert from_gpt2_files(path, merges).vocab_size == 258
        except InputError as error:
            assert "expected" in str(error)  # noqa: PT017 - some bytes of a header mean nothing


def test_write_gpt2_files_special_that_looks_like_a_token_refused(tmp_path):
    tokenizer = Tokenizer({**BYTES, 256: b" a"}, [(b" ", b"a")], ("Ġa",), "gpt2")
    with pytest.raises(InputError, match="of its own"):
        write_gpt2_files(tokenizer, tmp_path / "vocab.json", tmp_path / "merges.txt")


def test_gpt2_files_specials_of_any_characters_and_a_merge_like_the_header_survive(tmp_path):
    specials = ("<| é |>", "Ġ<世>")
    word = "#version:"
    merges = [(word[:n].encode(), word[n].encode()) for n in range(1, len(word))]
    vocab = {**BYTES, **{256 + n: left + right for n, (left, right) in enumerate(merges)}}
    tokenizer = Tokenizer(vocab, merges, specials, "gpt2")
    paths = (tmp_path / "vocab.json", tmp_path / "merges.txt")
    write_gpt2_files(tokenizer, *paths)
    found = from_gpt2_files(*paths, specials)
    assert (found.vocab, found.merges) == (tokenizer.vocab, tokenizer.merges)
    paths[1].write_text(paths[1].read_text().removeprefix("#version: 0.2\n"))
    assert from_gpt2_files(*paths, specials).merges == merges
