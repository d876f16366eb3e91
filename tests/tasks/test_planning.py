"""A plan says what is cached, what would run, and why."""

import json
import os

import pytest
from tasks_bench import context_of, make_step

from flows import recipe as recipes
from tasks.graph import Ref, Step
from tasks.opening import plan_steps
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


def everything(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def sections(tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "a.parquet").write_bytes(b"x")
    return recipes.load("smoke", [f"curate.labels={labels}"]).sections()


def test_plan_writes_nothing(bench, sections):
    step = make_step(bench, body="write")
    ref = execute(context_of(bench), step, {})
    (bench.store.path_of(ref.kind, ref.key) / "value.txt").touch()  # would be hashed and noted
    before = everything(bench.store.root)
    assert [entry.state for entry in plan(bench.store, [step])] == ["cached"]
    plan_steps(bench.store, sections, remember=False)
    assert everything(bench.store.root) == before


def test_steps_of_a_plan_are_those_of_a_run_and_use_what_the_store_has_hashed(bench, sections):
    steps = plan_steps(bench.store, sections)
    assert plan_steps(bench.store, sections, remember=False) == steps
    remembered = bench.store.root / "cache" / "hashes.json"
    ((path, stat),) = json.loads(remembered.read_text()).items()
    remembered.write_text(json.dumps({path: [*stat[:3], "from the store"]}))
    (source,) = [
        entry
        for step in plan_steps(bench.store, sections, "classifiers", remember=False)
        for entries in step.inputs.values()
        for entry in entries
        if not isinstance(entry, Ref)
    ]
    assert source.content == "from the store"


def test_damage_that_only_verify_finds_is_planned_and_rebuilt(bench):
    step = make_step(bench, body="write")
    ref = execute(context_of(bench), step, {})
    path = bench.store.path_of(ref.kind, ref.key) / "value.txt"
    seen = path.stat()
    with path.open("r+b") as file:
        file.write(b"8")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert execute(context_of(bench), step, {}).cached
    (damage,) = bench.store.verify(ref.kind, ref.key)
    assert str(path) in damage
    assert [entry.state for entry in plan(bench.store, [step])] == ["run"]
    assert not execute(context_of(bench), step, {}).cached
    assert path.read_text() == "7"
