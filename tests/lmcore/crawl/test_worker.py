import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.html import extract_page
from lmcore.crawl.record import Page
from lmcore.crawl.worker import Worker
from lmcore.errors import TransientError

WORDS = " ".join(f"word{i}" for i in range(300))
PAGE = f"<html><head><title>T</title></head><body><p>{WORDS}.</p></body></html>".encode()
DEEP = b"<div>" * 12_000 + b"x" + b"</div>" * 12_000
"""Seconds of resiliparse, in C code that no signal handler interrupts."""


def to_tuples(page):
    """A page whose lists came through JSON."""
    return replace(page, outlinks=tuple(page.outlinks), opt_out=tuple(page.opt_out))


def is_gone_within(pid: int, seconds: float) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


@pytest.fixture(scope="module")
def worker():
    with Worker(ExtractConfig(tier="fast", page_seconds=1.0)) as worker:
        yield worker


def test_worker_answers_what_extraction_in_process_answers(worker):
    config = ExtractConfig(tier="fast")
    bodies = [
        PAGE,
        b"",
        "<p>Grüße, 图书馆</p>".encode(),
        bytes(range(256)) * 50,
        b"<p>" + b"x " * 400_000,
    ]
    for body in bodies:
        assert to_tuples(worker.extract(body, "utf-8")) == extract_page(body, "utf-8", config)
    assert worker.extract(PAGE, "", kind="text").text == PAGE.decode()


def test_worker_keeps_one_child_for_many_pages(worker):
    worker.extract(PAGE, "")
    before = worker.n_starts
    for _ in range(200):
        assert worker.extract(PAGE, "").outcome == "page"
    assert worker.n_starts == before


def test_worker_of_a_large_parent_keeps_its_child():
    script = (
        "from lmcore.crawl.worker import Worker\n"
        "from lmcore.crawl.config import ExtractConfig\n"
        "held = bytearray(b'x') * (1200 << 20)\n"
        "with Worker(ExtractConfig(tier='fast')) as worker:\n"
        "    for _ in range(5): worker.extract(b'<p>x</p>', '')\n"
        "    print(worker.n_starts)\n"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "1\n"


def test_worker_child_killed_between_pages_is_replaced_and_the_page_kept(worker):
    worker.extract(PAGE, "")
    before = worker.n_starts
    os.kill(worker.child_pid, signal.SIGKILL)
    assert worker.extract(PAGE, "").outcome == "page"
    assert worker.n_starts == before + 1


def test_worker_slow_page_is_killed_and_its_neighbours_kept():
    config = ExtractConfig(tier="fast", page_seconds=0.3, max_depth=100_000)
    with Worker(config) as worker:
        assert worker.extract(PAGE, "").outcome == "page"
        pid = worker.child_pid
        assert worker.extract(DEEP, "") == Page(outcome="timeout")
        assert is_gone_within(pid, 5)
        assert worker.extract(PAGE, "").outcome == "page"


def test_worker_child_that_sleeps_is_caught_by_the_clock():
    with Worker(ExtractConfig(tier="fast", page_seconds=0.05)) as worker:
        assert worker.extract(PAGE, "").outcome == "page"
        os.kill(worker.child_pid, signal.SIGSTOP)
        assert worker.extract(PAGE * 1000, "").outcome == "timeout"


def test_worker_dies_with_a_parent_that_is_killed():
    script = (
        "import sys, json; from lmcore.crawl.worker import Worker\n"
        "from lmcore.crawl.config import ExtractConfig\n"
        "worker = Worker(ExtractConfig(tier='fast'))\n"
        "worker.extract(b'<p>x</p>', '')\n"
        "print(json.dumps(worker.child_pid), flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        child = json.loads(parent.stdout.readline())
        os.kill(child, signal.SIGSTOP)  # it cannot read the end of its input: only prctl can end it
        parent.kill()
        assert is_gone_within(child, 10)


def test_worker_child_that_cannot_start_raises_transient_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        Worker(ExtractConfig()) as worker,
        pytest.raises(TransientError, match="ended with code 1"),
    ):
        worker.extract(PAGE, "")


BAITS = (
    b"<meta " * 30_000,
    b"<a href" * 30_000,
    b"<math" * 30_000,
    b'<span class="mwe-math-mathml' * 5_000,
    b"<script type=math/tex" * 5_000,
    b"<title>" * 30_000,
    b"<table>" + b"<tr><td colspan=9007199254740991>x" * 2_000,
)


def test_worker_bait_costs_no_neighbour_its_place():
    with Worker(ExtractConfig(tier="fast", page_seconds=20.0)) as worker:
        for bait in BAITS:
            assert worker.extract(bait, "").outcome in ("page", "no_text", "too_deep")
            assert worker.extract(PAGE, "").outcome == "page"
        assert worker.n_starts == 1


def test_worker_page_that_asks_for_too_much_memory_is_an_error_and_its_neighbour_kept():
    config = ExtractConfig(tier="fast", page_memory_bytes=1 << 29, max_page_bytes=1 << 28)
    huge = b"<p>" + "\u5b57".encode() * (60 << 20)
    with Worker(config) as worker:
        assert worker.extract(huge, "utf-8").outcome == "extractor_error"
        assert worker.extract(PAGE, "").outcome == "page"
