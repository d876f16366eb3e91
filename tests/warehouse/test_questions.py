"""Shipped questions and the forms of an answer."""

import csv
import io
import json
import re
from collections import Counter

import factories
import pyarrow.parquet as pq
import pytest

from warehouse import answers, catalog, questions, runs
from warehouse.catalog import connect, query
from warehouse.errors import QueryError

PARAMETERS = {"id": "pretrain", "url": factories.url_of(4)}
QUESTIONS = questions.named_questions()


def ask(connection, name, **parameters):
    columns, rows = query(connection, questions.named(name).sql, parameters)
    return [dict(zip(columns, found, strict=True)) for found in rows]


def test_named_questions_hold_those_that_are_promised():
    promised = {"funnel", "rejections_by_reason", "rejections_by_host", "duplicates", "loss_curves", "sweep_points",
                "rollouts", "pages_of_checkpoint", "checkpoints_of_url", "compression"}  # fmt: skip
    assert promised <= QUESTIONS.keys()


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_named_question_is_answered_the_same_in_another_connection(connection, full, name):
    question = QUESTIONS[name]
    assert "?" in question.answers
    assert "ORDER BY" in question.sql
    parameters = {wanted: PARAMETERS[wanted] for wanted in question.parameters}
    first = query(connection, question.sql, parameters)
    with connect(full) as other:
        assert query(other, question.sql, parameters) == first
    assert first[1]


def test_named_unknown_question_names_the_nearest():
    with pytest.raises(QueryError, match="nearest are funnel"):
        questions.named("funel")


def test_funnel_counts_each_stage_in_order(connection):
    rows = ask(connection, "funnel")
    assert [(found["stage"], found["rows_in"], found["rows_kept"]) for found in rows] == [
        ("extract", 60, 42), ("annotate", 42, 42), ("decide", 42, 30), ("deduplicate", 30, 23),
        ("decontaminate", 23, 23), ("tokens", 23, 23), ("mix", 20, 20),
    ]  # fmt: skip


def test_rejections_by_reason_add_up_to_all_rejections(connection):
    rows = ask(connection, "rejections_by_reason")
    assert sum(found["n"] for found in rows) == 60 - 23
    assert {found["reason"] for found in rows if found["stage"] == "deduplicate"} == {
        "exact_duplicate",
        "near_duplicate",
    }


def test_rejections_by_host_count_pages_once(connection):
    rows = ask(connection, "rejections_by_host")
    assert {found["host"]: found["n_pages"] for found in rows} == {
        "news.example": 28,
        "shop.example": 14,
    }
    assert sum(found["n_rejected"] for found in rows) == 42 - 23


def test_compression_lists_held_out_text_first_and_all_languages_before_each(connection):
    rows = ask(connection, "compression")
    assert [(r["text_set"], r["language"], r["tokenizer"]) for r in rows[:5]] == [
        *(("validation", "all", name) for name in ("bpe", "word", "character", "byte")),
        ("validation", "en", "bpe"),
    ]  # fmt: skip
    lossy = {found["tokenizer"] for found in rows if not found["is_lossless"]}
    assert lossy == {"word"}
    assert len(rows) == 4 * (2 + 2 + 3)


def reads_by_hand(connection, steps, n_windows):
    """How often each training page was read, window by window and token by token."""
    sql = "SELECT url, start, length FROM documents JOIN shards USING (doc_id) WHERE shards.split = 'train'"
    expected = {}
    for url, start, length in query(connection, sql)[1]:
        tokens = set(range(start, start + length))
        drawn = [step % n_windows for step in steps]
        expected[url] = sum(bool(tokens & set(range(32 * w, 32 * w + 33))) for w in drawn)
    return {url: n for url, n in expected.items() if n}


@pytest.mark.parametrize(
    ("name", "rounds"),
    [
        ("pretrain/step-000050", [(range(1, 51), 10)]),
        ("pretrain/step-000100", [(range(1, 51), 10), (range(51, 101), 21)]),
        ("pretrain", [(range(1, 51), 10), (range(51, 101), 21)]),
        ("grpo", [(range(1, 51), 10), (range(51, 101), 21)]),
        ("sweep/1e+12-32", [(range(1, 4), 21)]),
    ],
)
def test_pages_of_checkpoint_are_those_its_batches_held(connection, name, rounds):
    expected = Counter()
    for steps, n_windows in rounds:
        expected.update(reads_by_hand(connection, steps, n_windows))
    rows = ask(connection, "pages_of_checkpoint", id=name)
    assert {found["url"]: found["n_reads"] for found in rows} == expected


def test_pages_of_an_early_checkpoint_are_fewer_than_the_models(connection):
    early, late = (
        {found["url"] for found in ask(connection, "pages_of_checkpoint", id=name)}
        for name in ("pretrain/step-000050", "pretrain")
    )
    assert early < late
    assert len(late) == 20


def test_pages_of_checkpoint_by_the_beginning_of_a_key(connection, full):
    key = factories.find(full, "sft").key[:10]
    assert len(ask(connection, "pages_of_checkpoint", id=key)) == 20


def test_checkpoints_of_url_are_those_that_read_it_and_all_models_downstream(connection):
    rows = ask(connection, "checkpoints_of_url", url=factories.url_of(4))
    first = {found["name"]: found["first_step"] for found in rows}
    models = {"pretrain", "sft", "dpo", "grpo", "pretrain/step-000050", "pretrain/step-000100"}
    # tokens 30 to 59: windows 0 and 1, which step 1 of pretraining reads
    assert models <= first.keys()
    assert {first[name] for name in models} == {1}
    assert len(rows) == 6 + 8


