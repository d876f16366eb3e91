"""kill -9 of the whole process tree at ten random moments; then the same bytes as an undisturbed run.

The moments are drawn over the work of an undisturbed run, each a step and an offset inside it, and
in each stratum at least one: a crawl file, two intervals between checkpoints, alignment.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from flows import engine
from flows import recipe as recipes
from warehouse import fingerprint, runs
from warehouse.artifact import MANIFEST, STAT
from warehouse.store import Store

SEED = 336
KILLS = 10
RECIPE = "smoke"
SECTIONS = recipes.load(RECIPE).sections()
WORKERS = SECTIONS["resources"]["workers"]
PRETRAIN = SECTIONS["pretrain"]
STEP_TOKENS = PRETRAIN["batch_size"] * SECTIONS["model"]["context_length"]
ALIGNMENT = {"sft", "dpo", "grpo"}
EMBEDDED = (0, 5)
"""kills of a run with an engine of its own; the others, to save their start, share a server"""
START_SECONDS = 300
RUN_SECONDS = 900
DEATH_SECONDS = 20

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds into a step, or after its checkpoint was committed."""

    step: str
    checkpoint: int
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("undisturbed") / "store")
    store.prepare()
    finish(store)
    return store


@pytest.fixture
def engine_url(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "engine"))
    with engine.server() as url:
        yield f"{url}/api"


def start(store, *arguments, url=None):
    environment = {name: text for name, text in os.environ.items() if "PREFECT" not in name}
    if url is not None:
        environment |= {"PREFECT_API_URL": url, "PREFECT_HOME": os.environ["PREFECT_HOME"]}
    with (store.root.parent / "output.txt").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "flows", "run", RECIPE, "--store", str(store.root), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def finish(store, *arguments):
    assert start(store, *arguments).wait(RUN_SECONDS) == 0, output_of(store)


def output_of(store):
    return (store.root.parent / "output.txt").read_text()


def kill_tree(process):
    """SIGKILL the command and everything it started, whatever its session; none may be left."""
    family = {psutil.Process(process.pid)}
    while True:
        found = set(family)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.suspend()  # so that it starts no other meanwhile
                found |= set(member.children(recursive=True))
        if found == family:
            break
        family = found
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=DEATH_SECONDS)
    assert alive == []


def alive_of(store):
    """Processes of a store: those whose command line or environment names it."""
    found = []
    for process in psutil.process_iter():
        try:
            texts = [*process.cmdline(), *process.environ().values()]
            if any(str(store.root) in text for text in texts):
                found.append(process)
        except psutil.Error:
            continue
    return found


