"""Real pages and real broken archives, where the data folder is there (C2M_SHARED_DATA)."""

import json
import os
import shutil
from pathlib import Path

import pytest
from commands import ask, c2m

ROOT = Path(__file__).parents[2]
PAGES = Path(os.environ.get("C2M_SHARED_DATA", ROOT.parent / "shared" / "data")) / "webpages"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(not PAGES.is_dir(), reason="no folder of real pages"),
]


@pytest.fixture(scope="module")
def realdata(tmp_path_factory):
    """Two crawl files, all raw archives, and one file that cannot be read."""
    folder = tmp_path_factory.mktemp("realdata")
    broken = folder / "broken.warc.gz"
    broken.write_bytes(b"this is no archive")
    crawl = sorted(PAGES.glob("crawl-data/**/*.warc.gz"))[:2]
    warcs = [*map(str, crawl), str(PAGES / "raw_warcs" / "*"), str(broken)]
    store = folder / "store"
    done = c2m(
        store,
        "run",
        "realdata",
        "--set",
        f"corpus.warcs={json.dumps(warcs)}",
        "--set",
        "tokenizer.vocab_size=1024",
        "--set",
        "pretrain.steps=40",
        "--set",
        "sft.steps=20",
        "--set",
        "dpo.steps=5",
        "--set",
        "grpo.steps=2",
        seconds=2000,
    )
    yield store, done
    shutil.rmtree(store, ignore_errors=True)


def test_real_archives_end_in_a_model_and_a_report(realdata):
    store, done = realdata
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(store.glob("objects/pretrain/*/model.safetensors"))
    assert any(store.glob("objects/report/*/report.html"))
    assert "sample of base" in done.stdout


def test_every_record_of_real_archives_has_one_outcome(realdata):
    store, _ = realdata
    rows = ask(store, "select * from accounting")
    assert all(row["rows_in"] == row["rows_kept"] + row["rows_rejected"] for row in rows)
    files = ask(store, "select count(distinct warc_file) as n from records")
    assert files == [{"n": len(list((PAGES / "raw_warcs").iterdir())) + 3}]
    doubled = ask(
        store, "select record_id from records group by record_id having count(*) > 1 limit 1"
    )
    assert doubled == []


def test_unreadable_file_is_one_rejection_and_the_run_goes_on(realdata):
    store, _ = realdata
    rows = ask(
        store,
        "select warc_file, count(*) as n from rejections where reason = 'unreadable_file' "
        "group by warc_file",
    )
    assert {"warc_file": "broken.warc.gz", "n": 1} in rows


def test_rejected_documents_keep_their_text(realdata):
    store, _ = realdata
    (row,) = ask(
        store,
        "select count(*) as n, count(*) filter (text is null or text = '') as empty "
        "from documents where not kept",
    )
    assert row["n"] > 0
    assert row["empty"] == 0
