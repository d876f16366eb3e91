"""Responses that are no pages, and pages that are broken: each with the outcome it deserves.

Where several outcomes are legitimate (a gzip header on plain HTML may be forgiven or
rejected) they are separated by "|".
"""

import json
import struct
import zlib
from random import Random

from lmcore.crawl.sample_wire import Capture, Truth, chunk, encode_content, http_head

HTML = "text/html; charset=utf-8"
_FILLER = "<div class='box'><p>The list goes on and on with one more entry of the old register.</p></div>\n"


def png(rng: Random) -> bytes:
    """A valid small PNG of random grey."""
    size = rng.randint(8, 40)
    rows = b"".join(b"\0" + rng.randbytes(size) for _ in range(size))

    def part(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", header)
        + part(b"IDAT", zlib.compress(rows, 6))
        + part(b"IEND", b"")
    )


def _response(truth: Truth, status: str, mime: str, body: bytes, *more: tuple[str, str]) -> Capture:
    headers = [("Date", "Thu, 01 Jan 2026 00:00:00 GMT"), ("Content-Type", mime), *more]
    headers.append(("Content-Length", str(len(body))))
    return Capture(truth, http_head(status, headers), body)


def redirect(k: int, host: str, rng: Random) -> Capture:
    """A 3xx answer with a small body or none."""
    status = rng.choice(
        ("301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect")
    )
    body = (
        b""
        if rng.random() < 0.5
        else b"<html><body><h1>Moved</h1><p>The page has moved to another address.</p></body></html>"
    )
    truth = Truth(f"https://{host}/old/{k}", "redirect", "http_redirect")
    return _response(truth, status, HTML, body, ("Location", f"https://{host}/new/{k}"))


def error(k: int, host: str, rng: Random) -> Capture:
    """A 4xx or 5xx answer with a friendly page."""
    status = rng.choice(
        (
            "404 Not Found",
            "404 Not Found",
            "403 Forbidden",
            "410 Gone",
            "500 Internal Server Error",
            "503 Service Unavailable",
        )
    )
    body = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><p>We are sorry, but the page you asked for cannot be shown. Please go back to the front page and try again later.</p></body></html>"
    return _response(
        Truth(f"https://{host}/missing/{k}", "error", "http_error"), status, HTML, body.encode()
    )


def image(k: int, host: str, rng: Random) -> Capture:
    """A picture."""
    truth = Truth(f"https://{host}/img/{k}.png", "image", "not_html")
    return _response(truth, "200 OK", "image/png", png(rng))


def asset(k: int, host: str, rng: Random) -> Capture:
    """A style sheet, a script, a JSON answer or a PDF."""
    kind = k % 4
    if kind == 0:
        body, mime, end = (
            f".box{{margin:{rng.randint(1, 90)}px;color:#{rng.getrandbits(24):06x}}}\n".encode()
            * 30,
            "text/css",
            "css",
        )
    elif kind == 1:
        body, mime, end = (
            b"function go(a){return a*%d;}\n" % rng.randint(2, 99) * 25,
            "application/javascript",
            "js",
        )
    elif kind == 2:
        body, mime, end = (
            json.dumps({"items": [rng.randint(0, 999) for _ in range(50)]}).encode(),
            "application/json",
            "json",
        )
    else:
        body, mime, end = (
            b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n" + rng.randbytes(300),
            "application/pdf",
            "pdf",
        )
    expected = "not_html|bad_pdf" if end == "pdf" else "not_html"
    truth = Truth(f"https://{host}/static/{k}.{end}", "asset", expected)
    return _response(truth, "200 OK", mime, body)


def robots(k: int, host: str, rng: Random) -> Capture:
    """A robots.txt (one a host: k is part of the host)."""
    body = f"User-agent: *\nDisallow: /private/\nDisallow: /search\nCrawl-delay: {rng.randint(1, 20)}\nSitemap: https://h{k}.{host}/sitemap.xml\n"
    truth = Truth(f"https://h{k}.{host}/robots.txt", "robots", "robots_txt")
    return _response(truth, "200 OK", "text/plain; charset=utf-8", body.encode())


def dns(k: int, host: str, rng: Random) -> Capture:
    """A name lookup, as Heritrix stores it."""
    body = f"20260101000000\nh{k}.{host}.\t300\tIN\tA\t198.51.100.{rng.randint(1, 254)}\n"
    return Capture(Truth(f"dns:h{k}.{host}", "dns", "dns"), b"", body.encode())


