"""Steps as Prefect tasks, on a real engine: retries with back-off, refusals, hits, what is shown."""

import contextlib
import dataclasses
import json
import logging
import random
import threading
import time
from uuid import UUID

import psutil
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    LogFilter,
    LogFilterFlowRunId,
    TaskRunFilter,
    TaskRunFilterFlowRunId,
)
from prefect.testing.utilities import prefect_test_harness
from tasks_bench import make_step

from lmcore.model.config import ModelConfig
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import encode_to_shards
from lmcore.train import loop
from lmcore.train.config import TrainConfig
from lmcore.train.spec import TrainSpec
from tasks.errors import TransientStageError, UserStageError
from tasks.graph import Source, Step
from tasks.opening import OpenRun, encode_step
from tasks.orchestration import PUBLISHED, Journey
from tasks.resources import Resources
from tasks.stages import STAGES
from warehouse import runs
from warehouse.store import Store

START_SECONDS = 240
HISTORY_SECONDS = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="session")
def engine():
    with prefect_test_harness(server_startup_timeout=START_SECONDS):
        yield


@pytest.fixture
def travel(engine, bench, monkeypatch):
    """Run one step of a body as a journey of its own; give its end state and its history.

    A body is a function of tasks_bench, or ``module:function``; or a whole step is given.
    """

    def run(body="", retries=2, step=None):
        step = step or make_step(bench, body=body)
        if ":" in body:
            step = dataclasses.replace(step, stage=dataclasses.replace(step.stage, body=body))
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


@pytest.fixture
def pretraining(tmp_path):
    """A pretraining of a tiny model, as a step and as the spec of a run alone."""
    texts = [" ".join(random.Random(i).choices(["crawl", "page", "loss"], k=60)) for i in range(40)]
    tokenizer = train_bpe(texts, TokenizerConfig(vocab_size=264))
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(tmp_path / "tokenizer")
    documents = [(str(i), text) for i, text in enumerate(texts)]
    shards_dir = tmp_path / "tokens"
    encode_to_shards(documents, tokenizer, shards_dir, TokensConfig(validation_fraction=0.2))
    model = ModelConfig(d_model=16, n_layers=1, n_heads=2, context_length=16)
    train = TrainConfig(
        steps=1500, batch_size=4, eval_every=500, eval_batches=1, checkpoint_every=5000, threads=1
    )
    step = Step(
        "pretrain",
        STAGES["pretrain"],
        {"model": dataclasses.asdict(model), "pretrain": dataclasses.asdict(train)},
        {
            name: (Source(name, f"the {name}", str(tmp_path / name)),)
            for name in ("tokens", "tokenizer")
        },
    )
    spec = TrainSpec(
        model=model, train=train, vocab_size=264, shards_dir=shards_dir, out_dir=tmp_path / "alone"
    )
    return step, spec


def preempt(store, commands):
    """SIGTERM, once each in turn, to the process of each command, when its training is under way."""
    for command in commands:
        seen = set()
        while not seen:
            time.sleep(0.05)
            shown = store.staging.glob("*.scratch/training/progress.json")
            seen = {path.parents[1].name for path in shown}
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                line = process.cmdline()
                if command in line and "torch.distributed.run" not in line:
                    process.terminate()
        while any((store.staging / name).exists() for name in seen):
            time.sleep(0.05)


def test_training_told_to_stop_leaves_a_checkpoint_and_goes_on_by_itself(
    bench, travel, pretraining
):
    step, spec = pretraining
    killer = threading.Thread(
        target=preempt, args=(bench.store, ["tasks.worker", "lmcore.train.loop"]), daemon=True
    )
    killer.start()
    state, names, run_count, _ = travel(step=step)
    assert (state.name, run_count, names.count("AwaitingRetry")) == ("Completed", 3, 2)
    found = {artifact.manifest.name: artifact for artifact in bench.store.artifacts()}
    stops = sorted(int(name.rsplit("-", 1)[1]) for name in found if "/" in name)
    assert len(stops) == 3
    assert 0 < stops[0] < stops[1] < stops[2] == spec.train.steps
    (record,) = runs.steps(bench.store, bench.run_id)
    assert record.measures["tokens"] == (spec.train.steps - stops[1]) * 4 * 16
    assert loop.run(spec)
    expected = (spec.out_dir / "final" / "model.safetensors").read_bytes()
    assert (found["pretrain"].path / "model.safetensors").read_bytes() == expected


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


