"""The last page recommends only what has an answer after this very run."""

import io

import factories
import pytest
from factories import commit, make_store, record_run
from factory_models import full_store
from rich.console import Console

from flows.cli import main
from flows.summary import next_commands, show_summary
from warehouse import runs


def commands(store, run_id):
    run = runs.read_run(store, run_id)
    return list(next_commands(store, run, list(runs.steps(store, run_id))))


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "store")


def test_run_of_everything_recommends_its_models(tmp_path):
    store = full_store(tmp_path)
    assert commands(store, runs.latest(store).run_id) == [
        ["sql", "rejections_by_reason"],
        ["generate", "What is 2 + 3?", "--model", "grpo"],
        ["lineage", "pretrain"],
    ]


def test_run_until_extraction_recommends_no_model_and_what_it_does_answers(store, capsys):
    artifacts = factories.commit_corpus(store)
    extracted = [artifact for artifact in artifacts if artifact.manifest.kind == "extract"]
    run_id = record_run(store, extracted, status="stopped")
    recommended = commands(store, run_id)
    assert [words[0] for words in recommended] == ["sql", "lineage"]
    for words in recommended:
        assert main([*words, "--store", str(store.root)]) == 0
    assert extracted[-1].manifest.name in capsys.readouterr().out


def test_run_until_pretraining_recommends_the_base_model(store):
    made = [
        commit(store, name, files={"x": name.encode()})
        for name in ("tokenizer", "tokens", "pretrain")
    ]
    assert commands(store, record_run(store, made)) == [
        ["generate", "Once upon a time", "--model", "base"],
        ["lineage", "pretrain"],
    ]


def test_stopped_run_after_a_completed_one_is_named_in_its_commands(store):
    one = commit(store, "extract/a", config={"v": 1}, files={"x": b"1"})
    two = commit(store, "extract/a", config={"v": 2}, files={"x": b"2"})
    record_run(store, [one])
    run_id = record_run(store, [two], status="stopped")
    assert commands(store, run_id) == [
        ["sql", "rejections_by_reason", "--run", run_id],
        ["lineage", two.key[:12]],
    ]


def test_page_of_a_whole_run_tells_the_bytes_of_a_token(tmp_path):
    store = full_store(tmp_path)
    out = io.StringIO()
    show_summary(store, runs.latest(store).run_id, Console(file=out, width=160))
    line = (
        "bytes per token held out: bpe 2.00, word 2.50 (12.5% unknown), character 1.00, byte 1.00"
    )
    assert line in out.getvalue()


def test_page_of_a_run_without_documents_shows_no_empty_table(store):
    run_id = record_run(store, [commit(store, "sample_labels", files={"x": b"1"})])
    out = io.StringIO()
    show_summary(store, run_id, Console(file=out, width=100))
    assert "funnel" not in out.getvalue()
    assert f"lineage sample_labels --store {store.root}" in out.getvalue()
