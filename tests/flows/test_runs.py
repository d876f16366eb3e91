"""Whole runs through the command line: cached, changed, empty, on a full disk, on every runner."""

import os
import subprocess
import time

import pytest
from commands import ask, c2m

from warehouse import runs
from warehouse.store import Store

SECOND_RUN_SECONDS = 30

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def run(store, *arguments):
    done = c2m(store, "run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    opened = Store(store)
    last = runs.all_runs(opened)[-1]
    return {record.step: record for record in runs.steps(opened, last.run_id)}, done.stdout


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    store = tmp_path_factory.mktemp("smoke") / "store"
    records, output = run(store, "smoke")
    return store, records, output


def test_run_ends_with_a_summary(smoke):
    store, records, output = smoke
    assert {record.state for record in records.values()} == {"ran"}
    for words in ("funnel", "bits per byte", "held-out accuracy", "sample of base", "report.html"):
        assert words in output
    (report,) = store.glob("objects/report/*/report.html")
    page = report.read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "").split("<body")[0]


def test_every_record_is_accounted_for(smoke):
    store, _, _ = smoke
    rows = ask(store, "select * from accounting order by stage")
    by_stage = {row["stage"]: row for row in rows}
    for row in rows:
        assert row["rows_in"] == row["rows_kept"] + row["rows_rejected"]
    assert by_stage["decide"]["rows_in"] == by_stage["extract"]["rows_kept"]
    assert by_stage["deduplicate"]["rows_in"] == by_stage["decide"]["rows_kept"]
    assert by_stage["tokens"]["rows_in"] == by_stage["deduplicate"]["rows_kept"]


def test_targets_against_the_ground_truth_are_reached(smoke):
    store, _, _ = smoke
    missed = ask(store, "select * from stage_quality where target is not null and value < target")
    assert missed == []


def test_second_run_executes_nothing_and_is_quick(smoke):
    store, first, _ = smoke
    started = time.monotonic()
    second, _ = run(store, "smoke")
    seconds = time.monotonic() - started
    assert {record.state for record in second.values()} == {"hit"}
    assert {n: r.content for n, r in second.items()} == {n: r.content for n, r in first.items()}
    assert seconds < SECOND_RUN_SECONDS


def test_changed_threshold_runs_the_decision_and_what_follows(smoke):
    store, _, _ = smoke
    records, _ = run(store, "smoke", "--set", "curate.min_quality=0.5", "--until", "tokens")
    ran = {record.stage for record in records.values() if record.state == "ran"}
    hit = {record.stage for record in records.values() if record.state == "hit"}
    assert ran == {"decide", "deduplicate", "tokenizer", "tokens"}
    assert hit == {"sample_crawl", "sample_labels", "extract", "classifiers", "annotate"}


def test_deleted_and_corrupted_files_are_rebuilt(smoke):
    store, first, _ = smoke
    opened = Store(store)
    victims = {"decide": "decisions.parquet", "tokens": "shards.parquet"}
    for stage, name in victims.items():
        path = opened.path_of(stage, first[stage].key) / name
        path.unlink() if stage == "decide" else path.write_bytes(b"not parquet")
    assert c2m(store, "verify").returncode == 1
    records, _ = run(store, "smoke")
    assert {name for name, record in records.items() if record.state == "ran"} == set(victims)
    assert {n: r.content for n, r in records.items()} == {n: r.content for n, r in first.items()}
    assert c2m(store, "verify").returncode == 0


def test_lock_is_written_and_a_locked_run_takes_its_artifacts(smoke):
    store, first, _ = smoke
    assert c2m(store, "lock", "smoke").returncode == 0
    records, _ = run(store, "smoke", "--locked")
    assert {record.state for record in records.values()} == {"hit"}
    assert {n: r.key for n, r in records.items()} == {n: r.key for n, r in first.items()}
    refused = c2m(store, "run", "smoke", "--locked", "--set", "pretrain.steps=61")
    assert refused.returncode == 2
    assert "pretrain" in refused.stderr


def test_lineage_leads_from_a_page_to_the_models_and_back(smoke):
    store, _, _ = smoke
    (row,) = ask(
        store, "select url, doc_id from documents where split = 'train' order by doc_id limit 1"
    )
    forward = c2m(store, "lineage", row["url"]).stdout
    assert "pretrain" in forward
    assert "train" in forward
    backward = c2m(store, "lineage", "grpo").stdout
    for stage in ("dpo", "sft", "pretrain", "tokens", "deduplicate", "extract", "sample_crawl"):
        assert stage in backward
    seen = c2m(store, "sql", "checkpoints_of_url", "--set", f"url={row['url']}").stdout
    assert "step-000060" in seen


def test_generate_answers_from_every_model(smoke):
    store, _, _ = smoke
    for model in ("base", "sft", "dpo", "grpo"):
        done = c2m(store, "generate", "What is 2 + 3?", "--model", model, "--tokens", "5")
        assert done.returncode == 0, done.stderr


def test_crawl_without_a_page_is_one_paragraph(tmp_path):
    empty = tmp_path / "empty.warc.gz"
    empty.write_bytes(b"")
    done = c2m(tmp_path / "store", "run", "realdata", "--set", f"corpus.warcs={empty}")
    assert done.returncode == 2
    assert done.stderr.startswith("c2m: tokenizer: Found no document left")
    assert "Traceback" not in done.stdout + done.stderr


def test_vocabulary_beyond_the_data_is_one_paragraph(smoke):
    store, _, _ = smoke
    done = c2m(store, "run", "smoke", "--set", "tokenizer.vocab_size=60000", "--until", "tokenizer")
    assert done.returncode == 2
    assert "vocab_size" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_full_disk_is_one_paragraph_and_keeps_what_was_committed(smoke, tmp_path):
    store, _first, _ = smoke
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let us mount a small file system")
    try:
        (small / "store").mkdir()
        subprocess.run(["cp", "-a", f"{store}/objects", str(small / "store")], check=True)
        free = os.statvfs(small)
        ballast = free.f_bavail * free.f_frsize - (20 << 20)
        with (small / "ballast").open("wb") as file:
            file.write(b"x" * ballast)
        done = c2m(small / "store", "run", "smoke", "--set", "sample.seed=9")
        assert done.returncode == 2, done.stdout + done.stderr
        assert "free" in done.stderr
        assert c2m(small / "store", "verify").returncode == 0
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("runner", ["processes", "dask", "ray"])
def test_runner_gives_the_same_artifacts(smoke, tmp_path, runner):
    if runner == "dask":
        pytest.importorskip("prefect_dask")
    if runner == "ray":
        pytest.importorskip("prefect_ray")
    _, first, _ = smoke
    records, _ = run(
        tmp_path / "store", "smoke", "--set", f"resources.runner={runner}", "--until", "tokens"
    )
    assert {record.state for record in records.values()} == {"ran"}
    for name, record in records.items():
        assert record.content == first[name].content, name
