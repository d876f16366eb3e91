"""The stage: earlier crawls by name, identity without places, and a second crawl against the first."""

import json

import pytest
from factories import row

from flows import recipe as recipes
from lmcore.errors import InputError
from tasks.deduplication import deduplicate
from tasks.earlier import find_earlier
from tasks.graph import Source, Sources, journey
from tasks.job import Job, JobInput, JobSpec
from warehouse import runs
from warehouse.parquet import read_rows, write_rows
from warehouse.store import Identity, Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def section(**settings):
    sections = recipes.load("smoke").sections()["deduplicate"]
    return {name: value for name, value in (sections | settings).items() if name != "earlier"}


def dedup_step(sources, *overrides):
    steps = journey(recipes.load("smoke", overrides).sections(), sources)
    (step,) = [step for step in steps if step.name == "deduplicate"]
    return step


def write_inputs(folder, texts):
    """The tables that the stage reads, for documents of one name."""
    folder.mkdir()
    rows = {
        "decisions": [row("decisions", doc_id=doc_id, outcome="kept") for doc_id in texts],
        "scores": [row("scores", doc_id=doc_id, quality=0.5) for doc_id in texts],
        "clean_texts": [row("clean_texts", doc_id=key, text=text) for key, text in texts.items()],
        "records": [
            row("records", record_id=key, url=f"http://a.example/{text[:5]}", payload_digest=None)
            for key, text in texts.items()
        ],
    }
    for table, found in rows.items():
        write_rows(folder / f"{table}.parquet", table, found)


def run_stage(store, tmp_path, name, texts, config, earlier=()):
    """Commit the artifact of one crawl."""
    folder = tmp_path / name
    write_inputs(folder, texts)
    inputs = [
        JobInput(kind, "x", "", "", "", str(folder))
        for kind in ("annotated", "decided", "extracted")
    ]
    inputs += [JobInput("earlier", "file", "", s.content, s.name, s.path) for s in earlier]
    identity = Identity("deduplicate", "deduplicate", 1, {"name": name, **config}, ())
    with store.stage(identity) as staging, store.scratch(identity) as work:
        spec = JobSpec(
            step="deduplicate", stage="deduplicate", body="", key=identity.key,
            config={"deduplicate": config}, inputs=inputs, out=str(staging.path), work=str(work),
            store=str(store.root), run_id="", workers=2,
        )  # fmt: skip
        job = Job(spec)
        deduplicate(job)
        staging.tables = job.result.tables
        staging.outcome_table = job.result.outcome_table
        staging.rows_in = job.result.rows_in
        staging.attributes = job.result.attributes
        return store.commit(staging)


def table(artifact, name):
    return [tuple(found.values()) for found in read_rows(artifact.path / f"{name}.parquet")]


BODY = " ".join(f"word{k}" for k in range(80))
FIRST = {"a1": f"First {BODY}", "a2": "Second page of the first crawl"}
SECOND = {
    "b1": f"First {BODY}".upper(),
    "b2": f"Start {BODY} end",
    "b3": "Third, new",
    "b4": "Secon capture of the page has another text",
}


def test_later_crawl_is_searched_against_an_artifact_named_by_run_key_or_folder(store, tmp_path):
    config = section(keep_signatures=True, urls=True)
    first = run_stage(store, tmp_path, "first", FIRST, config)
    run = runs.start(store, "smoke", {})
    record = runs.StepRecord(step="deduplicate", stage="deduplicate", state="ran", key=first.key)
    runs.save_step(store, run.run_id, record)
    elsewhere = Store(tmp_path / "elsewhere")
    elsewhere.prepare()
    for home, name in (
        (store, first.key[:16]),
        (store, run.run_id),
        (elsewhere, str(first.path)),
    ):
        (source,) = find_earlier(home, [name, name])
        assert (source.content, source.path) == (first.content, str(first.path))
    second = run_stage(store, tmp_path, "second", SECOND, config, [source])
    assert dict(table(second, "dedup_outcomes")) == {
        "b1": "exact_duplicate",
        "b2": "near_duplicate",
        "b3": "kept",
        "b4": "url_duplicate",
    }
    survivors = {found[0]: found[2] for found in table(second, "duplicates")}
    assert survivors == {"b1": "a1", "b2": "a1", "b4": "a2"}
    assert second.manifest.attributes["n_earlier"] == 2
    assert {"n_pairs_skipped", "n_uncut"} <= second.manifest.attributes.keys()
    files = {entry.path for entry in second.manifest.files}
    assert {"signatures/keys.parquet", "signatures/part-00000.keys.parquet"} <= files


def test_earlier_crawl_that_cannot_be_used_is_refused(store, tmp_path):
    plain = run_stage(store, tmp_path, "plain", FIRST, section())
    with pytest.raises(InputError, match=r"without signatures.*keep_signatures = true"):
        find_earlier(store, [plain.key])
    with pytest.raises(InputError, match=r"Found 0 artifacts"):
        find_earlier(store, ["nothing"])
    run_stage(store, tmp_path, "other", SECOND, section())
    with pytest.raises(InputError, match=r"Found 2 artifacts"):
        find_earlier(store, ["deduplicate"])
    kept = run_stage(store, tmp_path, "kept", FIRST, section(keep_signatures=True))
    (kept.path / "signatures" / "keys.parquet").write_bytes(b"changed")
    with pytest.raises(InputError, match=r"files have changed"):
        find_earlier(store, [kept.key])


def test_earlier_crawls_enter_the_identity_by_content_and_not_by_name():
    here = Sources(earlier=(Source("deduplicate/1", "content", "/here"),))
    named = dedup_step(here, "deduplicate.earlier=run-1")
    assert named.config == dedup_step(here, "deduplicate.earlier=run-2").config
    assert [source.content for source in named.inputs["earlier"]] == ["content"]
    assert "earlier" not in json.dumps(named.config)


@pytest.mark.parametrize(
    ("override", "reads"),
    [
        ("deduplicate.jaccard=0.7", False),
        ("deduplicate.urls=true", True),
        ("deduplicate.payloads=true", True),
        ("deduplicate.host_line_max_documents=9", True),
        ("deduplicate.keep_signatures=true", True),
    ],
)
def test_records_are_read_only_where_a_key_needs_them(override, reads):
    assert bool(dedup_step(Sources(), override).inputs["extracted"]) == reads