def empty(k: int, host: str, rng: Random) -> Capture:
    """A 200 without a body."""
    return _response(
        Truth(f"https://{host}/empty/{k}-{rng.randint(1, 99)}", "empty", "empty_body"),
        "200 OK",
        HTML,
        b"",
    )


def no_text(k: int, host: str, rng: Random) -> Capture:
    """HTML without anything to read: a frame set, or an application that needs scripts."""
    shells = (
        f'<!DOCTYPE html><html><head><title></title><script src="/app.{rng.randint(1, 999)}.js"></script></head><body><div id="root"></div></body></html>',
        f'<html><head><title></title></head><frameset cols="20%,80%"><frame src="menu{k}.html"><frame src="main{k}.html"></frameset></html>',
    )
    return _response(
        Truth(f"https://{host}/app/{k}", "no_text", "no_text"),
        "200 OK",
        HTML,
        shells[k % 2].encode(),
    )


def too_large(k: int, host: str, rng: Random) -> Capture:
    """Nine megabytes of HTML: above the limit of 8 MiB."""
    body = (
        f"<html><body><h1>Register {rng.randint(1, 9)}</h1>\n"
        + _FILLER * (9_000_000 // len(_FILLER))
        + "</body></html>"
    )
    return _response(
        Truth(f"https://{host}/register/{k}", "too_large", "too_large"),
        "200 OK",
        HTML,
        body.encode(),
    )


def too_deep(k: int, host: str, rng: Random) -> Capture:
    """Twenty thousand nested elements: seconds of work for a parser without a limit."""
    depth = 20_000 + rng.randint(0, 99)
    body = (
        "<html><body>"
        + "<div>" * depth
        + "<p>A sentence at the bottom of the well.</p>"
        + "</div>" * depth
        + "</body></html>"
    )
    return _response(
        Truth(f"https://{host}/deep/{k}", "too_deep", "too_deep"), "200 OK", HTML, body.encode()
    )


def spoil_http(capture: Capture, k: int, rng: Random) -> Capture:
    """Breaks the HTTP layer of a sound, unencoded page in one of six ways."""
    kind = ("bad_head", "no_head", "gzip_header_on_html", "cut_gzip", "bad_chunk_size", "bad_gzip")[
        k % 6
    ]
    truth, body = capture.truth, capture.body
    truth.page_type = "malformed"
    truth.is_high_quality = truth.is_toxic = None
    truth.emails, truth.phones, truth.ips = [], [], []
    if kind == "bad_head":
        truth.expected_outcome, truth.main_text = "bad_http", None
        return Capture(truth, b"HTTPS 2OO FINE\x00\x01\r\n\r\n", body)
    if kind == "no_head":
        truth.expected_outcome, truth.main_text = "bad_http", None
        return Capture(truth, b"", rng.randbytes(64) + body)
    if kind == "gzip_header_on_html":
        truth.expected_outcome = "bad_encoding|page"
        return _response(truth, "200 OK", HTML, body, ("Content-Encoding", "gzip"))
    truth.main_text = None
    truth.expected_outcome = "bad_encoding"
    if kind == "bad_chunk_size":
        spoilt = b"zz9\r\n" + chunk(body, rng)[5:]
        return _response(truth, "200 OK", HTML, spoilt, ("Transfer-Encoding", "chunked"))
    packed = encode_content(body, "gzip")
    if kind == "cut_gzip":
        truth.expected_outcome = "bad_encoding|page"
        packed = packed[: len(packed) // 3]
    else:
        packed = packed[:10] + rng.randbytes(len(packed) - 10)
    return _response(truth, "200 OK", HTML, packed, ("Content-Encoding", "gzip"))


DAMAGES = {
    "length_too_long": "truncated_record|malformed_record",
    "length_too_short": "truncated_record|malformed_record|page",
    "bad_version": "malformed_record",
    "zeroed": "truncated_record|malformed_record",
    "truncated_by_crawler": "page|truncated_record",
    "cut": "truncated_record|malformed_record",
}
"""What may be wrong with the WARC record itself, and the outcomes that may follow."""


def spoil_record(capture: Capture, damage: str) -> Capture:
    """Marks a sound page so that its WARC record is written damaged."""
    truth = capture.truth
    truth.page_type = "malformed" if damage in ("bad_version", "zeroed") else "truncated"
    truth.expected_outcome = DAMAGES[damage]
    truth.is_high_quality = truth.is_toxic = truth.main_text = None
    truth.emails, truth.phones, truth.ips = [], [], []
    capture.damage = damage
    if damage == "truncated_by_crawler":
        capture.body = capture.body[: len(capture.body) * 4 // 5]
    return capture
