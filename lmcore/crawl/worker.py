"""A child process that extracts pages and can be killed.

An extractor may hang inside C code, crash, or eat all memory; no signal handler or thread helps.
So pages go over a pipe to one persistent child (exec'ed, never forked: a fork of a process with
threads may deadlock). It is killed at its deadline and replaced; the page becomes `timeout`, its
neighbours never notice. A page on which the child dies is tried once more in a fresh child, so that
what earlier pages left behind decides nothing; then it is `extractor_error`. The child dies with
its parent (end of input, and SIGKILL through prctl), and steps down when it has grown too large.

Frames: two lengths (network order, 32 bits), a JSON header, a body. Cost: 0.5 s to start, then
about 0.2 ms a page beside extraction.
"""

import ctypes
import json
import logging
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, BinaryIO  # Any: what JSON holds

from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.record import Page
from lmcore.errors import TransientError
from lmcore.memory import resident_bytes

_LOGGER = logging.getLogger(__name__)
_FRAME = struct.Struct("!II")
_START_SECONDS = 120.0
_WALL_FACTOR = 8.0
"""Seconds on the clock allowed for each CPU second: a child that sleeps is caught as well."""
_MAX_RSS_BYTES = 1 << 30
_PR_SET_PDEATHSIG = 1
_ABOUT = tuple(field.name for field in fields(Page) if field.name != "text")


class _Overdue(Exception):  # noqa: N818  (control flow inside this module)
    """The deadline has passed."""


class _Gone(Exception):  # noqa: N818  (control flow inside this module)
    """The child has died."""


def _pack(header: Mapping[str, object], body: bytes) -> bytes:
    encoded = json.dumps(header).encode()
    return _FRAME.pack(len(encoded), len(body)) + encoded + body


class Worker:
    """Extracts pages in a child process; a context manager, started by the first page."""

    def __init__(self, config: ExtractConfig) -> None:
        self._config = config
        self._child: subprocess.Popen[bytes] | None = None
        self.n_starts = 0

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def child_pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return self._child.pid if self._child else None

    def close(self) -> None:
        """Kills the child, if there is one."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def extract(
        self,
        body: bytes,
        http_charset: str,
        *,
        url: str = "",
        kind: str = "html",
        opt_out: Sequence[str] = (),
    ) -> Page:
        """What extract_page finds in one body; never raises for what the page does.

        Raises TransientError where no child can be started.
        """
        request = {"http_charset": http_charset, "url": url, "kind": kind, "opt_out": opt_out}
        frame = _pack(request, body)
        for _ in range(2):
            try:
                return self._ask(frame)
            except _Overdue:
                self.close()
                return Page(outcome="timeout", opt_out=opt_out)
            except _Gone:
                self.close()
        return Page(outcome="extractor_error", opt_out=opt_out)

    def _ask(self, frame: bytes) -> Page:
        if self._child is None:
            self._start()
        answer, text = self._exchange(frame, self._config.page_seconds)
        if answer["error"]:
            _LOGGER.info("extractor failed error=%s", answer["error"])
        if answer["retires"]:
            self.close()
        return Page(**answer["page"], text=text)

    def _start(self) -> None:
        root = str(Path(__file__).parents[2])
        environment = dict(os.environ, PYTHONHASHSEED="0", OMP_NUM_THREADS="1")
        environment["PYTHONPATH"] = os.pathsep.join(
            [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        self._child = subprocess.Popen(
            [sys.executable, "-m", "lmcore.crawl.worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            bufsize=0,
        )
        self.n_starts += 1
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        try:
            self._exchange(_pack(asdict(self._config), b""), _START_SECONDS)
        except (_Overdue, _Gone) as error:
            child = self._child
            self.close()
            raise TransientError(
                f"the extraction child ended with code {child.returncode} before its first page, "
                f"expected it to start within {_START_SECONDS:.0f} s; see `{sys.executable} -c "
                "'import trafilatura, resiliparse, pypdfium2'`, and free memory if that works"
            ) from error

    def _exchange(self, frame: bytes, cpu_seconds: float) -> tuple[dict[str, Any], str]:
        child = self._child
        assert child is not None
        assert child.stdin is not None
        assert child.stdout is not None
        deadline = _Deadline(child.pid, cpu_seconds)
        try:
            _write(child.stdin.fileno(), memoryview(frame), deadline)
            head = _FRAME.unpack(_read(child.stdout.fileno(), _FRAME.size, deadline))
            data = _read(child.stdout.fileno(), sum(head), deadline)
        except OSError as error:
            raise _Gone from error
        return json.loads(data[: head[0]]), data[head[0] :].decode()


class _Deadline:
    """CPU seconds of another process, with a limit on the clock behind it."""

    def __init__(self, pid: int, cpu_seconds: float) -> None:
        self._clock = (~pid << 3) | 2  # Linux: the CPU clock of that process
        self._cpu_end = self._cpu() + cpu_seconds
        self._wall_end = time.monotonic() + cpu_seconds * _WALL_FACTOR

    def _cpu(self) -> float:
        try:
            return time.clock_gettime(self._clock)
        except OSError:
            return 0.0

    def wait(self, pipe: int, event: int) -> None:
        """Returns when the pipe is ready; raises _Overdue at the deadline."""
        poller = select.poll()
        poller.register(pipe, event)
        while True:
            left = min(self._cpu_end - self._cpu(), self._wall_end - time.monotonic())
            if left <= 0:
                raise _Overdue
            if poller.poll(max(left, 0.001) * 1000):
                return


def _write(pipe: int, frame: memoryview, deadline: _Deadline) -> None:
    while frame:
        try:
            frame = frame[os.write(pipe, frame) :]
        except BlockingIOError:
            deadline.wait(pipe, select.POLLOUT)


def _read(pipe: int, n_bytes: int, deadline: _Deadline) -> bytes:
    data = bytearray()
    while len(data) < n_bytes:
        deadline.wait(pipe, select.POLLIN)
        chunk = os.read(pipe, n_bytes - len(data))
        if not chunk:
            raise _Gone
        data += chunk
    return bytes(data)


def _receive(source: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    head = source.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    n_header, n_body = _FRAME.unpack(head)
    return json.loads(source.read(n_header)), source.read(n_body)


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before prctl
        sys.exit(1)


def _serve(source: BinaryIO, sink: BinaryIO) -> None:
    from lmcore.crawl.html import extract_page, warm_up  # the parent needs none of it

    first = _receive(source)
    if first is None:
        return
    config = ExtractConfig(**first[0])
    resource.setrlimit(resource.RLIMIT_AS, (config.page_memory_bytes, config.page_memory_bytes))
    warm_up(config)
    sink.write(_pack({}, b""))
    while (request := _receive(source)) is not None:
        header, body = request
        error = ""
        try:
            page = extract_page(body, config=config, **header)
        except Exception as caught:  # noqa: BLE001  (whatever a page does is that page's outcome)
            page = Page(outcome="extractor_error", opt_out=header["opt_out"])
            error = f"{type(caught).__name__}: {caught}"[:500]
        found = {name: getattr(page, name) for name in _ABOUT}
        text = page.text.encode("utf-8", "replace")
        grown = resident_bytes() > _MAX_RSS_BYTES
        sink.write(_pack({"page": found, "error": error, "retires": grown}, text))


def main() -> None:
    """The child: answers frames on its standard input until it ends."""
    _die_with(int(sys.argv[1]))
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sink = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing that prints can break a frame
    with sink, os.fdopen(0, "rb") as source:
        _serve(source, sink)


if __name__ == "__main__":
    main()
