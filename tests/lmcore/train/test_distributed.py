import dataclasses
import functools
import os
import resource
import subprocess
import time

import psutil
import pytest

from lmcore.tokens.data_config import DataConfig
from lmcore.train.checkpoint import checkpoint_dir, newest, steps_of, verify
from lmcore.train.launch import command, environment, outcome
from lmcore.train.loop import run
from lmcore.train.metrics import read_metrics

pytestmark = pytest.mark.slow


def run_processes(spec, path):
    spec.write(path)
    line = command(path, spec.train.world_size)
    subprocess.run(line, env=os.environ | environment(1), check=True)
    assert outcome(spec.out_dir) == ("finished", "")


def rows(spec):
    return read_metrics(spec.out_dir / "final" / "metrics.parquet")


def losses(spec):
    return [row.loss for row in rows(spec)]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("optimizer", ["adafactor", "muon"])
def test_two_processes_and_one_reach_the_same_losses_whoever_resumes(
    make_spec, tmp_path, optimizer
):
    make_spec = functools.partial(make_spec, optimizer=optimizer)
    one = make_spec("one")
    run(one)
    two = make_spec("two", world_size=2)
    run_processes(two, tmp_path / "two.json")
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)

    # a checkpoint of two processes goes on in one, and the other way round
    one_after_two = make_spec("one-after-two", resume_dir=checkpoint_dir(two.out_dir, 6))
    run(one_after_two)
    assert losses(one_after_two) == pytest.approx(losses(one), abs=1e-5)
    two_after_one = make_spec(
        "two-after-one", world_size=2, resume_dir=checkpoint_dir(one.out_dir, 6)
    )
    run_processes(two_after_one, tmp_path / "two-after-one.json")
    assert losses(two_after_one) == pytest.approx(losses(one), abs=1e-5)


@pytest.mark.timeout(240)
def test_two_processes_and_one_reach_the_same_losses_of_packed_documents(make_spec, tmp_path):
    make_spec = functools.partial(make_spec, data=DataConfig(packing="split"))
    one, two = make_spec("one"), make_spec("two", world_size=2)
    run(one)
    run_processes(two, tmp_path / "two.json")
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)


