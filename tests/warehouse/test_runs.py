"""Run records: what a run did, in order, and which run is meant when none is named."""

from dataclasses import replace

from factories import make_store

from warehouse import runs
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
