"""kill -9 of the whole process tree at ten random moments; then the same bytes as an undisturbed run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from warehouse import runs
from warehouse.store import Store

KILLS = 10
RECIPE = "smoke"
WORKERS = 2
CHECKPOINT_STEPS = 20
START_SECONDS = 300
RUN_SECONDS = 900

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


def start(store):
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    return subprocess.Popen(
        [sys.executable, "-m", "flows", "run", RECIPE, "--store", str(store.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        start_new_session=True,
    )


def finish(store):
    process = start(store)
    output, _ = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 0, output
    return output


def kill_tree(process):
    """SIGKILL the command and everything it started, whatever its process group."""
    family = [process_of(process.pid), *process_of(process.pid).children(recursive=True)]
    for member in family:
        member.suspend()
    family += [child for child in process_of(process.pid).children(recursive=True)]
    for member in set(family):
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    process.stdout.close()
    psutil.wait_procs([member for member in set(family) if member.pid != process.pid], timeout=20)


def process_of(pid):
    return psutil.Process(pid)


def wait_for_work(store, process, earlier):
    """Wait until the new run has a body running, or has nothing left to run."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        for folder in set(store.runs.glob("*")) - earlier:
            if any('"state": "running"' in p.read_text() for p in folder.glob("steps/[!.]*.json")):
                return
        time.sleep(0.05)


def newest_checkpoint(store):
    steps = [
        int(artifact.manifest.name.rsplit("-", 1)[1])
        for artifact in store.artifacts()
        if artifact.manifest.kind == "checkpoint"
    ]
    return max(steps, default=0)


def contents(store):
    run = runs.latest(store)
    assert run.status == "completed"
    return {record.step: record.content for record in runs.steps(store, run.run_id)}


def test_ten_kills_leave_the_same_bytes_as_an_undisturbed_run(tmp_path):
    undisturbed = Store(tmp_path / "undisturbed")
    finish(undisturbed)
    store = Store(tmp_path / "killed")
    store.prepare()
    moments = random.Random(336)
    killed_at = []
    for _ in range(KILLS):
        earlier = set(store.runs.glob("*"))
        process = start(store)
        wait_for_work(store, process, earlier)
        time.sleep(moments.uniform(0.05, 5.0))
        assert process.poll() is None, f"the run ended before kill {len(killed_at) + 1}"
        kill_tree(process)
        for artifact in store.artifacts():
            store.check(artifact, rehash=True)
        killed_at.append(interrupted(store, earlier))
    checkpoint = newest_checkpoint(store)
    finish(store)

    print("interrupted:", json.dumps(killed_at))
    assert contents(store) == contents(undisturbed)
    assert list(store.staging.iterdir()) == []
    assert max(len(steps) for steps in killed_at) <= WORKERS
    computed = Counter()
    for run in runs.all_runs(store):
        for record in runs.steps(store, run.run_id):
            computed[record.key] += record.state == "ran"
            if record.step == "pretrain" and record.state == "ran":
                trained = record.measures["tokens"] / (8 * 128)
                assert trained <= 60 - checkpoint or checkpoint == 60
    assert max(computed.values()) == 1


def interrupted(store, earlier):
    (folder,) = set(store.runs.glob("*")) - earlier or {None}
    if folder is None:
        return []
    return [
        record.step for record in runs.steps(store, Path(folder).name) if record.state == "running"
    ]


def test_interrupt_from_the_keyboard_leaves_no_process_and_no_partial_artifact(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    process = start(store)
    wait_for_work(store, process, set())
    family = process_of(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode != 0
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    for artifact in store.artifacts():
        store.check(artifact, rehash=True)
