"""Whole runs through the command line: cached, changed, empty, on a full disk, on every runner."""

import os
import re
import subprocess
import time

import pytest
import torch
from commands import ask, c2m

from lmcore.model.files import load_model
from lmcore.model.huggingface import read_huggingface
from lmcore.tokenizer import formats
from tasks.generation import model_folders
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
    assert loads_of(page) == []


def loads_of(page):
    """Everything outside itself that a browser would fetch to show the page."""
    found = re.findall(
        r"""(?:\b(?:src|srcset|data|poster|background|action)|<link\b[^>]*?\bhref|<(?:use|image)\b[^>]*?\bhref)"""
        r"""\s*=\s*["']?([^"'\s>]+)|url\(\s*["']?([^"')]+)|@import\s+["']?([^"';\s]+)""",
        page,
        re.IGNORECASE,
    )
    places = ["".join(groups) for groups in found]
    return [place for place in places if not place.startswith(("#", "data:", "&quot;"))]


@pytest.mark.parametrize(
    "part",
    [
        '<script src="https://x.example/a.js"></script>', "<img src=//x.example/a.png>", "<img src='a.png'>",
        '<link rel="stylesheet" href="http://x.example/a.css">', "<style>@import 'a.css';</style>",
        "<p style=\"background:url('https://x.example/a.png')\">", '<use href="a.svg#b"/>',
    ],
)  # fmt: skip
def test_report_that_loads_something_is_found_out(part):
    own = '<a href="https://x.example/">x</a><img src="data:image/png;base64,A"><b style="fill:url(#c)">'
    assert loads_of(own) == []
    assert len(loads_of(own + part)) == 1


def test_every_record_is_accounted_for(smoke):
    store, _, _ = smoke
    rows = ask(store, "select * from accounting order by stage")
    by_stage = {row["stage"]: row for row in rows}
    for row in rows:
        assert row["rows_in"] == row["rows_kept"] + row["rows_rejected"]
    assert by_stage["decide"]["rows_in"] == by_stage["extract"]["rows_kept"]
    assert by_stage["deduplicate"]["rows_in"] == by_stage["decide"]["rows_kept"]
    assert by_stage["tokens"]["rows_in"] == by_stage["deduplicate"]["rows_kept"]


PROMISED = {
    ("annotate", "language accuracy"): 0.95,
    ("annotate", "quality ROC-AUC"): 0.9,
    ("annotate", "toxicity ROC-AUC"): 0.9,
    ("annotate", "masked PII recall"): 0.98,
    ("deduplicate", "exact duplicate recall"): 0.95,
    ("deduplicate", "near duplicate recall"): 0.95,
    ("deduplicate", "precision (true Jaccard >= 0.8)"): 1.0,
}


def test_targets_against_the_ground_truth_are_reached(smoke):
    store, _, _ = smoke
    rows = ask(store, "select * from stage_quality")
    found = {(row["stage"], row["measure"]): row for row in rows}
    assert {key: found[key]["target"] for key in PROMISED} == PROMISED
    assert all(found[key]["n"] > 0 for key in PROMISED)
    missed = [row for row in rows if row["target"] is not None and row["value"] < row["target"]]
    assert missed == []


def test_tokenizers_are_compared_on_every_set_of_texts(smoke):
    store, _, _ = smoke
    rows = ask(store, "select * from compression where language = 'all'")
    found = {(row["text_set"], row["tokenizer"]): row for row in rows}
    assert len(found) == 3 * 4
    assert all(row["is_lossless"] for row in rows if row["tokenizer"] in {"bpe", "byte"})
    for text_set in ("train", "validation", "pages"):
        bpe, byte = found[text_set, "bpe"], found[text_set, "byte"]
        assert bpe["n_bytes"] == byte["n_bytes"] == byte["n_tokens"]
        assert bpe["bytes_per_token"] > 1.2
    unseen = ask(store, "select * from compression where tokenizer = 'bpe' and text_set = 'pages'")
    fertility = {row["language"]: row["tokens_per_word"] for row in unseen}
    assert fertility["en"] < fertility["ru"]


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
    changed = ("--set", "curate.min_quality=0.9", "--set", "curate.gopher_min_words=150")
    records, _ = run(store, "smoke", *changed, "--until", "tokens")
    ran = {record.stage for record in records.values() if record.state == "ran"}
    hit = {record.stage for record in records.values() if record.state == "hit"}
    assert ran == {"decide", "deduplicate", "tokenizer", "tokens"}
    assert hit == {"sample_crawl", "sample_labels", "extract", "classifiers", "annotate"}


def test_deleted_and_corrupted_files_are_noticed_by_the_run_and_rebuilt(smoke):
    store, first, _ = smoke
    opened = Store(store)
    deleted = opened.path_of("decide", first["decide"].key) / "decisions.parquet"
    corrupted = opened.path_of("tokens", first["tokens"].key) / "shards.parquet"
    before = {path: path.read_bytes() for path in (deleted, corrupted)}
    deleted.unlink()
    middle = len(before[corrupted]) // 2
    with corrupted.open("r+b") as file:  # one byte of the same size
        file.seek(middle)
        file.write(bytes([before[corrupted][middle] ^ 0xFF]))
    records, _ = run(store, "smoke")
    ran = {name for name, record in records.items() if record.state == "ran"}
    assert ran == {"decide", "tokens"}
    assert {n: r.content for n, r in records.items()} == {n: r.content for n, r in first.items()}
    assert {path: path.read_bytes() for path in before} == before
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


def test_export_writes_what_is_read_again_with_equal_logits(smoke, tmp_path):
    store, _, _ = smoke
    for model in ("base", "grpo"):
        out = tmp_path / model
        done = c2m(store, "export", model, "--output", str(out))
        assert done.returncode == 0, done.stderr
        ours = load_model(model_folders(Store(store), model)[0])
        ids = torch.arange(20)[None]
        torch.testing.assert_close(read_huggingface(out)(ids), ours(ids))
        assert formats.read_huggingface(out).chat_template
    again = c2m(store, "export", "base", "--output", str(out))
    assert again.returncode == 2
    assert "not an empty folder" in again.stderr


REQUEST = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
HEADER = (
    b"WARC/1.0\r\nWARC-Type: request\r\nWARC-Record-ID: <urn:uuid:8cb2ed9c-9b1b-4d6e-b7c8-6d0f3d2a1c55>\r\n"
    b"WARC-Date: 2026-01-01T00:00:00Z\r\nWARC-Target-URI: https://shop.example/\r\n"
    b"Content-Type: application/http; msgtype=request\r\nContent-Length: %d\r\n\r\n"
)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "c2m: Found no record in any of the 1 files"),
        (
            HEADER % len(REQUEST) + REQUEST + b"\r\n\r\n",
            "c2m: decide: Found no page in 1 crawl files",
        ),
    ],
    ids=["no record", "no page"],
)
def test_crawl_without_a_page_is_one_paragraph(tmp_path, content, found):
    archive = tmp_path / "crawl.warc"
    archive.write_bytes(content)
    done = c2m(tmp_path / "store", "run", "realdata", "--set", f"corpus.warcs={archive}")
    assert done.returncode == 2
    assert done.stderr.startswith(found)
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
