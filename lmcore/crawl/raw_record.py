"""One record as it stands in an archive, before anything is made of its block."""

import re
from dataclasses import dataclass

from lmcore.crawl.url import from_bytes

TRUNCATED, MALFORMED, OVERSIZE = "truncated", "malformed", "oversize"
_ARC_DATE = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$")


@dataclass(slots=True)
class RawRecord:
    """One record as it stands in the file.

    `problem` is "" or one of TRUNCATED, MALFORMED, OVERSIZE (then `block` is its beginning only).
    `record_type` is "" for lost bytes in which no record was found.
    """

    offset: int
    length: int
    record_type: str
    record_id: str
    url: str
    date: str
    content_type: str
    digest: str
    block: bytes | bytearray
    problem: str


LOST = RawRecord(
    offset=-1, length=-1, record_type="", record_id="", url="", date="",
    content_type="", digest="", block=b"", problem=MALFORMED,
)  # fmt: skip


def split_arc_line(line: bytes, n_fields: int) -> list[bytes]:
    """Fields of an ARC record's line: ARC 1 has five, ARC 2 ten; a URL may hold blanks."""
    plain = line.rstrip(b"\r\n")
    fields = plain.rsplit(b" ", n_fields - 1)
    if len(fields) < n_fields or not fields[1].strip():
        fields = plain.rsplit(b" ", 4)
    return fields


def arc_record(fields: list[bytes], block: bytes | bytearray, problem: str) -> RawRecord:
    """The record of an ARC line's fields and its block; its place is not known yet."""
    url = fields[0]
    date = _ARC_DATE.match(fields[2])
    is_http = block.startswith(b"HTTP/")
    return RawRecord(
        -1,
        -1,
        "warcinfo" if url.startswith(b"filedesc:") else "response",
        "",
        from_bytes(url),
        date.expand(rb"\1-\2-\3T\4:\5:\6Z").decode() if date else "",
        "application/http; msgtype=response" if is_http else fields[3].decode("latin-1"),
        "",
        block,
        problem,
    )
