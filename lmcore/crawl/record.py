"""One row per record of an archive: where it stands, what it was, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

PAGE = "page"

REJECTIONS = (
    "warcinfo",
    "request",
    "metadata",
    "revisit",
    "resource",
    "wat",
    "other_record",
    "dns",
    "robots_txt",
    "bad_http",
    "http_redirect",
    "http_error",
    "not_html",
    "empty_body",
    "too_large",
    "bad_encoding",
    "bad_charset",
    "too_deep",
    "bad_pdf",
    "encrypted_pdf",
    "timeout",
    "extractor_error",
    "no_text",
    "opt_out",
    "truncated_record",
    "malformed_record",
    "unreadable_file",
)
"""Why a record is no page, in the order in which the reasons are looked for; the last three are
found by the reader before any other."""

OUTCOMES = (PAGE, *REJECTIONS)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a WARC, WET, WAT or ARC file with its outcome.

    `text` is set exactly when `outcome` is "page".
    """

    record_id: str
    """32 hexadecimal digits; the document's id where the record is a page."""
    warc_file: str
    warc_offset: int
    """First byte of the record, or of its compressed member, in the file as stored."""
    warc_length: int
    """Bytes in the file as stored; -1 where a compressed member holds several records."""
    record_type: str
    url: str
    date: str
    http_status: int | None
    mime: str
    payload_digest: str
    charset: str
    charset_source: str
    """Who named it: bom, http, meta, detector or fallback; "" where nothing was decoded."""
    page_type: str
    tier: str
    title: str
    author: str
    published: str
    licence: str
    canonical_url: str
    n_links: int
    outlinks: Sequence[str]
    opt_out: Sequence[str]
    outcome: str
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What extraction made of one body; `text` is "" unless the outcome is "page"."""

    outcome: str
    charset: str = ""
    charset_source: str = ""
    page_type: str = ""
    tier: str = ""
    title: str = ""
    author: str = ""
    published: str = ""
    licence: str = ""
    canonical_url: str = ""
    n_links: int = 0
    outlinks: Sequence[str] = ()
    opt_out: Sequence[str] = ()
    text: str = ""


def hash_id(*parts: str | int) -> str:
    """32 hexadecimal digits that name the parts; parts are separated, so no two lists collide."""
    joined = "\0".join(str(part) for part in parts)
    return sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]