NUMERICS = {
    "fields": {
        "micro_batch_size": 1,
        "noise_scale_every": 2,
        "ema_decay": 0.9,
        "recompute": "full",
    },
    "float16": {"precision": "float16", "loss_scale": 2.0**36, "recompute": "selective"},
    "roll_back": {
        "on_spike": "roll_back",
        "spike_sigmas": 3.0,
        "spike_window": 6,
        "max_spikes": 100,
        "lr": 0.1,
        "steps": 22,
        "ema_decay": 0.9,
    },
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("fields", NUMERICS.values(), ids=NUMERICS.keys())
def test_two_processes_decide_alike_and_go_on_in_one(make_spec, tmp_path, fields):
    """Microbatches, averages, scales and roll-backs over shards: what one process does."""
    make_spec = functools.partial(make_spec, **({"batch_size": 8} | fields))
    one, two = make_spec("one"), make_spec("two", world_size=2)
    run(one)
    run_processes(two, tmp_path / "two.json")
    tolerance = 1e-5 if "precision" not in fields and "lr" not in fields else 2e-2
    assert losses(two) == pytest.approx(losses(one), abs=tolerance)
    events = [[row.event and row.event.split(":")[0] for row in rows(spec)] for spec in (one, two)]
    assert events[0] == events[1]
    steps = two.train.steps // two.train.checkpoint_every * two.train.checkpoint_every
    after = make_spec("after", resume_dir=checkpoint_dir(two.out_dir, steps))
    run(after)
    assert losses(after) == pytest.approx(losses(two), abs=tolerance)
    if "noise_scale_every" in fields:
        found = [
            [row.gradient_noise for row in rows(spec) if row.gradient_noise] for spec in (one, two)
        ]
        # a microbatch of two processes is two windows, of one process one
        assert len(found[0]) == len(found[1]) > 0


@pytest.mark.timeout(400)
def test_two_processes_killed_in_a_checkpoint_end_in_the_bytes_of_a_run_never_stopped(
    make_spec, tmp_path
):
    make_spec = functools.partial(make_spec, steps=60, world_size=2)
    whole = make_spec("whole", checkpoint_every=60)
    run_processes(whole, tmp_path / "whole.json")
    one = make_spec("one", world_size=1)
    run(one)
    assert losses(whole) == pytest.approx(losses(one), abs=1e-5)

    killed = make_spec("killed", checkpoint_every=2)
    killed.write(tmp_path / "killed.json")
    line = command(tmp_path / "killed.json", 2)
    with subprocess.Popen(line, env=os.environ | environment(1)) as process:
        wait_for_latest(killed, process)
        while not list((killed.out_dir / "checkpoints").glob(".step-*.partial/*")):
            assert process.poll() is None
        process.kill()  # and its two processes with it: they die with their parent
    last = newest(killed.out_dir)
    assert last is not None
    assert 2 <= verify(last)["step"] < 60
    resumed = dataclasses.replace(killed, train=whole.train, resume_dir=last)
    run_processes(resumed, tmp_path / "resumed.json")
    for name in ("model.safetensors", "metrics.parquet"):
        file = f"final/{name}"
        assert (resumed.out_dir / file).read_bytes() == (whole.out_dir / file).read_bytes()


def wait_for_latest(spec, process):
    while not (spec.out_dir / "checkpoints" / "latest").exists():
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.timeout(400)
def test_checkpoints_go_from_one_to_two_to_four_processes_and_back(make_spec, tmp_path):
    def go(name, world_size, resume_dir):
        spec = make_spec(name, world_size=world_size, resume_dir=resume_dir, checkpoint_every=3)
        run_processes(spec, tmp_path / f"{name}.json")
        return spec

    one = make_spec("one", checkpoint_every=3)
    run(one)
    two = go("two", 2, checkpoint_dir(one.out_dir, 3))
    four = go("four", 4, checkpoint_dir(two.out_dir, 6))
    written = {path.name for path in checkpoint_dir(four.out_dir, 9).glob("shard-*")}
    assert written == {f"shard-{rank:05d}.safetensors" for rank in range(4)}
    back = make_spec("back", resume_dir=checkpoint_dir(four.out_dir, 9))
    run(back)
    again = go("again", 2, checkpoint_dir(four.out_dir, 9))
    tokens = [row.tokens for row in read_metrics(one.out_dir / "final" / "metrics.parquet")]
    for spec in (two, four, back, again):
        rows = read_metrics(spec.out_dir / "final" / "metrics.parquet")
        assert [row.tokens for row in rows] == tokens
        assert losses(spec) == pytest.approx(losses(one), abs=1e-5)


@pytest.mark.timeout(240)
def test_process_that_cannot_write_its_shard_stops_all_and_leaves_the_last_whole_one(
    make_spec, tmp_path
):
    spec = make_spec(world_size=2, steps=100_000, checkpoint_every=20)
    spec.write(tmp_path / "spec.json")
    with subprocess.Popen(
        command(tmp_path / "spec.json", 2), env=os.environ | environment(1)
    ) as process:
        wait_for_latest(spec, process)
        second = next(
            child
            for child in psutil.Process(process.pid).children()
            if child.environ().get("RANK") == "1"
        )
        resource.prlimit(second.pid, resource.RLIMIT_FSIZE, (1 << 10, 1 << 10))
    ended, message = outcome(spec.out_dir)
    assert ended == "refused"
    assert "could not be written" in message
    last = newest(spec.out_dir)
    assert last is not None
    assert verify(last)["step"] == steps_of(spec.out_dir)[-1]
    assert not list(last.parent.glob(".*"))
