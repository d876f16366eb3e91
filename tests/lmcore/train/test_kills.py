"""Thirty deaths of a training process, at any step and any byte of a checkpoint; then equal bytes.

A death is a SIGKILL after a random time, a SIGKILL while a checkpoint's file grows past a random
byte, or the kernel's own kill at a random byte exactly: a limit on the size of files whose signal
nobody handles. After each one every checkpoint that can be seen is whole, and the next process goes
on from the newest. The log names step, bytes on disk and where the next process went on.
"""

import dataclasses
import multiprocessing
import os
import random
import resource
import signal
import time

import pytest

from lmcore.model.config import ModelConfig
from lmcore.train import loop
from lmcore.train.checkpoint import checkpoint_dir, newest, steps_of, verify
from lmcore.train.durable import partial_of

SHARD = "shard-00000.safetensors"
N_DEATHS = 30
SEED = 5
WAYS = ("time", "growing", "byte")
MODEL = ModelConfig(d_model=64, n_layers=2, n_heads=2, context_length=16)
STEPS, EVERY = 600, 4
FINAL_FILES = ("model.safetensors", "model.json", "metrics.parquet")
DEATH_SECONDS = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def train(spec):
    """What a process does: training, and nothing that would soften its death."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    loop.run(spec)


@pytest.fixture(scope="module")
def server():
    """Processes that start with torch loaded: three seconds less for each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lmcore.train.loop", "pyarrow.dataset"])
    return context


def size_of(path):
    try:
        return path.stat().st_size
    except OSError:
        return 0


def partial_bytes(spec):
    """What lies on the disk of the checkpoint that was being written."""
    folders = (spec.out_dir / "checkpoints").glob(".step-*.partial")
    return {folder.name: sum(size_of(path) for path in folder.iterdir()) for folder in folders}


def until(process, condition):
    end = time.monotonic() + DEATH_SECONDS
    while process.is_alive() and not condition():
        assert time.monotonic() < end, "the moment did not come"
        time.sleep(0.0005)


def die(process, spec, way, chance, shard_bytes):
    """Brings the process to its death; says at which byte it was to be."""
    begun = spec.resume_dir
    first = max(steps_of(spec.out_dir), default=0)
    target = first + EVERY * chance.randint(1, 3)
    byte = chance.randrange(1, shard_bytes)
    if way == "time":
        until(process, lambda: newest_name(spec) != (begun.name if begun else ""))
        time.sleep(chance.uniform(0, 0.15))
        os.kill(process.pid, signal.SIGKILL)
    elif way == "growing":
        path = partial_of(checkpoint_dir(spec.out_dir, target)) / SHARD
        until(process, lambda: size_of(path) >= byte or target in steps_of(spec.out_dir))
        os.kill(process.pid, signal.SIGKILL)
    else:
        until(process, lambda: max(steps_of(spec.out_dir), default=0) >= target - EVERY)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (byte, byte))
    process.join(DEATH_SECONDS)
    assert process.exitcode == -(signal.SIGXFSZ if way == "byte" else signal.SIGKILL)
    return byte


def newest_name(spec):
    path = spec.out_dir / "checkpoints" / "latest"
    return path.read_text().strip() if path.exists() else ""


def test_thirty_deaths_end_in_the_bytes_of_a_run_never_stopped(make_spec, server):
    shape = {"model": MODEL, "steps": STEPS, "eval_every": 100}
    whole = make_spec("whole", **shape, checkpoint_every=STEPS)
    assert loop.run(whole)
    shard_bytes = size_of(checkpoint_dir(whole.out_dir, STEPS) / SHARD)
    spec = make_spec("killed", **shape, checkpoint_every=EVERY)
    chance = random.Random(SEED)
    half_written = 0
    for number in range(N_DEATHS):
        resumed = newest(spec.out_dir)
        spec = dataclasses.replace(spec, resume_dir=resumed)
        process = server.Process(target=train, args=(spec,))
        process.start()
        way = WAYS[number % len(WAYS)]
        byte = die(process, spec, way, chance, shard_bytes)
        left = partial_bytes(spec)
        half_written += any(0 < n_bytes < shard_bytes for n_bytes in left.values())
        print(
            f"death {number + 1}: {way}, byte {byte:,d} of {shard_bytes:,d}; left half-written "
            f"{left or 'nothing'}; began from {resumed.name if resumed else 'nothing'}, whole up to "
            f"{newest_name(spec) or 'nothing'}"
        )
        for step in steps_of(spec.out_dir):
            assert verify(checkpoint_dir(spec.out_dir, step))["step"] == step
    assert half_written >= N_DEATHS // 3
    last = newest(spec.out_dir)
    assert verify(last)["step"] < STEPS
    assert loop.run(dataclasses.replace(whole, out_dir=spec.out_dir, resume_dir=last))
    assert partial_bytes(spec) == {}
    for name in FINAL_FILES:
        assert (spec.out_dir / "final" / name).read_bytes() == (
            whole.out_dir / "final" / name
        ).read_bytes()