def test_checkpoints_of_url_read_late_leave_out_the_early_one(connection):
    (last,) = query(connection, "SELECT max_by(doc_id, start) FROM shards WHERE split = 'train'")[1]
    (url,) = query(connection, "SELECT url FROM documents WHERE doc_id = $id", {"id": last[0]})[1]
    rows = ask(connection, "checkpoints_of_url", url=url[0])
    first = {found["name"]: found["first_step"] for found in rows}
    assert "pretrain/step-000050" not in first
    assert first["pretrain/step-000100"] > 50
    assert first["grpo"] == first["pretrain"] == first["pretrain/step-000100"]


@pytest.mark.parametrize("number", [0, 1, 5])  # held out, rejected, no page
def test_checkpoints_of_url_page_in_no_training_split_has_none(connection, number):
    assert ask(connection, "checkpoints_of_url", url=factories.url_of(number)) == []


def test_why_dropped_names_stage_reason_and_survivor(connection):
    (found,) = ask(connection, "why_dropped", url=factories.url_of(13))
    assert (found["rejected_by"], found["reason"]) == ("deduplicate", "near_duplicate")
    assert found["survivor_url"] == factories.url_of(0)
    (found,) = ask(connection, "why_dropped", url=factories.url_of(5))
    assert (found["rejected_by"], found["reason"], found["kept"]) == ("extract", "not_html", None)


def test_slowest_steps_of_a_cached_run_show_what_they_cost_when_they_ran(tmp_path):
    store = factories.make_store(tmp_path)
    artifacts = [factories.commit(store, name, files={"x": b"1"}) for name in ("tokens", "sft")]
    first = factories.record_run(store, artifacts)
    opened = runs.start(store, "nano", {})
    for artifact in artifacts:
        name = artifact.manifest.name
        hit = runs.StepRecord(step=name, stage=name, state="hit", key=artifact.key, started_at="1")
        runs.save_step(store, opened.run_id, hit)
    runs.finish(store, opened, status="completed")
    with connect(store, opened.run_id) as again:
        found = [(r["step"], r["state"], r["seconds"], r["made_by_run"]) for r in ask(again, "slowest_steps")]  # fmt: skip
        assert found == [("sft", "hit", 2.5, first), ("tokens", "hit", 1.5, first)]
        measured = query(again, f"SELECT * FROM telemetry WHERE run_id = '{opened.run_id}'")[1]
        assert measured == []
        cost = "SELECT DISTINCT seconds, cpu_seconds, max_rss_bytes FROM run_artifacts WHERE state = 'hit'"
        assert query(again, cost)[1] == [(None, None, None)]


def test_named_table_asks_for_its_rows_unless_a_question_has_the_name():
    assert questions.named("documents", ["documents"]).sql == 'FROM "documents"'
    assert questions.named("funnel", ["funnel"]) == QUESTIONS["funnel"]
    with pytest.raises(QueryError, match="nearest are documents"):
        questions.named("documnets", ["documents"])


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_hint_at_nothing_names_every_parameter(name):
    question = QUESTIONS[name]
    hint = questions.hint_at_nothing(question, PARAMETERS)
    assert bool(hint) == bool(question.parameters)
    assert all(f"{wanted} = '{PARAMETERS[wanted]}'" in hint for wanted in question.parameters)


def test_format_table_aligns_and_shows_control_characters():
    rows = [
        ("short", 1234567, None, 0.5, True),
        ("\x1b[31mred\nline", 5, "日本", 1e9, False),
        ("x" * 200, 1, "e\u0301", 2.0, None),
    ]
    lines = answers.format_rows(["text", "n", "wide", "value", "flag"], rows).splitlines()
    assert "\x1b" not in "".join(lines)
    assert "1,234,567" in lines[2]
    assert lines[3].startswith("␣[31mred␣line")
    assert lines[4].split("  ")[0].endswith("…")
    assert len(lines[4].split("  ")[0]) == 80
    assert lines[-1] == "(3 rows)"
    ends = {re.match(r".*?(?:1,234,567|5|1)(?=  )", line[80:]).end() for line in lines[2:5]}
    assert len(ends) == 1


def test_format_csv_reads_back():
    rows = [("a,b", 'say "x"', None), ("line\nbreak", "", 1.5)]
    text = answers.format_rows(["one", "two", "three"], rows, "csv")
    assert list(csv.reader(io.StringIO(text))) == [
        ["one", "two", "three"],
        ["a,b", 'say "x"', ""],
        ["line\nbreak", "", "1.5"],
    ]


def test_format_json_reads_back_and_has_no_nan():
    text = answers.format_rows(["a", "b"], [(float("nan"), ["x", "ü"]), (1, None)], "json")
    assert json.loads(text, parse_constant=pytest.fail) == [
        {"a": None, "b": ["x", "ü"]},
        {"a": 1, "b": None},
    ]
    assert json.loads(answers.format_rows(["a"], [], "json")) == []


def test_format_unknown_raises():
    with pytest.raises(QueryError, match="parquet"):
        answers.format_rows(["a"], [], "xml")


def test_write_parquet_reads_back(connection, tmp_path):
    path = tmp_path / "answer.parquet"
    with path.open("wb") as out:
        answers.write_parquet(
            catalog.query_arrow(connection, "SELECT doc_id, n_words FROM documents"), out
        )
    assert pq.read_table(path).num_rows == 42
