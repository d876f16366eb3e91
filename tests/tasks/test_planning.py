"""A plan says what is cached, what would run, and why."""

from tasks_bench import context_of, make_step

from tasks.graph import Ref, Step
from tasks.planning import plan
from tasks.stage import execute


def test_plan_of_an_empty_store_runs_the_first_and_leaves_the_rest_unknown(bench):
    first = make_step(bench, body="write")
    second = Step("after", first.stage, {}, {"value": (Ref("test"),)})
    one, two = plan(bench.store, [first, second])
    assert (one.state, one.why) == ("run", "no artifact yet")
    assert (two.state, two.why) == ("unknown", "unknown until test has run")


def test_plan_names_the_key_that_changed(bench):
    execute(context_of(bench), make_step(bench, body="write"), {})
    (entry,) = plan(bench.store, [make_step(bench, body="write", value=8)])
    assert entry.state == "run"
    assert "value 7 -> 8" in entry.why


def test_plan_sees_a_cached_step_and_a_damaged_one(bench):
    step = make_step(bench, body="write")
    ref = execute(context_of(bench), step, {})
    assert [entry.state for entry in plan(bench.store, [step])] == ["cached"]
    (bench.store.path_of(ref.kind, ref.key) / "value.txt").write_text("x")
    (entry,) = plan(bench.store, [step])
    assert entry.state == "run"
    assert "value.txt" in entry.why
