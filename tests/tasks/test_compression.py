"""Tokenizers are compared on the texts that the index and the detected languages say."""

import random
from collections import Counter
from dataclasses import asdict

import pytest
from factories import row

from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import encode_to_shards
from tasks.compression import compression
from tasks.job import Job, JobInput, JobSpec
from warehouse.parquet import read_rows, write_rows

KEPT = {f"k{i:02d}": f"the cat saw dog {i} and the cat ran, extraordinarily" for i in range(40)}
REJECTED = {
    "r0": ("de", "Über dem Fluss liegt Nebel, über dem Wald auch."),
    "r1": ("de", "Größe"),
    "r2": ("zh", "猫坐在河边。"),
    "r3": ("und", "?!"),
}
PAGES = {doc_id: ("en", text + "\nmenu") for doc_id, text in KEPT.items()} | REJECTED
TOKENIZERS = {"bpe", "byte", "character", "word"}
CONFIG = {"max_bytes": 1 << 18, "train_bytes": 1 << 20, "n_longest": 3}


@pytest.fixture(scope="module")
def bpe():
    return train_bpe(KEPT.values(), TokenizerConfig(vocab_size=290))


def write_inputs(path, bpe, pages, kept):
    """Artifacts of the stages before, with these pages and kept texts in this order."""
    parts = {"extracted": ("texts", "texts.parquet"), "annotated": ("scores", "scores.parquet")}
    inputs = [("corpus", "corpus"), ("tokenizer", "tokenizer"), ("tokens", "tokens")]
    for part in range(2):
        mine = pages[part::2]
        rows = {
            "texts": [row("texts", doc_id=doc_id, text=text) for doc_id, (_, text) in mine],
            "scores": [
                row("scores", doc_id=doc_id, language=language, n_chars=len(text))
                for doc_id, (language, text) in mine
            ],
        }
        for name, (table, file) in parts.items():
            inputs.append((name, f"{name}-{part}"))
            write_rows(path / f"{name}-{part}" / file, table, rows[table])
    unique = [row("unique_texts", doc_id=doc_id, text=text) for doc_id, text in kept]
    write_rows(path / "corpus" / "unique_texts.parquet", "unique_texts", unique)
    (path / "tokenizer").mkdir()
    bpe.save(path / "tokenizer")
    index = encode_to_shards(kept, bpe, path / "tokens", TokensConfig(validation_fraction=0.25))
    write_rows(path / "tokens" / "shards.parquet", "shards", map(asdict, index))
    return [JobInput(name, name, "", "", "", str(path / folder)) for name, folder in inputs]


def compare_on(path, bpe, *, pages=PAGES, kept=KEPT, **config):
    """The job, and the tables that the body wrote: rows by (set, language, tokenizer), and tokens."""
    inputs = write_inputs(path, bpe, [*pages.items()], [*kept.items()])
    spec = JobSpec(step="compression", stage="compression", body="", key="", config={"compression": CONFIG | config},
                   inputs=inputs, out=str(path / "out"), work=str(path), store=str(path / "store"), run_id="", workers=1)  # fmt: skip
    job = Job(spec)
    compression(job)
    rows = [*read_rows(path / "out" / "compression.parquet")]
    found = {(row["text_set"], row["language"], row["tokenizer"]): row for row in rows}
    assert len(found) == len(rows)
    return job, found, [*read_rows(path / "out" / "longest_tokens.parquet")]


@pytest.fixture(scope="module")
def compared(bpe, tmp_path_factory):
    path = tmp_path_factory.mktemp("compared")
    return path, *compare_on(path, bpe)


def split_of(path, split):
    index = read_rows(path / "tokens" / "shards.parquet")
    return [KEPT[str(row["doc_id"])] for row in index if row["split"] == split]


def test_every_tokenizer_divides_every_set_and_language(compared):
    _, _, found, _ = compared
    sets = [("train", "en"), ("validation", "en"), *(("pages", name) for name in ("de", "en", "und", "zh"))]  # fmt: skip
    sets += [(name, "all") for name in ("train", "validation", "pages")]
    assert found.keys() == {(*key, tokenizer) for key in sets for tokenizer in TOKENIZERS}


def test_sets_hold_the_texts_of_their_split_and_all_pages_as_extracted(compared):
    path, _, found, _ = compared
    expected = {
        "train": split_of(path, "train"),
        "validation": split_of(path, "validation"),
        "pages": [text for _, text in PAGES.values()],
    }
    for text_set, texts in expected.items():
        row = found[text_set, "all", "byte"]
        assert row["n_bytes"] == row["n_tokens"] == sum(len(text.encode()) for text in texts) > 0
    assert found["pages", "zh", "byte"]["n_bytes"] == len(PAGES["r2"][1].encode())


