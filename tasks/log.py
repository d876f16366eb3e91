"""A worker's log file, handed on line by line while the worker runs, and bounded.

A task run's log is stored row by row by whoever watches; a body that talks too much must not
drown it. The first lines go out live, the last ones at the end: what a failure says comes last.
"""

import logging
import os
import re
from collections import deque
from pathlib import Path
from typing import Any

Log = logging.Logger | logging.LoggerAdapter[Any]  # Any: the adapter's type of logger

HEAD_LINES = 200
TAIL_LINES = 100
LINE_BYTES = 500
_CHUNK_BYTES = 1 << 20
_LEVEL = re.compile(r"^\d{4}-\d\d-\d\d \S+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")


class LogTail:
    """Reads what a worker appends to its log and hands it on, within bounds."""

    def __init__(self, path: Path, log: Log) -> None:
        self._file = path.open("rb")
        self._log = log
        self._begun = b""
        self._n_lines = 0
        self._held: deque[bytes] = deque(maxlen=TAIL_LINES)

    def forward(self) -> int:
        """Hand on lines that have ended since the last call; return the bytes that were read.

        One chunk a call: a worker that writes without end does not keep its supervisor here.
        """
        chunk = self._file.read(_CHUNK_BYTES)
        *lines, begun = (self._begun + chunk).split(b"\n")
        self._begun = begun[: LINE_BYTES + 1]  # one byte more tells that the line was cut
        for line in lines:
            self._take(line)
        return len(chunk)

    def close(self) -> None:
        """Hand on the rest, and say how many lines were left out."""
        remaining_bytes = os.fstat(self._file.fileno()).st_size - self._file.tell()
        while remaining_bytes > 0:
            remaining_bytes -= self.forward() or remaining_bytes
        self._file.close()
        if self._begun:
            self._take(self._begun)
        left_out = self._n_lines - HEAD_LINES - len(self._held)
        if left_out > 0:
            self._log.info("left out lines=%d", left_out)
        for line in self._held:
            self._emit(line)

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        self._n_lines += 1
        if self._n_lines <= HEAD_LINES:
            self._emit(line)
        else:
            self._held.append(line[: LINE_BYTES + 1])

    def _emit(self, line: bytes) -> None:
        cut = "..." if len(line) > LINE_BYTES else ""
        # databases take no NUL inside a text
        text = line[:LINE_BYTES].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        level = _LEVEL.match(text)
        number = getattr(logging, level[1]) if level else logging.INFO
        self._log.log(number, "%s%s", text.rstrip(), cut)
