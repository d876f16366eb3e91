"""Steps as Prefect tasks, on a real engine: retries with back-off, refusals, hits."""

import json
import time

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness
from tasks_bench import make_step

from tasks.errors import TransientStageError, UserStageError
from tasks.graph import STAGES
from tasks.opening import OpenRun, encode_step
from tasks.orchestration import Journey
from tasks.resources import Resources

START_SECONDS = 240
HISTORY_SECONDS = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="session")
def engine():
    with prefect_test_harness(server_startup_timeout=START_SECONDS):
        yield


@pytest.fixture
def travel(engine, bench, monkeypatch):
    """Run one step of a body as a journey of its own; give its end state and its history."""

    def run(body, retries=2):
        step = make_step(bench, body=body)
        monkeypatch.setitem(STAGES, step.stage.name, step.stage)
        journey = bench.store.runs / bench.run_id / "journey.json"
        journey.write_text(json.dumps([encode_step(step)]))
        opened = OpenRun(str(bench.store.root), bench.run_id, Resources(retries=retries))

        ended = []

        @flow(name="part", persist_result=False)
        def part():
            travelled = Journey(opened, {})
            travelled.submit(step.stage.name)
            ended.extend(travelled._futures.values())
            for future in ended:
                future.wait()
            return "ended"

        part()
        (future,) = ended
        return future.state, *history(future.task_run_id, future.state)

    return run


def history(task_run_id, last):
    """Names of a task run's states, oldest first, how often it ran, and how long it waited.

    The engine learns of them a little later than the flow: ask until the last one is there.
    """
    end = time.monotonic() + HISTORY_SECONDS
    with get_client(sync_client=True) as client:
        while time.monotonic() < end:
            states = client.read_task_run_states(task_run_id)
            task_run = client.read_task_run(task_run_id)
            if task_run.state_id == last.id and any(state.id == last.id for state in states):
                break
            time.sleep(0.2)
    states = sorted(states, key=lambda state: state.timestamp)
    waits = [
        (state.state_details.scheduled_time - state.timestamp).total_seconds()
        for state in states
        if state.name == "AwaitingRetry"
    ]
    return [state.name for state in states], task_run.run_count, waits


def attempts(bench):
    return [float(line) for line in (bench.path / "attempts.txt").read_text().splitlines()]


def test_weather_is_tried_again_after_a_wait(bench, travel):
    state, names, run_count, waits = travel("waver")
    assert (state.name, state.type.value, run_count) == ("Completed", "COMPLETED", 2)
    assert names.count("AwaitingRetry") == 1
    first, second = attempts(bench)
    assert 0 < waits[0] <= second - first
    (artifact,) = bench.store.artifacts()
    bench.store.check(artifact, rehash=True)


def test_weather_that_stays_fails_when_the_retries_are_used_up(bench, travel):
    state, _, run_count, waits = travel("weather", retries=1)
    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), TransientStageError)
    assert (run_count, len(waits)) == (2, 1)
    assert list(bench.store.artifacts()) == []


def test_refusal_is_not_tried_again(bench, travel):
    state, names, run_count, waits = travel("refuse_once")
    assert state.is_failed()
    assert isinstance(state.result(raise_on_failure=False), UserStageError)
    assert (run_count, waits) == (1, [])
    assert "Retrying" not in names
    assert len(attempts(bench)) == 1


def test_bug_is_not_tried_again(travel):
    state, names, run_count, waits = travel("crash")
    assert state.is_failed()
    assert (run_count, waits) == (1, [])
    assert "Retrying" not in names


def test_step_found_in_the_store_ends_in_the_state_cached(travel):
    first, *_ = travel("write")
    second, names, *_ = travel("write")
    assert (first.name, second.name) == ("Completed", "Cached")
    assert names[-1] == "Cached"
    assert second.type == first.type
    assert second.result().content == first.result().content
