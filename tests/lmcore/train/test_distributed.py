import functools
import os
import subprocess

import pytest

from lmcore.tokens.data_config import DataConfig
from lmcore.tokens.shards import TokenShards
from lmcore.train.checkpoint import checkpoint_dir, load_checkpoint
from lmcore.train.launch import command, environment, outcome
from lmcore.train.loop import run
from lmcore.train.metrics import read_metrics

pytestmark = pytest.mark.slow


def run_processes(spec, path):
    spec.write(path)
    line = command(path, spec.train.world_size)
    subprocess.run(line, env=os.environ | environment(1), check=True)
    assert outcome(spec.out_dir) == ("finished", "")


def losses(spec):
    return [row.loss for row in read_metrics(spec.out_dir / "final" / "metrics.parquet")]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "muon"])
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


@pytest.mark.timeout(240)
def test_two_processes_resumed_make_the_bytes_of_a_run_never_stopped(make_spec, tmp_path):
    whole = make_spec("whole", world_size=2)
    run_processes(whole, tmp_path / "whole.json")
    resumed = make_spec("resumed", world_size=2, resume_dir=checkpoint_dir(whole.out_dir, 6))
    run_processes(resumed, tmp_path / "resumed.json")
    for name in ("model.safetensors", "metrics.parquet"):
        file = f"final/{name}"
        assert (resumed.out_dir / file).read_bytes() == (whole.out_dir / file).read_bytes()
    n_tokens = TokenShards(whole.shards_dir, "train").n_tokens
    assert load_checkpoint(checkpoint_dir(whole.out_dir, 12), whole, n_tokens).step == 12
