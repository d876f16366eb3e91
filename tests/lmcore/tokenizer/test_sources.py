"""Training from files: the merges of the texts in them, whatever the pieces they are read in."""

import gzip
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lmcore.errors import InputError
from lmcore.tokenizer import sources
from lmcore.tokenizer.config import PATTERNS, TokenizerConfig
from lmcore.tokenizer.sources import read_texts
from lmcore.tokenizer.train import count_pretokens, train_bpe, train_bpe_files

SPECIALS = ("<|end|>", "<| a b |>", "x x")
PIECES = [*" \t\n\r'a1é你😀\u3000\u0301|<>", "word ", "don't ", *SPECIALS, "<| a", "  ", "AB中A"]


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_read_texts_pieces_of_any_size_count_the_same(pattern, tmp_path, monkeypatch):
    state = random.Random(pattern)
    config = TokenizerConfig(pattern=pattern, special_tokens=SPECIALS)
    for n_bytes in (1, 2, 7, 30, 100):
        monkeypatch.setattr(sources, "PIECE_BYTES", n_bytes)
        text = "".join(state.choices(PIECES, k=400))
        (tmp_path / "text.txt").write_bytes(text.encode())
        found = count_pretokens(read_texts([tmp_path / "text.txt"], config), config)
        assert found == count_pretokens([text], config)


def test_read_texts_invalid_utf8_stays_as_it_is(tmp_path, monkeypatch):
    state = random.Random(1)
    monkeypatch.setattr(sources, "PIECE_BYTES", 20)
    config = TokenizerConfig()
    data = bytes(state.choices(b"a \n\x80\xc3\xa9\xe4\xb8\xad\xff", k=500))
    (tmp_path / "text").write_bytes(data)
    pieces = list(read_texts([tmp_path / "text"], config))
    assert b"".join(pieces) == data
    assert count_pretokens(pieces, config) == count_pretokens([data], config)


def test_train_bpe_files_text_gzip_and_parquet_equal_the_texts(tmp_path):
    texts = [f"the {word} of the web, don't" for word in ["first", "second", "third", "fourth"]]
    (tmp_path / "a.txt").write_text("<|endoftext|>".join(texts))
    with gzip.open(tmp_path / "b.gz", "wt") as file:
        file.write(texts[0])
    pq.write_table(pa.table({"body": [*texts, None, ""]}), tmp_path / "c.parquet")
    config = TokenizerConfig(vocab_size=270)
    paths = [tmp_path / name for name in ("a.txt", "b.gz", "c.parquet")]
    found = train_bpe_files(paths, config, column="body")
    assert found.merges == train_bpe([*texts, texts[0], *texts], config).merges


@pytest.mark.parametrize(
    "name", ["none.txt", "damaged.gz", "flipped.gz", "damaged.parquet", "other.parquet"]
)
def test_read_texts_unusable_file_refused(name, tmp_path):
    (tmp_path / "damaged.gz").write_bytes(b"\x1f\x8bxx")
    packed = bytearray(gzip.compress(bytes(range(256)) * 40))
    packed[20] ^= 255
    (tmp_path / "flipped.gz").write_bytes(packed)
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"found .*expected"):
        list(read_texts([tmp_path / name], TokenizerConfig()))
