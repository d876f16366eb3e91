"""A store, a run and steps whose bodies are the functions below: for tests of tasks."""

import os
import subprocess
import sys
import time
from pathlib import Path

from lmcore.errors import InputError, TransientError
from tasks.graph import Step
from tasks.stage import Context
from tasks.stages import Stage
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
    rows = [{"doc_id": str(i), "outcome": "kept", "perplexity_bucket": None} for i in range(2)]
    job.write("decisions", "decisions.parquet", rows)
    job.account("decisions", 3)


def waver(job):
    """Fail by weather the first time and write the second; each attempt leaves its moment."""
    attempts = Path(str(job.spec.config["folder"]), "attempts.txt")
    with attempts.open("a") as file:
        file.write(f"{time.time()}\n")
    if len(attempts.read_text().splitlines()) == 1:
        raise TransientError("the network is down")
    write(job)


def refuse_once(job):
    """Refuse the first time; a second time must not come."""
    attempts = Path(str(job.spec.config["folder"]), "attempts.txt")
    with attempts.open("a") as file:
        file.write(f"{time.time()}\n")
    if len(attempts.read_text().splitlines()) == 1:
        refuse(job)
    write(job)


def flood(job):
    """Write until nothing fits, as a stage that meets a full disk in its middle."""
    with (job.out / "flood.bin").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


def drown(job):
    """Fill the disk to its last byte and end without a word."""
    try:
        flood(job)
    except OSError:
        os._exit(1)
