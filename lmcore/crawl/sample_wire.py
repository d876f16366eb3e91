"""HTTP responses and WARC/1.0 records as bytes, sound and damaged.

Every record is one gzip member with mtime 0, as Common Crawl writes them
(https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.0/).
Cost: gzip level 6, about 50 MB of HTML a second on one core.
"""

import base64
import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

CRLF = b"\r\n"
_IP_BASE = (192, 0, 2)  # documentation range, RFC 5737


@dataclass(slots=True)
class Truth:
    """One row of truth.parquet; the writer adds warc_file and warc_record_id."""

    url: str
    page_type: str
    expected_outcome: str
    language: str | None = None
    main_text: str | None = None
    is_high_quality: bool | None = None
    is_toxic: bool | None = None
    duplicate_of: str | None = None
    duplicate_kind: str | None = None
    jaccard: float | None = None
    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    ips: list[str] = field(default_factory=list)
    charset_declared: str | None = None
    charset_true: str | None = None
    content_encoding: str | None = None
    boilerplate: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Capture:
    """A response as it came over the wire, and how its WARC record is spoilt (if it is)."""

    truth: Truth
    head: bytes
    body: bytes
    damage: str = ""

    @property
    def block(self) -> bytes:
        """The payload of the WARC record."""
        return self.head + self.body


def http_head(status: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """Status line and headers, closed by the empty line."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(lines).encode("utf-8") + CRLF + CRLF


def encode_content(body: bytes, encoding: str | None) -> bytes:
    """Applies a Content-Encoding: gzip, deflate (zlib), br, or None."""
    if encoding == "gzip":
        return gzip.compress(body, 6, mtime=0)
    if encoding == "deflate":
        return zlib.compress(body, 6)
    if encoding == "br":
        import brotli  # the one user of it here; planning needs no codec

        return bytes(brotli.compress(body, quality=4))
    return body


def chunk(body: bytes, rng: Random) -> bytes:
    """Applies Transfer-Encoding: chunked with chunks of 0.5 to 4 kB."""
    out = []
    at = 0
    while at < len(body):
        piece = body[at : at + rng.randint(512, 4096)]
        out.append(b"%x\r\n" % len(piece) + piece + CRLF)
        at += len(piece)
    return b"".join(out) + b"0\r\n\r\n"


def _identifier(seed: int, *parts: object) -> str:
    digest = hashlib.sha256(":".join(map(str, ("record", seed, *parts))).encode()).hexdigest()
    return f"urn:uuid:{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


def _digest(data: bytes) -> str:
    return "sha1:" + base64.b32encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def _record(headers: Sequence[tuple[str, str]], block: bytes, damage: str = "") -> bytes:
    """One record as a gzip member."""
    version = "WRAC/1.0 ?" if damage == "bad_version" else "WARC/1.0"
    length = len(block)
    if damage == "length_too_long":
        length += 5000
    elif damage == "length_too_short":
        length = length * 2 // 3
    lines = [version, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {length}"]
    raw = "\r\n".join(lines).encode("utf-8") + CRLF + CRLF + block + CRLF + CRLF
    member = gzip.compress(raw, 6, mtime=0)
    if damage == "cut":
        return member[: len(member) * 3 // 5]
    if damage == "zeroed":
        middle = len(member) // 2
        return member[:middle] + bytes(200) + member[middle + 200 :]
    return member


def _date(second: int) -> str:
    minutes, seconds = divmod(second, 60)
    hours, minutes = divmod(minutes, 60)
    return f"2026-01-{1 + hours // 24:02d}T{hours % 24:02d}:{minutes:02d}:{seconds:02d}Z"


def warcinfo(seed: int, name: str) -> bytes:
    """The first record of a file."""
    block = (
        b"isPartOf: CC-MAIN-2026-00\r\npublisher: crawl2model sample crawl\r\n"
        b"software: crawl2model sample\r\nrobots: none\r\nformat: WARC File Format 1.0\r\n"
    )
    headers = [
        ("WARC-Type", "warcinfo"),
        ("WARC-Date", _date(0)),
        ("WARC-Record-ID", f"<{_identifier(seed, name, 'warcinfo')}>"),
        ("WARC-Filename", name.rpartition("/")[2]),
        ("Content-Type", "application/warc-fields"),
    ]
    return _record(headers, block)


def capture_records(seed: int, second: int, capture: Capture) -> tuple[str, list[bytes]]:
    """The id of the response record, and the request, response and (mostly) metadata records."""
    url = capture.truth.url
    rng = Random(f"{seed}:records:{url}")
    ids = {kind: _identifier(seed, url, kind) for kind in ("request", "response", "metadata")}
    common = [("WARC-Date", _date(second)), ("WARC-Target-URI", url)]
    concurrent = ("WARC-Concurrent-To", f"<{ids['response']}>")
    address = ("WARC-IP-Address", ".".join(map(str, (*_IP_BASE, rng.randint(1, 254)))))
    members = []
    headers = [("WARC-Type", "response"), *common, ("WARC-Record-ID", f"<{ids['response']}>")]
    if url.startswith("dns:"):
        headers.append(("Content-Type", "text/dns"))
    else:
        host, _, path = url.partition("://")[2].partition("/")
        request = [
            ("WARC-Type", "request"),
            *common,
            ("WARC-Record-ID", f"<{ids['request']}>"),
            concurrent,
            address,
        ]
        request.append(("Content-Type", "application/http; msgtype=request"))
        members.append(_record(request, http_request(host, "/" + path)))
        headers += [address, ("Content-Type", "application/http; msgtype=response")]
        headers.append(("WARC-Payload-Digest", _digest(capture.body)))
    headers.append(("WARC-Block-Digest", _digest(capture.block)))
    if capture.damage == "truncated_by_crawler":
        headers.append(("WARC-Truncated", "length"))
    members.append(_record(headers, capture.block, capture.damage))
    # a lying length makes readers run on into the next record: let it be one that nobody misses
    if capture.damage != "cut" and (capture.damage or rng.random() < 0.7):
        metadata = [
            ("WARC-Type", "metadata"),
            *common,
            ("WARC-Record-ID", f"<{ids['metadata']}>"),
            concurrent,
        ]
        metadata.append(("Content-Type", "application/warc-fields"))
        block = f"fetchTimeMs: {rng.randint(20, 900)}\r\ncharset-detected: {capture.truth.charset_true or 'unknown'}\r\n"
        members.append(_record(metadata, block.encode()))
    return ids["response"], members


def revisit(seed: int, second: int, capture: Capture) -> bytes:
    """A revisit record: the same payload as an earlier capture, not stored again."""
    url = capture.truth.url
    headers = [
        ("WARC-Type", "revisit"),
        ("WARC-Date", _date(second)),
        ("WARC-Record-ID", f"<{_identifier(seed, url, 'revisit')}>"),
        ("WARC-Refers-To", f"<{_identifier(seed, url, 'response')}>"),
        ("WARC-Target-URI", url),
        ("WARC-Profile", "http://netpreserve.org/warc/1.0/revisit/identical-payload-digest"),
        ("WARC-Payload-Digest", _digest(capture.body)),
        ("Content-Type", "application/http; msgtype=response"),
    ]
    return _record(headers, capture.head)


def http_request(host: str, path: str) -> bytes:
    """What the crawler sent."""
    lines = (
        f"GET {path} HTTP/1.1",
        "User-Agent: sample-crawler/1.0 (+https://crawler.example/)",
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Encoding: br,gzip,deflate",
        f"Host: {host}",
        "Connection: Keep-Alive",
    )
    return "\r\n".join(lines).encode("utf-8") + CRLF + CRLF