def test_baselines_learn_from_the_training_split_at_the_size_of_bpe(compared):
    path, job, found, _ = compared
    train = split_of(path, "train")
    assert found["train", "all", "character"]["vocab_size"] == 1 + len(set("".join(train)))
    assert found["train", "all", "word"]["vocab_size"] <= found["train", "all", "bpe"]["vocab_size"]
    assert found["train", "all", "word"]["is_lossless"]
    held_out = found["validation", "all", "word"]
    # the numbers of held-out documents are in no other
    assert not held_out["is_lossless"]
    n_held_out = len(split_of(path, "validation"))
    assert held_out["unknown_share"] == n_held_out / held_out["n_tokens"]
    n_bytes = sum(len(text.encode()) for text in train)
    assert job.result.attributes["baseline_bytes"] == n_bytes
    assert job.result.attributes["train_bytes"] == n_bytes


def test_bpe_loses_nothing_and_needs_more_tokens_where_it_has_not_learnt(compared):
    _, _, found, _ = compared
    assert all(row["is_lossless"] for key, row in found.items() if key[2] in {"bpe", "byte"})
    fertility = {name: found["pages", name, "bpe"]["tokens_per_word"] for name in ("en", "de")}
    assert fertility["de"] > 2 * fertility["en"]
    assert found["pages", "und", "bpe"]["tokens_per_word"] is None
    assert found["pages", "zh", "character"]["unknown_share"] == 1.0


def test_longest_tokens_are_learnt_ones_and_counted_in_the_training_tokens(compared, bpe):
    path, job, _, tokens = compared
    counts = Counter(i for text in split_of(path, "train") for i in bpe.encode(text))
    learnt = {i: token for i, token in bpe.vocab.items() if i < bpe.vocab_size - 4}
    assert [row["rank"] for row in tokens] == [1, 2, 3]
    longest = sorted(learnt, key=lambda i: (-len(learnt[i]), i))[:3]
    for found, token_id in zip(tokens, longest, strict=True):
        assert bytes.fromhex(str(found["hex"])) == learnt[token_id]
        assert (found["token_id"], found["token"]) == (token_id, learnt[token_id].decode())
        assert (found["n_bytes"], found["n_occurrences"]) == (
            len(learnt[token_id]),
            counts[token_id],
        )
    assert job.result.attributes["n_ids"] == len(learnt)
    assert job.result.attributes["n_ids_used"] == len(counts)


def test_token_that_is_no_utf8_has_its_bytes_as_hex(tmp_path):
    bytes_only = {i: bytes([i]) for i in range(256)}
    broken = Tokenizer({**bytes_only, 256: b"\xe7\x8c"}, [(b"\xe7", b"\x8c")], ["<|endoftext|>"])
    _, _, (token,) = compare_on(tmp_path, broken, n_longest=1)
    assert (token["token"], token["hex"], token["n_occurrences"]) == ("\ufffd", "e78c", 0)


def test_limits_bound_the_bytes_of_each_language_and_of_the_baselines(bpe, tmp_path):
    job, found, _ = compare_on(tmp_path, bpe, max_bytes=30, train_bytes=200)
    sizes = {key[:2]: row["n_bytes"] for key, row in found.items() if key[2] == "byte"}
    assert {sizes[key] for key in sizes if key[1] == "en"} == {30}
    assert sizes["pages", "de"] in {29, 30}
    assert sizes["pages", "zh"] == 18
    assert job.result.attributes["baseline_bytes"] == 200 < job.result.attributes["train_bytes"]


def test_order_of_the_rows_changes_nothing(bpe, tmp_path):
    def shuffled(documents):
        return dict(random.Random(3).sample([*documents.items()], len(documents)))

    limits = {"max_bytes": 300, "train_bytes": 300}
    for name, pages, kept in (("one", PAGES, KEPT), ("two", shuffled(PAGES), shuffled(KEPT))):
        (tmp_path / name).mkdir()
        compare_on(tmp_path / name, bpe, pages=pages, kept=kept, **limits)
    for table in ("compression", "longest_tokens"):
        one, two = ((tmp_path / name / "out" / f"{table}.parquet") for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_corpus_of_one_text_has_no_held_out_rows(bpe, tmp_path):
    _, found, _ = compare_on(tmp_path, bpe, kept={"k00": KEPT["k00"]})
    assert {key[0] for key in found} == {"train", "pages"}
