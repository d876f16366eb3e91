"""Progress off a terminal: a line when the engine starts, and one every few seconds after."""

import io
import json
import re

import pytest
from factories import make_store
from rich.console import Console

from flows.progress import ProgressBoard
from warehouse import runs
from warehouse.runs import StepRecord


class Board:
    """A board off a terminal, whose time passes when it is told to."""

    def __init__(self, path):
        self.store = make_store(path / "store")
        self.moment = 0.0
        self.out = io.StringIO()
        self.board = ProgressBoard(self.store, Console(file=self.out), clock=lambda: self.moment)
        self.run = None

    def record(self, step, state, **given):
        if self.run is None:
            self.run = runs.start(self.store, "nano", {})
        stage = step.split("/")[0]
        record = StepRecord(step=step, stage=stage, state=state, started_at=step, **given)
        runs.save_step(self.store, self.run.run_id, record)

    def watch(self, seconds):
        """Poll as often as the thread would; give the lines of that time."""
        at = self.out.tell()
        for _ in range(round(seconds / 0.5)):
            self.moment += 0.5
            self.board.poll()
        self.out.seek(at)
        return self.out.read().splitlines()


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path)


def moments(lines):
    return [float(re.search(r"([\d.]+) s  ", line)[1]) for line in lines]


def test_engine_that_starts_is_a_line_at_once_and_every_five_seconds(board):
    board.board.wait_for("starting the engine")
    assert board.out.getvalue().endswith("0.0 s  starting the engine\n")
    lines = board.watch(11)
    assert moments(lines) == [5.0, 10.0]
    assert all("still starting the engine" in line for line in lines)


def test_step_that_counts_is_said_with_its_share_and_note(board, tmp_path):
    (tmp_path / "progress.json").write_text(json.dumps({"done": 5, "total": 20, "note": "5 of 20"}))
    board.record("tokens", "ran", seconds=1.0)
    board.record("pretrain", "running", work_dir=str(tmp_path))
    first, second = board.watch(6)
    assert first.endswith("tokens  1.0 s")
    assert "pretrain 25% 5 of 20  (1 step done)" in second


def test_step_that_cannot_count_is_said_too(board, tmp_path):
    board.record("tokenizer", "running", work_dir=str(tmp_path))
    (line,) = board.watch(6)
    assert "train the tokenizer tokenizer  (0 steps done)" in line


def test_many_steps_at_once_are_one_line(board, tmp_path):
    for number in range(5):
        board.record(f"extract/{number}", "running", work_dir=str(tmp_path / str(number)))
    (line,) = board.watch(6)
    assert "extract/2" in line
    assert "extract/3" not in line
    assert "2 more" in line


def test_steps_that_end_leave_no_need_for_more(board):
    for number in range(4):
        board.record(f"sweep/{number}", "hit")
        (line,) = board.watch(3)
        assert line.endswith(f"sweep/{number}  cached")


def test_step_that_failed_and_is_tried_again_is_shown_again(board):
    board.record("tokens", "failed")
    (failed,) = board.watch(1)
    assert failed.endswith("tokens  failed")
    board.record("tokens", "running")
    board.watch(1)
    board.record("tokens", "ran", seconds=2.0)
    (ran,) = board.watch(1)
    assert ran.endswith("tokens  2.0 s")


def test_run_that_has_ended_waits_for_the_engine(board):
    board.record("tokens", "hit")
    runs.finish(board.store, board.run, status="completed")
    _, line = board.watch(6)
    assert "closing the engine  (1 step done)" in line
