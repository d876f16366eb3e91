"""A mixture's shards hold each document as often as it was drawn, and are read like any others."""

import numpy as np
import pytest

from lmcore.errors import InputError
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.mixed import write_mixed
from lmcore.tokens.shards import TokenShards, encode_to_shards

DOCUMENTS = [(f"d{n}", f"document {n} says " + "word " * (n % 7)) for n in range(40)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    source = tmp_path_factory.mktemp("tokens")
    tokenizer = train_bpe([text for _, text in DOCUMENTS], TokenizerConfig(vocab_size=270))
    config = TokensConfig(validation_fraction=0.2, shard_tokens=64)
    return source, encode_to_shards(DOCUMENTS, tokenizer, source, config), tokenizer


def copies_of(index):
    train = [row.doc_id for row in index if row.split == "train"]
    return {doc_id: (0, 1, 1, 3)[at % 4] for at, doc_id in enumerate(train)}


@pytest.mark.parametrize("shard_tokens", [1, 64, 1 << 20])
def test_mixture_holds_every_copy_at_its_place(written, tmp_path, shard_tokens):
    source, index, tokenizer = written
    copies = copies_of(index)
    rows = write_mixed(source, index, copies, tmp_path, shard_tokens)
    assert sorted((r.doc_id, r.copy) for r in rows) == sorted(
        (doc_id, copy) for doc_id, n in copies.items() for copy in range(n)
    )
    mixed = TokenShards(tmp_path, "train")
    stream = mixed.read(0, mixed.n_tokens)
    texts, at = dict(DOCUMENTS), 0
    for row in rows:
        ids = [*tokenizer.encode(texts[row.doc_id]), tokenizer.eot_id]
        assert stream[at : at + row.length].tolist() == ids
        at += row.length
    assert at == mixed.n_tokens
    n_bytes = sum(len(texts[doc_id].encode()) * n for doc_id, n in copies.items())
    assert mixed.n_bytes == n_bytes


def test_copies_of_a_document_lie_a_pass_apart(written, tmp_path):
    source, index, _ = written
    rows = write_mixed(source, index, copies_of(index), tmp_path, 64)
    numbers = [row.copy for row in rows]
    assert numbers == sorted(numbers)
    assert set(numbers) == {0, 1, 2}


def test_held_out_documents_are_the_same(written, tmp_path):
    source, index, _ = written
    write_mixed(source, index, copies_of(index), tmp_path, 64)
    before, after = (TokenShards(folder, "validation") for folder in (source, tmp_path))
    assert before.n_tokens == after.n_tokens > 0
    assert (before.read(0, before.n_tokens) == after.read(0, after.n_tokens)).all()


def test_mixture_of_nothing_is_refused(written, tmp_path):
    source, index, _ = written
    with pytest.raises(InputError, match="no copy"):
        write_mixed(source, index, dict.fromkeys(copies_of(index), 0), tmp_path, 64)


def test_groups_lie_side_by_side_and_are_listed(written, tmp_path):
    source, index, _ = written
    copies = copies_of(index)
    groups = {doc_id: "odd" if int(doc_id[1:]) % 2 else "even" for doc_id in copies}
    rows = write_mixed(source, index, copies, tmp_path, 64, groups=groups)
    mixed = TokenShards(tmp_path, "train")
    assert [stretch.name for stretch in mixed.sources] == ["even", "odd"]
    ends = np.cumsum([row.length for row in rows])
    at = 0
    for stretch in mixed.sources:
        assert stretch.start == at
        at += stretch.n_tokens
        inside = [r for r, end in zip(rows, ends, strict=True) if stretch.start < end <= at]
        expected = [d for d, n in copies.items() for _ in range(n) if groups[d] == stretch.name]
        assert sorted(row.doc_id for row in inside) == sorted(expected)
    assert at == mixed.n_tokens
    assert TokenShards(tmp_path, "validation").sources == ()