SMALL = ("sample.n_pages=120", "sample.n_files=2")


@pytest.fixture(scope="session")
def small_run(engine, tmp_path_factory):
    """A run of the beginning of a small recipe; gives its store, its record and its flow run."""
    from flows.crawl_to_model import crawl_to_model

    store = Store(tmp_path_factory.mktemp("small"))
    run_id = crawl_to_model("smoke", list(SMALL), str(store.root), until="extract")
    record = runs.read_run(store, run_id)
    with get_client(sync_client=True) as client:
        return store, record, client.read_flow_run(UUID(record.flow_run))


def ask_until(ask, is_enough):
    """Ask again until an answer is enough: the engine learns of things in the background."""
    end = time.monotonic() + HISTORY_SECONDS
    answer = ask()
    while time.monotonic() < end and not is_enough(answer):
        time.sleep(0.2)
        answer = ask()
    return answer


def subflows_of(client, flow_run):
    parent = FlowRunFilterParentFlowRunId(any_=[flow_run.id])
    found = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent))
    return {subflow.name: subflow for subflow in found}


def task_runs_of(client, flow_run_id):
    wanted = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run_id]))
    return {found.name: found for found in client.read_task_runs(task_run_filter=wanted)}


def logs_of(client, flow_run_id):
    wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
    return client.read_logs(wanted, limit=200)


def test_runs_have_names_that_say_what_they_are(small_run):
    _, record, flow_run = small_run
    assert flow_run.name.startswith(f"smoke {record.started_at[:10]} ")
    with get_client(sync_client=True) as client:
        names = set(subflows_of(client, flow_run))
    parts = ("corpus", "tokenizer", "pretraining", "scaling", "alignment", "evaluation")
    assert names == {f"{part} of smoke" for part in parts}


def test_tables_of_a_run_are_shown_as_artifacts(small_run):
    *_, flow_run = small_run
    with get_client(sync_client=True) as client:
        shown = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]))
        )
    tables = {artifact.key: json.loads(artifact.data) for artifact in shown}
    assert tables.keys() == {name.replace("_", "-") for name in PUBLISHED}
    assert sum(int(row["rows_in"]) for row in tables["funnel"]) > 0
    assert tables["rejections-by-reason"]


def test_task_runs_log_their_rows_and_what_was_committed(small_run):
    store, record, flow_run = small_run
    steps = {step.step: step for step in runs.steps(store, record.run_id)}
    with get_client(sync_client=True) as client:
        corpus = subflows_of(client, flow_run)["corpus of smoke"]
        logs = ask_until(
            lambda: logs_of(client, corpus.id),
            lambda found: sum("committed key=" in entry.message for entry in found) == len(steps),
        )
        task_runs = ask_until(
            lambda: task_runs_of(client, corpus.id), lambda found: found.keys() >= steps.keys()
        )
    for name, step in steps.items():
        said = [entry.message for entry in logs if entry.task_run_id == task_runs[name].id]
        accounting = store.read(step.stage, step.key).manifest.accounting
        expected = [f"started step={name} key={step.key[:12]}", "cost seconds=", "committed key="]
        if accounting:
            rows = f"rows in={accounting.rows_in} kept={accounting.rows_kept} rejected="
            expected.insert(1, rows)
        told = [line for line in said if line.startswith(tuple(expected))]
        assert len(told) == len(expected), said


def test_task_run_log_holds_the_lines_of_its_body(travel):
    def spoken(entries):
        return [entry for entry in entries if "tasks.job.Job" in entry.message]

    state, *_ = travel("logging:warning")  # a body that logs what it is given: the job
    details = state.state_details
    with get_client(sync_client=True) as client:
        logs = ask_until(lambda: logs_of(client, details.flow_run_id), spoken)
    (line,) = spoken(logs)
    assert (line.task_run_id, line.level) == (details.task_run_id, logging.WARNING)


def test_run_without_archives_fails_with_a_paragraph_as_its_state(engine, tmp_path, monkeypatch):
    from flows.crawl_to_model import crawl_to_model

    monkeypatch.chdir(tmp_path)
    overrides = ['corpus.warcs="crawl/**/*.warc.gz"']
    state = crawl_to_model("realdata", overrides, str(tmp_path / "store"), return_state=True)
    assert state.is_failed()
    assert "Found no file for corpus.warcs = 'crawl/**/*.warc.gz'" in state.message
    assert f"looking from {tmp_path}" in state.message
    assert "\n" not in state.message
