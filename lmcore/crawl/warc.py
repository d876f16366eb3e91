"""Records of WARC 0.17-1.1 and ARC 1-2 files, whatever has happened to the file.

Every byte of a file ends in a record or in a counted loss. Nearly every member of a `.warc.gz` holds
one well-formed record: `read_whole` takes it as it is, at about 10 µs beside inflation. All else
goes through `_SpanReader`, which costs several times as much. (FastWARC ends silently in a
truncated member, raises at the first damaged one and does not read ARC.)

Where framing lies (WARC 1.1, ISO 28500:2017, says block length = Content-Length):
a block cut by the end of the file is `truncated`; a Content-Length that is no number, too large
(it swallows the next record) or too small (text follows instead of a blank line) is `malformed`.
After either the next line that begins a record is looked for.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from io import BufferedIOBase

from lmcore.crawl.headers import parse_headers, parse_plain_headers
from lmcore.crawl.members import ARC_LINE, RECORD_START, WARC_LINE, Span, read_spans
from lmcore.crawl.raw_record import (
    LOST,
    MALFORMED,
    OVERSIZE,
    TRUNCATED,
    RawRecord,
    arc_record,
    split_arc_line,
)
from lmcore.crawl.url import from_bytes
from lmcore.crawl.whole import MAX_HEADER_BYTES, read_whole

_MAX_LINE_BYTES = 1 << 14
_KEPT_BYTES = 1 << 16
_WINDOW_BYTES = 1 << 20
_FIRST_LINE = re.compile(rb"\n")
_WARC_FIELD = re.compile(rb"(?:^|\n)WARC-(?:Type|Record-ID)[ \t]*:", re.IGNORECASE)
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"\d{1,18}")
_NEXT_RECORD = re.compile(rb"\n(?:" + RECORD_START.pattern + rb")")
_UNBROKEN = re.compile(WARC_LINE + rb"(?=[A-Za-z-]+[ \t]*:)")
"""The beginning of a record right behind the cut end of another, without a line end between."""
_ONCE = re.compile(rb"\nWARC-(?:Type|Record-ID)[ \t]*:", re.IGNORECASE)
_N_ONCE = 2
"""Two fields that a header has once each."""
_SWALLOWED = re.compile(
    rb"\r?\n(?=" + WARC_LINE + rb"[A-Za-z-]+[ \t]*:|" + ARC_LINE + rb"(?:HTTP/|\d{14}\n))"
)
"""A record inside the block of another whose length is wrong: a first line and its successor."""


class _Buffer:
    """A window over a span: look ahead, then take."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._data = b""
        self._start = 0
        self.position = 0
        """Bytes taken so far."""

    def join(self) -> bool:
        """Lets the span go on into a member that continues it."""
        return self._span.join()

    def peek(self, n_bytes: int) -> bytes:
        """The next bytes, fewer only at the span's end."""
        available = len(self._data) - self._start
        if available < n_bytes:
            parts = [self._data[self._start :]]
            while available < n_bytes and (chunk := self._span.read()):
                parts.append(chunk)
                available += len(chunk)
            self._data, self._start = b"".join(parts), 0
        return self._data[self._start : self._start + n_bytes]

    def skip(self, n_bytes: int) -> int:
        """Drops bytes without keeping them; returns how many there were."""
        skipped = 0
        while skipped < n_bytes:
            available = len(self._data) - self._start
            if not available:
                self._data, self._start = self._span.read(), 0
                if not self._data:
                    break
                continue
            step = min(available, n_bytes - skipped)
            self._start += step
            skipped += step
        self.position += skipped
        return skipped

    def skip_blank(self) -> int:
        """Drops line ends."""
        skipped = 0
        while (head := self.peek(64)) and (blank := len(head) - len(head.lstrip(b"\r\n"))):
            skipped += self.skip(blank)
            if blank < len(head):
                break
        return skipped

    def skip_to_record(self) -> None:
        """Drops bytes up to the next line that begins a record; at least one is dropped."""
        self.skip(1)
        while window := self.peek(_WINDOW_BYTES):
            if RECORD_START.match(window):
                return
            found = _NEXT_RECORD.search(window)
            at = found.start() + 1 if found else len(window)
            unbroken = _UNBROKEN.search(window, 0, at)
            if found or unbroken:
                self.skip(unbroken.start() if unbroken else at)
                return
            if len(window) < _WINDOW_BYTES:
                self.skip(len(window))
                return
            last_line = window.rfind(b"\n", _WINDOW_BYTES - _MAX_LINE_BYTES) + 1
            self.skip(last_line or _WINDOW_BYTES)

    def rewind(self, position: int) -> bool:
        """Goes back to an earlier place; only a plain file can."""
        if not self._span.rewind(position):
            return False
        self._data, self._start, self.position = b"", 0, position
        return True


