"""Documents of the training split are put into groups by what the stages before found, and drawn."""

from dataclasses import asdict

import pytest
from factories import row

from lmcore.mixing.config import MixConfig
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import TokenShards, encode_to_shards
from tasks.job import Job, JobInput, JobSpec
from tasks.mixing import grouped, mix, read_index
from warehouse.expectations import count_outcomes
from warehouse.parquet import read_rows, write_rows

NUMBERS = range(40)
TEXTS = {f"d{n}": f"document {n} of the corpus tells of {n * n} things" for n in NUMBERS}
LANGUAGE = {f"d{n}": "de" if n % 4 == 0 else "en" for n in NUMBERS}
QUALITY = {f"d{n}": n / 40 for n in NUMBERS}
COPIES_REMOVED = {"d1": 1, "d2": 6}
"""Documents that deduplication removed for these."""
URLS = {f"d{n}": f"https://{'a' if n % 2 else 'b'}.example/{n}" for n in NUMBERS} | {"d7": "no url"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs")
    write_rows(path / "corpus" / "unique_texts.parquet", "unique_texts",
               [row("unique_texts", doc_id=d, text=t) for d, t in TEXTS.items()])  # fmt: skip
    write_rows(path / "corpus" / "duplicates.parquet", "duplicates",
               [row("duplicates", doc_id=f"{d} again {n}", kind="exact", survivor_id=d, cluster_id=d, jaccard=1.0)
                for d, count in COPIES_REMOVED.items() for n in range(count)])  # fmt: skip
    found = [("corpus", "corpus"), ("tokens", "tokens")]
    for part in range(2):
        mine = [*TEXTS][part::2]
        write_rows(path / f"annotated-{part}" / "scores.parquet", "scores",
                   [row("scores", doc_id=d, language=LANGUAGE[d], quality=QUALITY[d]) for d in mine])  # fmt: skip
        write_rows(path / f"extracted-{part}" / "records.parquet", "records",
                   [row("records", record_id=d, url=URLS[d], warc_file=f"part-{part}.warc.gz") for d in mine])  # fmt: skip
        found += [(name, f"{name}-{part}") for name in ("annotated", "extracted")]
    bpe = train_bpe(TEXTS.values(), TokenizerConfig(vocab_size=265))
    index = encode_to_shards(
        TEXTS.items(), bpe, path / "tokens", TokensConfig(validation_fraction=0.2)
    )
    write_rows(path / "tokens" / "shards.parquet", "shards", map(asdict, index))
    return [JobInput(name, name, "", "", "", str(path / folder)) for name, folder in found]


def job_of(inputs, path, **section):
    config = {"mix": section, "shard_tokens": 100}
    (path / "out").mkdir()
    return Job(JobSpec(step="mix", stage="mix", body="", key="", config=config, inputs=inputs, out=str(path / "out"),
                       work=str(path), store=str(path / "store"), run_id="", workers=1))  # fmt: skip


@pytest.mark.parametrize(
    ("by", "group_of"),
    [
        (["language"], lambda n: LANGUAGE[f"d{n}"]),
        (["quality"], lambda n: "<0.5" if n < 20 else "0.5-0.8" if n < 32 else ">=0.8"),
        (["host"], lambda n: "unknown" if n == 7 else f"{'a' if n % 2 else 'b'}.example"),
        (["cluster_size"], lambda n: {1: "2-5", 2: "5-20"}.get(n, "<2")),
        (["file"], lambda n: f"part-{n % 2}.warc.gz"),
        (["language", "file"], lambda n: f"{LANGUAGE[f'd{n}']}/part-{n % 2}.warc.gz"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_documents_are_in_the_group_that_the_stages_before_say(inputs, tmp_path, by, group_of):
    job = job_of(inputs, tmp_path, by=by)
    index = read_index(job)
    found = grouped(job, MixConfig(by=tuple(by)), index)
    assert {(d.doc_id, d.group) for d in found} == {(r.doc_id, group_of(int(r.doc_id[1:]))) for r in index}  # fmt: skip
    assert 0 < len(found) < len(TEXTS)
    assert {d.doc_id: d.n_tokens for d in found} == {r.doc_id: r.length for r in index}


def test_mixture_is_drawn_counted_and_written(inputs, tmp_path):
    section = {
        "by": ["language"],
        "method": "factors",
        "groups": ["de", "en"],
        "weights": [3.0, 1.0],
    }
    job = job_of(inputs, tmp_path, **section)
    mix(job)
    out = tmp_path / "out"
    drawn = {r["doc_id"]: r for r in read_rows(out / "mixed_documents.parquet")}
    assert all(r["n_copies"] == (3 if LANGUAGE[d] == "de" else 1) for d, r in drawn.items())
    shares = {r["group_name"]: r for r in read_rows(out / "mixture.parquet")}
    assert {name: r["epochs"] for name, r in shares.items()} == {"de": 3.0, "en": 1.0}
    n_tokens = sum(r["n_tokens"] * r["n_copies"] for r in drawn.values())
    assert TokenShards(out, "train").n_tokens == n_tokens
    assert sum(r["n_tokens_drawn"] for r in shares.values()) == n_tokens
    assert job.result.attributes == {"n_tokens_wanted": n_tokens, "n_tokens_drawn": n_tokens}


def test_documents_that_are_left_out_are_counted(inputs, tmp_path):
    section = {
        "by": ["language"],
        "method": "weights",
        "groups": ["de", "en"],
        "weights": [0.0, 1.0],
        "n_tokens": 200,
    }
    job = job_of(inputs, tmp_path, **section)
    mix(job)
    counted = count_outcomes("mixed_documents", [tmp_path / "out" / "mixed_documents.parquet"], job.result.rows_in)  # fmt: skip
    rows = [*read_rows(tmp_path / "out" / "mixed_documents.parquet")]
    assert counted.rejected == {"left_out": sum(r["n_copies"] == 0 for r in rows)}
    assert all(r["n_copies"] == 0 for r in rows if r["group_name"] == "de")
    assert 0 < counted.rows_kept < len(rows)


def test_learnt_weights_take_the_place_of_the_recipes(inputs, tmp_path):
    (tmp_path / "fit").mkdir()
    write_rows(tmp_path / "fit" / "mix_proxies.parquet", "mix_proxies",
               [row("mix_proxies", name="mix_fit", group_name=g, weight=w) for g, w in (("de", 0.75), ("en", 0.25))])  # fmt: skip
    learnt = JobInput("learnt", "mix_fit", "", "", "", str(tmp_path / "fit"))
    job = job_of([*inputs, learnt], tmp_path, by=["language"], n_tokens=400)
    mix(job)
    shares = {r["group_name"]: r["n_tokens_asked"] for r in read_rows(tmp_path / "out" / "mixture.parquet")}  # fmt: skip
    assert shares == {"de": 300, "en": 100}


def test_sources_are_all_documents_once_laid_out_by_group(inputs, tmp_path):
    job = job_of(inputs, tmp_path, by=["language"], method="sources")
    mix(job)
    out = tmp_path / "out"
    rows = [*read_rows(out / "mixed_documents.parquet")]
    assert {r["n_copies"] for r in rows} == {1}
    sources = {one.name: one.n_tokens for one in TokenShards(out, "train").sources}
    shares = [*read_rows(out / "mixture.parquet")]
    assert sources == {r["group_name"]: r["n_tokens"] for r in shares}
    assert all(r["n_tokens"] == r["n_tokens_drawn"] for r in shares)
    for row_ in read_rows(out / "mixed_shards.parquet"):
        assert row_["copy"] == 0
