"""Shards: every document whole, on one side, where the index says; complete or not there."""

import json

import numpy as np
import pytest

from lmcore.errors import ConfigError, InputError
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import FILE_NAME, IndexRow, TokenShards, encode_to_shards, hash_text

SPECIALS = ["<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"]


def byte_tokenizer(n_more: int = 0) -> Tokenizer:
    """One token a byte: what a shard should hold is easy to say."""
    specials = SPECIALS + [f"<|more{i}|>" for i in range(n_more)]
    return Tokenizer({i: bytes([i]) for i in range(256)}, [], specials)


def make_documents(n: int) -> list[tuple[str, str]]:
    return [(f"doc{i}", f"text {i} é " + "x" * (i % 7)) for i in range(n)]


def read_documents(rows: list[IndexRow], directory) -> dict[str, str]:
    """Read each document from the file and place its row names."""
    found = {}
    for row in rows:
        tokens = np.fromfile(directory / f"{row.split}-{row.shard:05d}.bin", "<u2")
        tokens = tokens[row.start : row.start + row.length]
        assert tokens[-1] == 256
        found[row.doc_id] = bytes(tokens[:-1].tolist()).decode()
    return found


@pytest.mark.parametrize("shard_tokens", [1, 40, 1 << 22])
def test_write_shards_every_document_stands_where_its_row_says(tmp_path, shard_tokens):
    documents = make_documents(60)
    config = TokensConfig(validation_fraction=0.3, shard_tokens=shard_tokens)
    rows = encode_to_shards(documents, byte_tokenizer(), tmp_path, config)
    assert [row.doc_id for row in rows] == [doc_id for doc_id, _ in documents]
    assert read_documents(rows, tmp_path) == dict(documents)
    assert [row.n_bytes for row in rows] == [len(text.encode()) for _, text in documents]
    assert [row.length for row in rows] == [row.n_bytes + 1 for row in rows]
    for split in ("train", "validation"):
        numbers = {row.shard for row in rows if row.split == split}
        assert numbers == set(range(len(numbers)))


def test_write_shards_listing_agrees_with_rows_and_files(tmp_path):
    config = TokensConfig(validation_fraction=0.3, shard_tokens=40)
    rows = encode_to_shards(make_documents(60), byte_tokenizer(), tmp_path, config)
    listing = json.loads((tmp_path / FILE_NAME).read_bytes())
    assert (listing["dtype"], listing["vocab_size"], listing["eot_id"]) == ("uint16", 260, 256)
    names = {FILE_NAME}
    for split, summary in listing["splits"].items():
        mine = [row for row in rows if row.split == split]
        assert summary["n_documents"] == len(mine) > 0
        assert summary["n_tokens"] == sum(row.length for row in mine)
        assert summary["n_bytes"] == sum(row.n_bytes for row in mine)
        for file in summary["files"]:
            assert (tmp_path / file["name"]).stat().st_size == 2 * file["n_tokens"]
            assert file["n_tokens"] <= 40
        names |= {file["name"] for file in summary["files"]}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_write_shards_twice_gives_the_same_bytes(tmp_path):
    for name in "ab":
        encode_to_shards(make_documents(30), byte_tokenizer(), tmp_path / name, TokensConfig())
    first = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}


def test_write_shards_split_follows_the_hash_of_the_text(tmp_path):
    config = TokensConfig(validation_fraction=0.25, seed=3)
    documents = make_documents(400)
    rows = encode_to_shards(documents, byte_tokenizer(), tmp_path, config)
    for row, (_, text) in zip(rows, documents, strict=True):
        assert (row.split == "validation") == (hash_text(text, 3) < 0.25 * 2**64)
    n_validation = sum(row.split == "validation" for row in rows)
    assert 60 <= n_validation <= 140  # 100 expected, standard deviation 8.7
    other = encode_to_shards(
        documents, byte_tokenizer(), tmp_path / "other", TokensConfig(validation_fraction=0.25)
    )
    assert [row.split for row in rows] != [row.split for row in other]