class _SpanReader:
    """The records of one span."""

    def __init__(self, span: Span, max_record_bytes: int, n_arc_fields: int) -> None:
        self._span = span
        self._buffer = _Buffer(span)
        self._max_record_bytes = max_record_bytes
        self.n_arc_fields = n_arc_fields

    def records(self) -> Iterator[RawRecord]:
        """Yields records one late: only the span's end tells whether a member held just one."""
        buffer, waiting, n_records = self._buffer, None, 0
        while True:
            buffer.skip_blank()
            begin = buffer.position
            record = self._read_one()
            if record is None:
                break
            buffer.skip_blank()
            if waiting is not None:
                yield waiting
            n_records += 1
            offset, length = begin, buffer.position - begin
            if self._span.compressed:
                offset, length = self._span.start, -1
            record.offset, record.length = offset, length
            waiting = record
        yield from self._close(waiting, n_records)

    def _close(self, last: RawRecord | None, n_records: int) -> Iterator[RawRecord]:
        """The last record, now that the span's end and its damage are known."""
        span = self._span
        whole_length = span.end - span.start
        if last is not None and span.compressed and n_records == 1:
            last = replace(last, length=whole_length)
            if span.damaged and not last.problem:  # complete, but its checksum does not hold
                last = replace(last, problem=MALFORMED)
        if last is not None:
            yield last
        if span.damaged and (last is None or not last.problem):
            length = whole_length if last is None else -1
            yield replace(LOST, offset=span.start, length=length)

    def _read_one(self) -> RawRecord | None:
        head = self._peek_head(_FIRST_LINE)
        if not head:
            return None
        start = RECORD_START.match(head)
        if start is None:
            return self._read_lost(self._buffer.peek(MAX_HEADER_BYTES))
        return self._read_warc() if head.startswith(b"WARC/") else self._read_arc(start[0])

    def _peek_head(self, end: re.Pattern[bytes]) -> bytes:
        """The bytes at the front, up to `end` or the largest header at least."""
        head = self._buffer.peek(MAX_HEADER_BYTES)
        while head and len(head) < MAX_HEADER_BYTES and not end.search(head):
            if not self._buffer.join():
                break
            head = self._buffer.peek(MAX_HEADER_BYTES)
        return head

    def _read_lost(self, head: bytes) -> RawRecord:
        """Bytes that are no record, up to the next; named where they hold a record's fields."""
        blank = _BLANK_LINE.search(head)
        fields = None
        if blank and _WARC_FIELD.search(head, 0, blank.start()):
            fields = parse_headers(head[: blank.start()])
        self._buffer.skip_to_record()
        return replace(LOST) if fields is None else _from_fields(fields, b"", MALFORMED)

    def _read_warc(self) -> RawRecord:
        head = self._peek_head(_BLANK_LINE)
        at = head.find(b"\r\n\r\n")
        fields = parse_plain_headers(head[:at]) if at >= 0 else None
        begin = at + 4
        if fields is None:
            blank = _BLANK_LINE.search(head)
            fields = parse_headers(head[: blank.start()]) if blank else None
            if blank is None or fields is None:
                return self._read_lost(head)
            at, begin = blank.span()
        cut = _UNBROKEN.search(head, 1, at)
        if cut and len(_ONCE.findall(head, 0, at)) > _N_ONCE:
            # the next record's header goes on where this one breaks off
            self._buffer.skip(cut.start())
            return _from_fields(parse_headers(head[: cut.start()]) or {}, b"", MALFORMED)
        self._buffer.skip(begin)
        block, problem = self._read_block(fields.get(b"content-length", b""))
        return _from_fields(fields, block, problem)

    def _read_arc(self, line: bytes) -> RawRecord:
        self._buffer.skip(len(line))
        fields = split_arc_line(line, self.n_arc_fields)
        block, problem = self._read_block(bytes(fields[-1]))
        if line.startswith(b"filedesc:"):
            version = block.split(b" ", 1)[0].strip()
            self.n_arc_fields = 10 if version == b"2" else 5
        return arc_record(fields, block, problem)

    def _read_block(self, length_field: bytes) -> tuple[bytes, str]:
        """A block and what is wrong with it."""
        buffer = self._buffer
        length = _LENGTH.fullmatch(length_field)
        if length is None:
            buffer.skip_to_record()
            return b"", MALFORMED
        n_bytes, begin = int(length[0]), buffer.position
        if n_bytes > self._max_record_bytes:
            return self._pass_over(n_bytes, begin)
        return self._read_framed(n_bytes)

    def _read_framed(self, n_bytes: int) -> tuple[bytes, str]:
        """A block of a stated length, and whether the length lies."""
        buffer = self._buffer
        window = buffer.peek(n_bytes + 1)
        if len(window) > n_bytes and window[n_bytes] in b"\r\n":
            buffer.skip(n_bytes)
            return window[:n_bytes], ""
        window = buffer.peek(n_bytes + _MAX_LINE_BYTES)
        while len(window) < n_bytes and buffer.join():
            window = buffer.peek(n_bytes + _MAX_LINE_BYTES)
        block, after = window[:n_bytes], window[n_bytes:]
        is_short = len(block) < n_bytes
        if not is_short and (not after or after[:1] in b"\r\n" or RECORD_START.match(after)):
            buffer.skip(n_bytes)
            return block, ""
        end, begin = _find_swallowed(window) or (n_bytes, n_bytes)
        if end < n_bytes:
            buffer.skip(begin)
            return block[:end], MALFORMED
        buffer.skip(len(block))
        if is_short:
            return block, TRUNCATED
        buffer.skip_to_record()
        return block, MALFORMED

    def _pass_over(self, n_bytes: int, begin: int) -> tuple[bytes, str]:
        """The beginning of a block that is too large to hold."""
        buffer = self._buffer
        block = buffer.peek(_KEPT_BYTES)
        skipped = buffer.skip(n_bytes)
        while skipped < n_bytes and buffer.join():
            skipped += buffer.skip(n_bytes - skipped)
        if skipped == n_bytes:
            return block, OVERSIZE
        if buffer.rewind(begin):  # the length lied: records may lie in what was passed over
            buffer.skip_to_record()
        return block, TRUNCATED


