"""Mistakes of the user end in one paragraph and exit code 2, never in a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def c2m(store, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "flows", *arguments, "--store", str(store)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )


def assert_one_paragraph(done, *words):
    assert done.returncode == 2, done.stdout + done.stderr
    paragraph = done.stderr.strip()
    assert paragraph.startswith("c2m: ")
    assert "\n" not in paragraph
    assert "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in paragraph


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nanoo"], ["nanoo", "did you mean nano"]),
        (["run", "smoke", "--set", "pretrain.stepz=5"], ["pretrain.stepz", "did you mean steps"]),
        (["run", "smoke", "--set", "pretrain.steps=x"], ["pretrain.steps", "type int"]),
        (["run", "smoke", "--set", "corpus.warcs=/nowhere/*.warc.gz"], ["/nowhere/*.warc.gz"]),
        (["run", "smoke", "--set", "curate.labels=/nowhere"], ["curate.labels", "/nowhere"]),
        (["run", "smoke", "--until", "extrakt"], ["extrakt", "extract"]),
        (["run", "smoke", "--locked"], ["no lock"]),
        (["plan", "smoke", "--set", "tokenizer.vocab_size=100"], ["vocab_size", "100"]),
        (["ls"], ["no store"]),
        (["sql", "select 1"], ["no store"]),
        (["generate", "hello"], ["no store"]),
    ],
    ids=lambda value: "-".join(value)[-60:] if isinstance(value, list) else None,
)
def test_mistake_is_one_paragraph(tmp_path, arguments, words):
    assert_one_paragraph(c2m(tmp_path / "store", *arguments), *words)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("select * from documnets", ["documnets", "documents"]),
        ("select nothing from documents", ["nothing"]),
        ("drop view documents", ["SELECT"]),
        ("copy (select 1) to 'x.csv'", ["SELECT"]),
        ("funnle", ["funnle", "funnel"]),
    ],
)
def test_wrong_question_is_one_paragraph(tmp_path, question, words):
    store = tmp_path / "store"
    (store / "objects").mkdir(parents=True)
    (store / "runs").mkdir()
    assert_one_paragraph(c2m(store, "sql", question), *words)
    assert not (ROOT / "x.csv").exists()


def test_store_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "store"
    path.write_text("not a folder")
    assert_one_paragraph(c2m(path, "run", "smoke"), str(path), "expected a folder")