def until(condition, seconds):
    """Wait until a condition holds; tell whether it came to that."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def checkpoints(store):
    """Step and manifest of every committed checkpoint of the pretraining."""
    return {
        int(artifact.manifest.name.rsplit("-", 1)[1]): artifact.path / MANIFEST
        for artifact in store.artifacts()
        if artifact.manifest.name.startswith("pretrain/step-")
        and artifact.manifest.config["pretrain"] == PRETRAIN
    }


def newest_checkpoint(store):
    return max(checkpoints(store), default=0)


def trained_step(record):
    """Step that a trainer has shown; 0 before its first, or once its work folder is swept."""
    try:
        path = Path(record.work_dir) / "training" / "progress.json"
        return json.loads(path.read_text())["step"]
    except (OSError, ValueError):
        return 0


def draw(store):
    """Ten moments over the work of a finished run, in the order in which its steps began."""
    records = [record for record in runs.steps(store, runs.latest(store).run_id)]
    assert {record.state for record in records} == {"ran"}
    (pretrain,) = [record for record in records if record.step == "pretrain"]
    began = datetime.fromisoformat(pretrain.started_at).timestamp()
    marks = {
        step: path.stat().st_mtime - began for step, path in sorted(checkpoints(store).items())
    }
    interval = marks[2 * PRETRAIN["checkpoint_every"]] - marks[PRETRAIN["checkpoint_every"]]
    chance = random.Random(SEED)

    def inside(stages):
        longest = max((r for r in records if r.stage in stages), key=lambda r: r.seconds)
        return longest.step, chance.uniform(0.1, 0.6) * longest.seconds

    drawn = [inside({"extract"}), inside(ALIGNMENT)]
    for number in (1, 2):
        mark = marks[number * PRETRAIN["checkpoint_every"]]
        drawn.append(("pretrain", mark + chance.uniform(0.1, 0.5) * interval))
    weights = [record.seconds for record in records]
    others = chance.choices(records, weights, k=KILLS - len(drawn))
    drawn += [(record.step, chance.uniform(0, record.seconds)) for record in others]
    order = [record.step for record in records]
    drawn.sort(key=lambda entry: (order.index(entry[0]), entry[1]))
    return order, [moment(step, seconds, marks) for step, seconds in drawn]


def moment(step, seconds, marks):
    passed = [number for number, mark in marks.items() if step == "pretrain" and mark <= seconds]
    return (
        Moment(step, passed[-1], seconds - marks[passed[-1]])
        if passed
        else Moment(step, 0, seconds)
    )


def wait_for(moment, order, store, process, earlier):
    """Wait until the moment has come, or until a later step runs because its own is done."""
    end = time.monotonic() + START_SECONDS
    later = set(order[order.index(moment.step) + 1 :])
    while time.monotonic() < end:
        assert process.poll() is None, f"the run ended before {moment}:\n{output_of(store)}"
        records = records_of(store, earlier)
        if any(record.step in later and record.state == "running" for record in records):
            return
        for record in records:
            if record.step == moment.step and record.state == "running":
                begun = not moment.checkpoint or trained_step(record) > 0
                if begun and newest_checkpoint(store) >= moment.checkpoint:
                    time.sleep(moment.seconds)
                    return
        time.sleep(0.02)
    pytest.fail(f"{moment} did not come within {START_SECONDS} s:\n{output_of(store)}")


def records_of(store, earlier):
    """Step records of the only run that is not among the earlier ones."""
    new = {path.name for path in store.runs.glob("*") if (path / "steps").is_dir()} - earlier
    assert len(new) <= 1
    return [record for run_id in new for record in runs.steps(store, run_id)]


def check_whole(store):
    """Every folder that a reader sees is complete, its bytes are those of its manifest; stamps."""
    stamps = {}
    for folder in store.objects.glob("*/*"):
        artifact = store.read(folder.parent.name, folder.name)
        assert artifact is not None, f"{folder} has no manifest"
        store.check(artifact, rehash=True)
        files = {entry.path: entry.sha256 for entry in artifact.manifest.files}
        found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        assert found - {MANIFEST, STAT} == set(files)
        assert artifact.content == fingerprint.content(files)
        stat = (folder / MANIFEST).stat()
        stamps[folder] = (stat.st_mtime_ns, stat.st_ino)
    return stamps


def contents(store):
    run = runs.latest(store)
    assert run.status == "completed"
    return {record.step: record.content for record in runs.steps(store, run.run_id)}


def test_ten_kills_leave_the_same_bytes_as_an_undisturbed_run(undisturbed, tmp_path, engine_url):
    order, moments = draw(undisturbed)
    store = Store(tmp_path / "killed" / "store")
    store.prepare()
    visible, killed, spent = {}, [], Counter()
    for number in range(KILLS + 1):
        earlier = {path.name for path in store.runs.glob("*")}
        resumed = newest_checkpoint(store)
        if number < KILLS:
            process = start(store, url=None if number in EMBEDDED else engine_url)
            wait_for(moments[number], order, store, process, earlier)
            assert process.poll() is None, f"the run ended at {moments[number]}"
            kill_tree(process)
        else:
            finish(store)
        assert alive_of(store) == []
        now = check_whole(store)
        assert visible.items() <= now.items(), "an artifact was written again"
        records = records_of(store, earlier)
        executed = [record for record in records if record.state != "hit"]
        assert {record.state for record in executed} <= {"ran", "running"}
        assert not {record.key for record in executed} & {folder.name for folder in visible}
        lost = [record for record in records if record.state == "running"]
        assert len(lost) <= WORKERS
        for record in executed:
            spent[record.key] += record.state == "ran"
            if record.step == "pretrain" and record.state == "ran":
                assert record.measures["tokens"] == (PRETRAIN["steps"] - resumed) * STEP_TOKENS
            elif record.step == "pretrain":
                reached = max(trained_step(record), resumed)
                # one interval, and another where a checkpoint was still being written behind
                assert reached - newest_checkpoint(store) <= 2 * PRETRAIN["checkpoint_every"]
        visible = now
        killed.append([record.stage for record in lost])

    print("killed in:", json.dumps(killed[:KILLS]))
    hit = {stage for stages in killed for stage in stages}
    assert {"extract", "pretrain"} <= hit
    assert hit & ALIGNMENT
    assert sum("pretrain" in stages for stages in killed) >= 2
    assert killed[KILLS] == []
    assert max(spent.values()) == 1
    assert contents(store) == contents(undisturbed)
    assert list(store.staging.iterdir()) == []


def test_interrupt_while_training_leaves_no_process_and_no_partial_artifact(undisturbed):
    store = undisturbed
    earlier = {path.name for path in store.runs.glob("*")}
    process = start(store, "--set", "pretrain.seed=1", "--set", "pretrain.steps=4000")

    def is_training():
        return process.poll() is not None or any(
            trained_step(record) > 0 for record in records_of(store, earlier)
        )

    assert until(is_training, START_SECONDS)
    assert process.poll() is None, output_of(store)
    assert any("lmcore.train.loop" in found.cmdline() for found in alive_of(store))
    process.send_signal(signal.SIGINT)
    assert process.wait(120) != 0
    assert until(lambda: alive_of(store) == [], DEATH_SECONDS), alive_of(store)
    check_whole(store)
