"""A store, a run and steps whose bodies are the functions below: for tests of tasks."""

import os
import subprocess
import sys
import time
from pathlib import Path

from lmcore.errors import InputError, TransientError
from tasks.graph import Stage, Step
from tasks.stage import Context
from warehouse import runs
from warehouse.store import Store


class Bench:
    def __init__(self, path):
        self.path = path
        self.store = Store(path / "store")
        self.store.prepare()
        self.run_id = runs.start(self.store, "test", {}).run_id


def context_of(bench):
    return Context(store=str(bench.store.root), run_id=bench.run_id)


def make_step(bench, *, body, deadline_seconds=60.0, value=7):
    stage = Stage(
        name="test",
        part="corpus",
        body=f"tasks_bench:{body}",
        title="test",
        deadline_seconds=deadline_seconds,
    )
    return Step("test", stage, {"value": value, "folder": str(bench.path)}, {})


def write(job):
    (job.out / "value.txt").write_text(str(job.spec.config["value"]))


def refuse(job):
    raise InputError("Found a wrong thing; expected a right one; change it.")


def weather(job):
    raise TransientError("the network is down")


def crash(job):
    raise RuntimeError("a bug")


def die(job):
    os.kill(os.getpid(), 9)


def hang(job):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(str(job.spec.config["folder"]), "child.pid").write_text(str(child.pid))
    time.sleep(60)


def lose(job):
    rows = [{"doc_id": str(i), "outcome": "kept"} for i in range(2)]
    job.write("decisions", "decisions.parquet", rows)
    job.account("decisions", 3)
