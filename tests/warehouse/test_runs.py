"""Run records: what a run did, in order, and which run is meant when none is named."""

from dataclasses import replace

import pytest
from factories import make_store

from warehouse import runs
from warehouse.errors import StoreError
from warehouse.runs import StepRecord


def test_start_then_finish_is_read_back(tmp_path):
    store = make_store(tmp_path)
    run = runs.start(store, "nano", {"curate": {"languages": ["en"]}})
    assert runs.read_run(store, run.run_id).status == "running"
    closed = runs.finish(store, run, status="failed", error="disk full")
    assert runs.read_run(store, run.run_id) == closed
    assert closed.error == "disk full"
    assert closed.finished_at >= closed.started_at


def test_save_step_twice_keeps_the_later_record(tmp_path):
    store = make_store(tmp_path)
    run = runs.start(store, "nano", {})
    record = StepRecord(
        step="extract/a/b.warc.gz", stage="extract", state="running", started_at="1"
    )
    runs.save_step(store, run.run_id, record)
    runs.save_step(store, run.run_id, replace(record, state="ran", key="k", measures={"rows": 2.0}))
    assert list(runs.steps(store, run.run_id)) == [
        replace(record, state="ran", key="k", measures={"rows": 2.0})
    ]


def test_steps_are_read_by_start_and_name(tmp_path):
    store = make_store(tmp_path)
    run = runs.start(store, "nano", {})
    for step, at in (("tokens", "2"), ("decide", "1"), ("annotate", "1")):
        runs.save_step(
            store, run.run_id, StepRecord(step=step, stage=step, state="ran", started_at=at)
        )
    assert [record.step for record in runs.steps(store, run.run_id)] == [
        "annotate",
        "decide",
        "tokens",
    ]


def test_steps_file_being_written_is_not_read(tmp_path):
    store = make_store(tmp_path)
    run = runs.start(store, "nano", {})
    (store.runs / run.run_id / "steps" / ".tokens.json.123").write_text("{half")
    assert list(runs.steps(store, run.run_id)) == []


def test_latest_prefers_the_newest_completed_run(tmp_path):
    store = make_store(tmp_path)
    assert runs.latest(store) is None
    made = [
        replace(runs.start(store, "nano", {}), started_at=f"2026-01-0{day}") for day in (1, 2, 3)
    ]
    for run, status in zip(made, ("completed", "completed", "failed"), strict=True):
        runs.finish(store, run, status=status)
    assert runs.latest(store).run_id == made[1].run_id


def test_latest_without_a_completed_run_is_the_newest(tmp_path):
    store = make_store(tmp_path)
    for day in (2, 1):
        run = runs.start(store, "nano", {})
        runs.finish(
            store, replace(run, started_at=f"2026-01-0{day}", recipe=str(day)), status="failed"
        )
    assert runs.latest(store).recipe == "2"


@pytest.mark.parametrize(
    "text", ["{half", "[]", "7", '{"run_id": "x"}', '{"unknown": 1}', "\udc80", '{"run_id": 1, "recipe": "r", "config": {}}']
)  # fmt: skip
def test_damaged_run_is_named_and_left_out(tmp_path, caplog, text):
    store = make_store(tmp_path)
    whole, damaged = (runs.start(store, "nano", {}) for _ in range(2))
    path = store.runs / damaged.run_id / "run.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert runs.all_runs(store) == runs.all_runs(store) == [whole]
    assert caplog.text.count(str(path)) == 1
    with pytest.raises(StoreError, match="cannot be read"):
        runs.read_run(store, damaged.run_id)


def test_damaged_step_is_named_and_left_out(tmp_path, caplog):
    store = make_store(tmp_path)
    run = runs.start(store, "nano", {})
    record = StepRecord(step="tokens", stage="tokens", state="ran", started_at="1")
    runs.save_step(store, run.run_id, record)
    path = store.runs / run.run_id / "steps" / "sft.json"
    path.write_text("{half")
    assert list(runs.steps(store, run.run_id)) == [record]
    assert str(path) in caplog.text


def test_step_that_was_cached_has_no_cost(tmp_path):
    store = make_store(tmp_path)
    run = runs.start(store, "nano", {})
    runs.save_step(store, run.run_id, StepRecord(step="tokens", stage="tokens", state="hit"))
    (found,) = runs.steps(store, run.run_id)
    assert (found.seconds, found.cpu_seconds, found.max_rss_bytes) == (None, None, None)
