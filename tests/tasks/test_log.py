"""A worker's log, handed on within bounds."""

import dataclasses
import logging

import pytest
from tasks_bench import context_of, make_step

from tasks.errors import StageError
from tasks.log import HEAD_LINES, LINE_BYTES, TAIL_LINES, LogTail
from tasks.stage import execute


class Kept(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)

    @property
    def lines(self):
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def log(kept):
    """A logger of its own that keeps what it is told."""
    logger = logging.Logger("test")  # noqa: LOG001 - not registered: nothing to clean up
    logger.addHandler(kept)
    return logger


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "log.txt"
    path.touch()
    return path


def test_lines_are_handed_on_as_they_end(path, log, kept):
    tail = LogTail(path, log)
    with path.open("ab", buffering=0) as out:
        out.write(b"one\ntw")
        tail.forward()
        assert kept.lines == ["one"]
        out.write(b"o\n\nthree")
        tail.forward()
        assert kept.lines == ["one", "two"]
    tail.close()
    assert kept.lines == ["one", "two", "three"]


def test_lines_too_many_keep_their_first_and_last(path, log, kept):
    n_lines = HEAD_LINES + TAIL_LINES + 7
    path.write_text("".join(f"line {i}\n" for i in range(n_lines)))
    LogTail(path, log).close()
    first = [f"line {i}" for i in range(HEAD_LINES)]
    last = [f"line {i}" for i in range(n_lines - TAIL_LINES, n_lines)]
    assert kept.lines == [*first, "left out lines=7", *last]


def test_lines_that_fit_lose_none(path, log, kept):
    n_lines = HEAD_LINES + TAIL_LINES
    path.write_text("".join(f"line {i}\n" for i in range(n_lines)))
    LogTail(path, log).close()
    assert kept.lines == [f"line {i}" for i in range(n_lines)]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_long_line_is_cut(path, log, kept, end):
    path.write_bytes(b"x" * (4 << 20) + end)
    LogTail(path, log).close()
    assert kept.lines == ["x" * LINE_BYTES + "..."]


def test_level_of_a_line_is_kept(path, log, kept):
    path.write_text("2026-11-22 10:31:33,123 WARNING lmcore.train bad\nplain words ERROR no\n")
    LogTail(path, log).close()
    assert [record.levelno for record in kept.records] == [logging.WARNING, logging.INFO]


def test_bytes_that_are_no_text_are_replaced(path, log, kept):
    path.write_bytes(b"a\xffb\0c\n")
    LogTail(path, log).close()
    assert kept.lines == ["a\ufffdb\ufffdc"]


def step_of(bench, body):
    """A step whose body is any function: it is given the job."""
    step = make_step(bench, body="")
    return dataclasses.replace(step, stage=dataclasses.replace(step.stage, body=body))


def test_step_tells_why_it_runs_what_its_body_says_and_what_it_cost(bench, log, kept):
    key = execute(context_of(bench), step_of(bench, "logging:warning"), {}, log=log).key[:12]
    started, spoken, cost, committed = kept.records
    assert started.getMessage() == f"started step=test key={key} why=no artifact of this key"
    assert (spoken.levelno, "tasks.job.Job" in spoken.getMessage()) == (logging.WARNING, True)
    assert cost.getMessage().startswith("cost seconds=")
    assert committed.getMessage().startswith(f"committed key={key}")


def test_step_found_tells_that_its_files_are_as_committed(bench, log, kept):
    key = execute(context_of(bench), make_step(bench, body="write"), {}).key[:12]
    execute(context_of(bench), make_step(bench, body="write"), {}, log=log)
    (line,) = kept.lines
    assert line.startswith(f"hit, files as committed, key={key}")


def test_step_whose_artifact_is_damaged_tells_so(bench, log, kept):
    ref = execute(context_of(bench), make_step(bench, body="write"), {})
    (bench.store.path_of(ref.kind, ref.key) / "value.txt").write_text("tampered")
    execute(context_of(bench), make_step(bench, body="write"), {}, log=log)
    assert kept.lines[0].endswith("why=the store's artifact is damaged")


def test_step_that_fails_without_a_report_leaves_its_last_words(bench, log, kept):
    with pytest.raises(StageError):
        execute(context_of(bench), step_of(bench, "sys:exit"), {}, log=log)
    assert any("tasks.job.Job" in line for line in kept.lines)


def test_step_without_a_log_of_its_own_tells_the_ordinary_logger(bench, caplog):
    with caplog.at_level(logging.INFO, logger="tasks.stage"):
        execute(context_of(bench), make_step(bench, body="write"), {})
    assert {record.name for record in caplog.records} == {"tasks.stage"}
    assert caplog.messages[0].startswith("started step=test")
