import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import harness

SCRIPT = """
import subprocess, sys

BURN = "import time\\nwhile time.process_time() < 0.3: pass"

def echo():
    return lambda value: value

def burn():
    exec(BURN)  # before the clock starts
    return lambda: subprocess.run([sys.executable, "-c", BURN]).returncode

def fail():
    raise SystemExit(3)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "bench_any.py"
    path.write_text(SCRIPT)
    return path


def test_run_counts_children_and_no_preparation(script):
    run = harness.run_once(Path(sys.executable), script, "burn")
    assert run.outcome == 0
    assert 0.29 < run.cpu_seconds < 0.55


def test_run_that_fails_is_an_error(script):
    with pytest.raises(RuntimeError, match="status 3"):
        harness.run_once(Path(sys.executable), script, "fail")


def test_interleave_throws_the_first_round_away(script):
    runs = harness.interleave(Path(sys.executable), script, ["echo"], {"a": [1]}, n_runs=2)
    assert [run.outcome for run in runs["echo"]] == [{"a": [1]}] * 2


def test_child_left_behind_is_an_error():
    started = []

    def work():
        started.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))

    with pytest.raises(RuntimeError, match="not waited for"):
        harness.measure(work)
    started[0].communicate(b"\n")


def test_median_is_of_cpu_seconds():
    runs = [harness.Run(cpu_seconds=x, outcome=None) for x in (9.0, 1.0, 2.0)]
    assert harness.median_seconds(runs) == 2.0


def test_table_lines_up():
    table = harness.to_table(["name", "s"], [["a", 1.5], ["longer", 2]])
    assert table.splitlines() == [
        "| name   | s   |",
        "|--------|-----|",
        "| a      | 1.5 |",
        "| longer | 2   |",
    ]


def test_last_line_is_flat_json():
    assert json.loads(harness.to_last_line({"ratio": 2.5, "files": 3})) == {
        "ratio": 2.5,
        "files": 3,
    }
    with pytest.raises(TypeError, match="no plain values"):
        harness.to_last_line({"nested": {}})