def test_write_shards_equal_texts_stay_on_one_side(tmp_path):
    documents = [(f"doc{i}", f"text {i % 5}") for i in range(50)]
    rows = encode_to_shards(documents, byte_tokenizer(), tmp_path, TokensConfig())
    sides = {text: set() for _, text in documents}
    for row, (_, text) in zip(rows, documents, strict=True):
        sides[text].add(row.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert set.union(*sides.values()) == {"train", "validation"}


@pytest.mark.parametrize("fraction", [1e-9, 1 - 1e-9])
def test_write_shards_neither_split_is_empty(tmp_path, fraction):
    documents = make_documents(2)
    config = TokensConfig(validation_fraction=fraction)
    rows = encode_to_shards(documents, byte_tokenizer(), tmp_path, config)
    hashes = [hash_text(text, 0) for _, text in documents]
    smallest = hashes.index(min(hashes))
    assert rows[smallest].split == "validation"
    assert rows[1 - smallest].split == "train"


def test_write_shards_one_text_goes_to_training(tmp_path):
    rows = encode_to_shards([("a", "x"), ("b", "x")], byte_tokenizer(), tmp_path, TokensConfig())
    assert {row.split for row in rows} == {"train"}
    assert TokenShards(tmp_path, "validation").n_tokens == 0
    assert len(TokenShards(tmp_path, "validation").read(0, 0)) == 0


def test_write_shards_special_strings_in_documents_stay_text(tmp_path):
    documents = [("a", "<|end|><|endoftext|>"), ("b", "b")]
    encode_to_shards(documents, byte_tokenizer(), tmp_path, TokensConfig())
    for split in ("train", "validation"):
        shards = TokenShards(tmp_path, split)
        tokens = shards.read(0, shards.n_tokens)
        assert tokens.max() == 256
        assert np.flatnonzero(tokens == 256).tolist() == [len(tokens) - 1]


def test_write_shards_large_vocabulary_takes_four_bytes(tmp_path):
    for n_more, dtype in [(65_536 - 260, "uint16"), (65_536 - 259, "uint32")]:
        encode_to_shards(
            make_documents(9), byte_tokenizer(n_more), tmp_path / dtype, TokensConfig()
        )
        assert TokenShards(tmp_path / dtype, "train").dtype == np.dtype(dtype)


@pytest.mark.parametrize("documents", [[], [("a", ""), ("b", "")]])
def test_write_shards_no_text_refused_and_leaves_nothing(tmp_path, documents):
    with pytest.raises(InputError, match=r"found \d documents .*expected at least one token"):
        encode_to_shards(documents, byte_tokenizer(), tmp_path, TokensConfig())
    assert list(tmp_path.iterdir()) == []


def test_write_shards_failure_halfway_leaves_nothing_and_can_be_repeated(tmp_path):
    def failing():
        yield from make_documents(20)
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="broke"):
        encode_to_shards(failing(), byte_tokenizer(), tmp_path, TokensConfig())
    assert list(tmp_path.iterdir()) == []
    # What a killed process may leave: files without the listing, written before it.
    (tmp_path / "train-00007.bin").write_bytes(b"old")
    (tmp_path / ".shards-partial").mkdir()
    (tmp_path / ".shards-partial" / "spool").write_bytes(b"old")
    encode_to_shards(make_documents(20), byte_tokenizer(), tmp_path, TokensConfig())
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {FILE_NAME, "train-00000.bin", "validation-00000.bin"}


def test_write_shards_over_finished_shards_refused(tmp_path):
    encode_to_shards(make_documents(20), byte_tokenizer(), tmp_path, TokensConfig())
    with pytest.raises(InputError, match="without shards"):
        encode_to_shards(make_documents(20), byte_tokenizer(), tmp_path, TokensConfig())


def test_token_shards_any_read_equals_slice_of_the_whole(tmp_path):
    config = TokensConfig(validation_fraction=0.3, shard_tokens=30)
    rows = encode_to_shards(make_documents(40), byte_tokenizer(), tmp_path, config)
    shards = TokenShards(tmp_path, "train")
    n_shards = 1 + max(row.shard for row in rows if row.split == "train")
    files = [np.fromfile(tmp_path / f"train-{k:05d}.bin", "<u2") for k in range(n_shards)]
    whole = np.concatenate(files)
    assert n_shards > 5
    assert shards.n_tokens == len(whole)
    assert shards.n_bytes == sum(row.n_bytes for row in rows if row.split == "train")
    for start in range(0, len(whole), 3):
        for length in (0, 1, 29, 30, 31, 100):
            if start + length <= len(whole):
                assert np.array_equal(shards.read(start, length), whole[start : start + length])
    assert np.array_equal(shards.read(0, len(whole)), whole)


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, -1), (0, 10_000), (10_000, 0)])
def test_token_shards_read_outside_refused(tmp_path, start, length):
    encode_to_shards(make_documents(20), byte_tokenizer(), tmp_path, TokensConfig())
    with pytest.raises(InputError, match=r"found a read .*expected it within"):
        TokenShards(tmp_path, "train").read(start, length)


def test_token_shards_damaged_directory_refused(tmp_path):
    with pytest.raises(InputError, match=r"found .*expected"):
        TokenShards(tmp_path, "train")
    encode_to_shards(make_documents(20), byte_tokenizer(), tmp_path, TokensConfig())
    with pytest.raises(InputError, match="no split 'test'"):
        TokenShards(tmp_path, "test")
    shard = tmp_path / "train-00000.bin"
    shard.write_bytes(shard.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"found [\d,]+ bytes in .*expected"):
        TokenShards(tmp_path, "train")
    shard.unlink()
    with pytest.raises(InputError, match="found 0 bytes"):
        TokenShards(tmp_path, "train")
    for content in ("{", "{}", "[]", '{"format": "crawl2model-shards", "version": 9}'):
        (tmp_path / FILE_NAME).write_text(content)
        with pytest.raises(InputError, match="expected a crawl2model-shards file"):
            TokenShards(tmp_path, "train")


@pytest.mark.parametrize(
    "change",
    [
        {"validation_fraction": 0.0},
        {"validation_fraction": 1.0},
        {"validation_fraction": float("nan")},
        {"shard_tokens": 0},
        {"seed": -1},
        {"seed": 1 << 64},
    ],
)
def test_tokens_config_impossible_refused(change):
    with pytest.raises(ConfigError, match=r"found .*expected"):
        TokensConfig(**change)
