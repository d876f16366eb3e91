"""One step from identity to artifact: hits, misses, failures, deadlines. Real worker processes."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from tasks_bench import Bench, context_of, make_step

from tasks.errors import DeadlineError, StageError, TransientStageError, UserStageError
from tasks.stage import execute, identify
from warehouse import runs
from warehouse.errors import DiskFullError

SMALL_DISK_BYTES = 4 << 20


@pytest.fixture
def small_bench(tmp_path):
    """A bench whose store lies on a disk of a few megabytes of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SMALL_DISK_BYTES}", "tmpfs", str(disk)]
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", *options], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the right to mount a small disk")
    yield Bench(disk)
    subprocess.run(["umount", str(disk)], check=True)


def test_step_run_twice_hits_the_second_time(bench):
    step = make_step(bench, body="write")
    first = execute(context_of(bench), step, {})
    second = execute(context_of(bench), step, {})
    assert (first.cached, second.cached) == (False, True)
    assert dataclasses.replace(first, cached=True) == second
    (record,) = runs.steps(bench.store, bench.run_id)
    assert record.state == "hit"


def test_step_with_other_config_has_other_key(bench):
    one = identify(make_step(bench, body="write", value=1), {})
    two = identify(make_step(bench, body="write", value=2), {})
    assert one.key != two.key


def test_damaged_artifact_is_rebuilt(bench):
    step = make_step(bench, body="write")
    ref = execute(context_of(bench), step, {})
    path = bench.store.path_of(ref.kind, ref.key) / "value.txt"
    path.write_text("tampered")
    again = execute(context_of(bench), step, {})
    assert not again.cached
    assert again.content == ref.content
    assert path.read_text() == "7"


def test_deleted_file_is_noticed_and_rebuilt(bench):
    step = make_step(bench, body="write")
    ref = execute(context_of(bench), step, {})
    path = bench.store.path_of(ref.kind, ref.key) / "value.txt"
    path.unlink()
    assert not execute(context_of(bench), step, {}).cached
    assert path.exists()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("refuse", UserStageError),
        ("weather", TransientStageError),
        ("crash", StageError),
        ("die", TransientStageError),
    ],
)
def test_failing_body_raises_its_kind_and_leaves_nothing(bench, body, error):
    with pytest.raises(error) as caught:
        execute(context_of(bench), make_step(bench, body=body), {})
    assert type(caught.value) is error
    assert list(bench.store.staging.iterdir()) == []
    assert list(bench.store.artifacts()) == []
    (record,) = runs.steps(bench.store, bench.run_id)
    assert record.state == "failed"
    assert record.error


def test_body_past_its_deadline_is_killed_with_its_children(bench):
    step = make_step(bench, body="hang", deadline_seconds=1.5)
    with pytest.raises(DeadlineError, match="after 2 s"):
        execute(context_of(bench), step, {})
    pid = int((bench.path / "child.pid").read_text())
    assert not is_alive(pid)


def is_alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_rows_lost_by_a_body_fail_the_commit(bench):
    with pytest.raises(Exception, match="2 outcomes .* for 3 rows"):
        execute(context_of(bench), make_step(bench, body="lose"), {})
    assert list(bench.store.artifacts()) == []


@pytest.mark.parametrize("body", ["flood", "drown"])
def test_full_disk_is_one_paragraph_and_loses_nothing_committed(small_bench, body):
    store = small_bench.store
    committed = execute(context_of(small_bench), make_step(small_bench, body="write"), {})
    with pytest.raises(DiskFullError) as caught:
        execute(context_of(small_bench), make_step(small_bench, body=body, value=8), {})
    assert "no room left" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(store.staging.iterdir()) == []
    (artifact,) = store.artifacts()
    assert artifact.content == committed.content
    store.check(artifact, rehash=True)
    assert execute(context_of(small_bench), make_step(small_bench, body="write"), {}).cached


@pytest.mark.parametrize("body", ["flood", "drown"])
def test_full_disk_step_is_recorded_as_failed_and_runs_once_there_is_room(small_bench, body):
    with pytest.raises(DiskFullError):
        execute(context_of(small_bench), make_step(small_bench, body=body), {})
    (record,) = runs.steps(small_bench.store, small_bench.run_id)
    assert (record.state, record.work_dir) == ("failed", "")
    assert "no room left" in record.error
    assert not execute(context_of(small_bench), make_step(small_bench, body="write"), {}).cached
