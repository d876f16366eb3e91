"""An archive file to rows: every record, with its page or the one reason why it is none.

`extract_archive` never raises for what a file holds: a damaged record, a lying header, a page that
hangs its extractor each end as one row. Order of the rows is order in the file. Memory: one record
and one child process. Cost: 35 ms a page in the precise tier, 6 ms in the fast one; 0.1 ms a record
that is no page.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha1
from pathlib import Path
from typing import Any  # the fields of a page have several types

from lmcore.crawl import http
from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.metadata import read_header_opt_outs
from lmcore.crawl.raw_record import MALFORMED, OVERSIZE, TRUNCATED, RawRecord
from lmcore.crawl.record import PAGE, Page, Record, hash_id
from lmcore.crawl.url import is_robots_txt
from lmcore.crawl.warc import read_records
from lmcore.crawl.worker import Worker
from lmcore.errors import TransientError

_HEADER_BYTES = 1 << 18
_HTML_MIMES = frozenset({"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"})
_UNKNOWN_MIMES = frozenset({"", "unknown/unknown", "application/unknown", "*/*"})
_PDF_MIMES = frozenset({"application/pdf", "application/x-pdf"})
_PDF_START = b"%PDF-"
_NO_PAGE = Page(outcome="")
_WEB = re.compile(r"https?:", re.IGNORECASE)

Payload = bytes | bytearray | memoryview


@dataclass(slots=True)
class Tally:
    """What the reader found in a file, counted before anything is made of it."""

    n_records: int = 0
    is_damaged: bool = False
    """Whether bytes are lost or a record is not whole."""

    def count(self, records: Iterable[RawRecord]) -> Iterator[RawRecord]:
        """Hands the records on and counts them."""
        for raw in records:
            self.n_records += 1
            self.is_damaged = self.is_damaged or raw.problem in (TRUNCATED, MALFORMED)
            yield raw


@dataclass(slots=True)
class _Verdict:
    """What became of a record; filled in as far as the checks come."""

    outcome: str = ""
    http_status: int | None = None
    mime: str = ""
    digest: str = ""
    page: Page = _NO_PAGE
    opt_out: Sequence[str] = ()
    """Signals of its HTTP headers."""


def _sha1(block: Payload) -> str:
    return "sha1:" + base64.b32encode(sha1(block, usedforsecurity=False).digest()).decode()


class _Judge:
    """Decides records one by one; keeps the child that extracts pages."""

    def __init__(self, config: ExtractConfig, worker: Worker) -> None:
        self._config = config
        self._worker = worker

    def decide(self, raw: RawRecord) -> _Verdict:
        """The outcome of one record and what is known of it."""
        mime, charset = http.parse_content_type(raw.content_type)
        verdict = _Verdict(mime=mime, digest=raw.digest)
        body: Payload = raw.block
        if raw.record_type in ("response", "revisit") and mime == "application/http":
            response = http.parse_response(raw.block)
            verdict.mime = ""
            if response is not None:
                body, verdict.http_status = response.body, response.status
                verdict.mime, charset = http.parse_content_type(response.content_type)
                verdict.opt_out = read_header_opt_outs(response.headers)
            outcome = self._reject(raw) or self._reject_response(raw, response)
            if not outcome and response is not None:
                outcome = self._read_body(raw, response, charset, verdict)
        else:
            outcome = self._reject(raw) or self._read_plain(raw, charset, verdict)
        verdict.outcome = outcome
        if not verdict.digest and body and raw.problem not in (TRUNCATED, OVERSIZE):
            verdict.digest = _sha1(body)
        return verdict

    def _reject(self, raw: RawRecord) -> str:
        """Reasons that need no look inside the block; "" where none holds."""
        if raw.problem in (TRUNCATED, MALFORMED):
            return f"{raw.problem}_record"
        match raw.record_type:
            case "warcinfo" | "request" | "revisit":
                return raw.record_type
            case "metadata":
                is_wat = raw.content_type.lower().startswith("application/json")
                return "wat" if is_wat else "metadata"
            case "response" | "resource" | "conversion":
                if raw.url.lower().startswith("dns:"):
                    return "dns"
                return "robots_txt" if is_robots_txt(raw.url) else ""
        return "other_record"

    def _reject_response(self, raw: RawRecord, response: http.Response | None) -> str:
        if response is None:
            return "empty_body" if not raw.block else "bad_http"
        if 300 <= response.status < 400:
            return "http_redirect"
        return "" if 200 <= response.status < 300 else "http_error"

    def _read_body(
        self, raw: RawRecord, response: http.Response, charset: str, verdict: _Verdict
    ) -> str:
        if not response.body:
            return "empty_body"
        if not self._is_readable(verdict.mime):
            return "not_html"
        if raw.problem == OVERSIZE:
            return "too_large"
        try:
            body = http.decode_body(response, max_bytes=self._config.max_page_bytes)
        except http.EncodingError:
            return "bad_encoding"
        except http.TooLargeError:
            return "too_large"
        return self._extract(body, charset, raw.url, verdict)

    def _is_readable(self, mime: str) -> bool:
        if mime in _PDF_MIMES:
            return self._config.reads_pdf
        return mime in _HTML_MIMES or mime in _UNKNOWN_MIMES

    def _read_plain(self, raw: RawRecord, charset: str, verdict: _Verdict) -> str:
        """Records without HTTP: plain text made from pages (WET), and stored pages."""
        is_plain = raw.record_type == "conversion"
        if is_plain:
            is_page, other = verdict.mime in ("text/plain", ""), "other_record"
        else:
            is_page = verdict.mime not in _UNKNOWN_MIMES and self._is_readable(verdict.mime)
            is_page = is_page and bool(_WEB.match(raw.url))
            other = "resource" if raw.record_type == "resource" else "not_html"
        if not is_page:
            return other
        if not raw.block:
            return "empty_body"
        if raw.problem == OVERSIZE or len(raw.block) > self._config.max_page_bytes:
            return "too_large"
        return self._extract(bytes(raw.block), charset, raw.url, verdict, is_plain=is_plain)

    def _kind(self, body: bytes, mime: str) -> str:
        """What the bytes are read as: html or pdf; "" where they are neither."""
        is_unknown = mime in _UNKNOWN_MIMES
        if mime in _PDF_MIMES or (is_unknown and body.startswith(_PDF_START)):
            return "pdf" if self._config.reads_pdf else ""
        if http.starts_like_binary(body) or (is_unknown and not http.starts_like_html(body)):
            return ""
        return "html"

    def _extract(
        self, body: bytes, charset: str, url: str, verdict: _Verdict, *, is_plain: bool = False
    ) -> str:
        if not body.strip():
            return "empty_body"
        kind = "text" if is_plain else self._kind(body, verdict.mime)
        if not kind:
            return "not_html"
        verdict.page = self._worker.extract(
            body, charset, url=url, kind=kind, opt_out=verdict.opt_out
        )
        return verdict.page.outcome


def _name_record(raw: RawRecord, name: str, verdict: _Verdict, seen: set[str]) -> str:
    """The record's id: by its file and WARC-Record-ID, else by its content and place.

    The file's name counts because archives get copied: the same record in two files is two rows.
    A file that repeats an id gets ids that count the place too.
    """
    if raw.record_id:
        record_id = hash_id(name, raw.record_id)
    elif verdict.digest:
        record_id = hash_id(name, raw.url, raw.date, verdict.digest, raw.offset)
    else:
        record_id = hash_id(name, raw.offset, raw.url)
    n_before = 0
    while record_id in seen:
        n_before += 1
        record_id = hash_id(raw.record_id, name, raw.offset, n_before)
    seen.add(record_id)
    return record_id


def _without_text(page: Page) -> dict[str, Any]:
    fields = asdict(page)
    del fields["text"]
    return fields


def _to_record(raw: RawRecord, name: str, verdict: _Verdict, seen: set[str]) -> Record:
    page = replace(verdict.page, outcome=verdict.outcome)
    page = replace(page, opt_out=page.opt_out or verdict.opt_out)
    return Record(
        record_id=_name_record(raw, name, verdict, seen),
        warc_file=name,
        warc_offset=raw.offset,
        warc_length=raw.length,
        record_type=raw.record_type,
        url=raw.url,
        date=raw.date,
        http_status=verdict.http_status,
        mime=verdict.mime,
        payload_digest=verdict.digest,
        text=page.text if page.outcome == PAGE else None,
        **_without_text(page),
    )


def unreadable_file(name: str, n_bytes: int = -1) -> Record:
    """The one row of a file that cannot be read, or in which no record begins."""
    return Record(
        record_id=hash_id(name, "unreadable_file"),
        warc_file=name,
        warc_offset=0,
        warc_length=n_bytes,
        record_type="",
        url="",
        date="",
        http_status=None,
        mime="",
        payload_digest="",
        text=None,
        **_without_text(Page(outcome="unreadable_file")),
    )


def extract_archive(
    path: Path, name: str, config: ExtractConfig, tally: Tally | None = None
) -> Iterator[Record]:
    """Every record of one archive file, in order, each with exactly one outcome.

    `name` is the file's name in the rows. A file that cannot be opened, or in which no record
    begins, is one row `unreadable_file`. `tally` ends as the number of rows to expect, counted
    where records are read. Raises TransientError where reading an open file fails or no extraction
    child can be started.
    """
    tally = tally or Tally()
    try:
        file = path.open("rb")
    except OSError:
        tally.n_records, tally.is_damaged = 1, True
        yield unreadable_file(name)
        return
    with file, Worker(config) as worker:
        judge = _Judge(config, worker)
        seen: set[str] = set()
        lost: list[Record] = []
        is_readable = False
        raws = read_records(file, max_record_bytes=config.max_page_bytes + _HEADER_BYTES)
        try:
            for raw in tally.count(raws):
                record = _to_record(raw, name, judge.decide(raw), seen)
                is_readable = is_readable or bool(raw.record_type)
                lost.append(record)
                if is_readable:
                    yield from lost
                    lost.clear()
        except OSError as error:
            raise TransientError(
                f"reading {path} failed ({error}), expected a readable file; try again"
            ) from error
        if not is_readable:
            tally.n_records, tally.is_damaged = 1, True
            yield unreadable_file(name, file.seek(0, 2))
