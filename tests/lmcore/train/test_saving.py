"""Checkpoints behind training's back: as of their step, in order, whole or not there."""

import contextlib
import dataclasses
import resource
import shutil
import subprocess

import pytest
import torch

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.train.checkpoint import checkpoint_dir, newest, steps_of, verify
from lmcore.train.loop import run
from lmcore.train.metrics import MetricRow, read_metrics
from lmcore.train.pieces import read_whole
from lmcore.train.saving import Saver
from lmcore.train.world import World

SHARD = "shard-00000.safetensors"
N_NUMBERS = 1 << 20
SMALL_DISK_BYTES = 2 << 20


def row(step):
    return MetricRow(
        step=step, tokens=step, split="train", loss=1.0, bits_per_byte=1.0, lr=0.1, grad_norm=1.0
    )


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def tensors():
    return {"model.w": torch.zeros(N_NUMBERS), "optimizer.m.w": torch.ones(N_NUMBERS)}


@pytest.fixture
def saver(make_spec, tensors):
    return Saver(make_spec(), World(), tensors)


def load(directory):
    return read_whole(directory, verify(directory)["tensors"], "")


def test_checkpoint_is_of_the_moment_it_was_begun_whatever_the_tensors_are_later(saver, tensors):
    saver.begin(3, [row(3)], {"scale": 2.0})
    assert not checkpoint_dir(saver.spec.out_dir, 3).exists()
    saver.wait_until_copied()
    tensors["model.w"].fill_(7.0)
    saver.wait()
    directory = checkpoint_dir(saver.spec.out_dir, 3)
    found = load(directory)
    assert found["model.w"].max() == 0.0
    assert found["optimizer.m.w"].min() == 1.0
    assert verify(directory)["scalars"] == {"scale": 2.0}
    assert read_metrics(directory / "metrics.parquet") == [row(3)]


def test_second_checkpoint_waits_for_the_first_and_both_are_whole(saver, tensors):
    rows = [row(1)]
    saver.begin(1, rows, {})
    saver.wait_until_copied()
    tensors["model.w"].fill_(2.0)
    rows.append(row(2))
    saver.begin(2, rows, {})
    assert newest(saver.spec.out_dir) == checkpoint_dir(saver.spec.out_dir, 1)
    saver.wait()
    assert newest(saver.spec.out_dir) == checkpoint_dir(saver.spec.out_dir, 2)
    for step in (1, 2):
        directory = checkpoint_dir(saver.spec.out_dir, step)
        assert load(directory)["model.w"][0] == 2.0 * (step - 1)
        assert read_metrics(directory / "metrics.parquet") == rows[:step]


def test_rows_of_a_run_that_went_back_are_those_it_has_now(saver):
    saver.begin(2, [row(1), row(2)], {})
    saver.begin(3, [row(1), dataclasses.replace(row(2), loss=9.0), row(3)], {})
    saver.wait()
    found = read_metrics(newest(saver.spec.out_dir) / "metrics.parquet")
    assert [(one.step, one.loss) for one in found] == [(1, 1.0), (2, 9.0), (3, 1.0)]


def test_what_a_killed_process_left_half_written_goes_with_the_next_start(make_spec, tensors):
    spec = make_spec()
    left = spec.out_dir / "checkpoints" / ".step-000006.partial"
    left.mkdir(parents=True)
    (left / SHARD).write_bytes(b"half")
    Saver(spec, World(), tensors)
    assert names_in(left.parent) == []


@contextlib.contextmanager
def files_up_to(n_bytes):
    """No file of this process may grow above a size meanwhile: writing on fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_write_that_fails_at_any_byte_is_raised_and_leaves_the_one_before(saver, tensors, share):
    saver.begin(1, [row(1)], {})
    saver.wait()
    before = load(newest(saver.spec.out_dir))
    n_bytes = (newest(saver.spec.out_dir) / SHARD).stat().st_size
    tensors["model.w"].fill_(5.0)
    with files_up_to(int(share * n_bytes)):
        saver.begin(2, [row(1), row(2)], {})
        with pytest.raises(InputError, match=r"step 2 could not be written .*File too large"):
            saver.wait()
    assert names_in(saver.spec.out_dir / "checkpoints") == ["latest", "step-000001"]
    assert torch.equal(load(newest(saver.spec.out_dir))["model.w"], before["model.w"])
    saver.begin(3, [row(1), row(2), row(3)], {})
    saver.wait()
    assert load(newest(saver.spec.out_dir))["model.w"][0] == 5.0
    assert len(read_metrics(newest(saver.spec.out_dir) / "metrics.parquet")) == 3


def test_failed_write_stops_the_run_at_a_later_step(make_spec):
    spec = make_spec(steps=12, checkpoint_every=2, model=ModelConfig(
        d_model=64, n_layers=2, n_heads=2, context_length=16))  # fmt: skip
    calls = iter(range(10**6))
    limit = files_up_to(1 << 18)

    def is_stopped():
        if next(calls) == 3:
            limit.__enter__()
        return False

    try:
        with pytest.raises(InputError, match="could not be written"):
            run(spec, is_stopped=is_stopped)
    finally:
        limit.__exit__(None, None, None)
    last = newest(spec.out_dir)
    assert last is not None
    assert verify(last)["step"] == steps_of(spec.out_dir)[-1] < 12
    assert not (spec.out_dir / "final").exists()
    rest = dataclasses.replace(spec.train, checkpoint_every=12)
    assert run(dataclasses.replace(spec, train=rest, resume_dir=last))


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", str(disk)]
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", *options], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_disk_that_fills_up_is_refused_and_the_last_checkpoint_goes_on_elsewhere(
    make_spec, small_disk, tmp_path
):
    model = ModelConfig(d_model=64, n_layers=1, n_heads=2, context_length=16)
    whole = make_spec("whole", model=model, checkpoint_every=3)
    run(whole)
    spec = dataclasses.replace(whole, out_dir=small_disk / "run")
    with pytest.raises(InputError, match=r"(could not be written|no room left)[^;]*No space left"):
        run(spec)
    last = newest(spec.out_dir)
    assert last is not None
    assert not list((spec.out_dir / "checkpoints").glob(".*"))
    resumed = dataclasses.replace(whole, out_dir=tmp_path / "elsewhere", resume_dir=last)
    run(resumed)
    for name in ("model.safetensors", "metrics.parquet"):
        expected = (whole.out_dir / "final" / name).read_bytes()
        assert (resumed.out_dir / "final" / name).read_bytes() == expected