def _find_swallowed(window: bytes) -> tuple[int, int] | None:
    """Where a block ends and the record that it swallowed begins; None where it swallowed none."""
    swallowed = _SWALLOWED.search(window)
    unbroken = _UNBROKEN.search(window, 0, swallowed.start() if swallowed else len(window))
    if unbroken:
        return unbroken.start(), unbroken.start()
    return swallowed.span() if swallowed else None


def _from_fields(fields: dict[bytes, bytes], block: bytes, problem: str) -> RawRecord:
    """A record by the fields of its header; its place is not known yet."""
    return replace(
        LOST,
        record_type=_text(fields, b"warc-type").lower() or "unknown",
        record_id=_text(fields, b"warc-record-id").strip("<>"),
        url=_url(fields.get(b"warc-target-uri", b"")),
        date=_text(fields, b"warc-date"),
        content_type=_text(fields, b"content-type"),
        digest=_text(fields, b"warc-payload-digest"),
        block=block,
        problem=problem,
    )


def _text(fields: dict[bytes, bytes], name: bytes) -> str:
    value = fields.get(name)
    return value.decode("utf-8", "replace").strip() if value else ""


def _url(raw: bytes) -> str:
    return raw.decode("ascii") if raw.isascii() and raw[:1] != b"<" else from_bytes(raw)


def read_records(
    file: BufferedIOBase, *, max_record_bytes: int, at_once: bool = True
) -> Iterator[RawRecord]:
    """Every record of an archive in order, losses included.

    Blocks above `max_record_bytes` are passed over without being held (OVERSIZE). Without `at_once`
    all is read piece by piece: slower, the same records.
    """
    n_arc_fields = 5
    for span in read_spans(file, at_once=at_once):
        if span.whole is not None:
            record = read_whole(span, span.whole, max_record_bytes, n_arc_fields)
            if record is not None:
                yield record
                continue
        reader = _SpanReader(span, max_record_bytes, n_arc_fields)
        yield from reader.records()
        n_arc_fields = reader.n_arc_fields
