import gzip
import zlib

import brotli
import pytest
import zstandard

from lmcore.crawl import http

PAGE = b"<!DOCTYPE html><html><body>" + b"<p>words and more words</p>" * 200 + b"</body></html>"
LIMIT = 1 << 20


def response(body: bytes, *headers: str) -> http.Response:
    parsed = http.parse_response("\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode() + body)
    assert parsed is not None
    return parsed


def chunked(body: bytes, size: int = 100, end: bytes = b"0\r\n\r\n") -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "X-GZip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
    "utf-8": bytes,
    "": bytes,
}


@pytest.mark.parametrize("encoding", list(ENCODERS))
@pytest.mark.parametrize("is_chunked", [False, True])
def test_decode_body_undoes_every_encoding(encoding, is_chunked):
    body = ENCODERS[encoding](PAGE)
    headers = [f"Content-Encoding: {encoding}"]
    if is_chunked:
        body, headers = chunked(body), [*headers, "Transfer-Encoding: chunked"]
    assert http.decode_body(response(body, *headers), max_bytes=LIMIT) == PAGE


def test_decode_body_undoes_layers_from_the_last():
    body = brotli.compress(gzip.compress(PAGE))
    parsed = response(body, "Content-Encoding: gzip", "Content-Encoding: br")
    assert http.decode_body(parsed, max_bytes=LIMIT) == PAGE


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_decode_body_encoding_claimed_for_plain_html_is_forgiven(encoding):
    assert (
        http.decode_body(response(PAGE, f"Content-Encoding: {encoding}"), max_bytes=LIMIT) == PAGE
    )


def test_decode_body_chunks_claimed_for_plain_html_are_forgiven():
    assert http.decode_body(response(PAGE, "Transfer-Encoding: chunked"), max_bytes=LIMIT) == PAGE


def test_decode_body_headers_moved_by_common_crawl_count_for_nothing():
    parsed = response(
        PAGE, "X-Crawler-Content-Encoding: gzip", "X-Crawler-Transfer-Encoding: chunked"
    )
    assert http.decode_body(parsed, max_bytes=LIMIT) == PAGE


@pytest.mark.parametrize(
    "end", [b"", b"0\r\n", b"0;last\r\nTrailer: x\r\n\r\n", b"\r\n0\r\n\r\n"[2:]]
)
def test_decode_body_missing_last_chunk_is_forgiven(end):
    parsed = response(chunked(PAGE, end=end), "Transfer-Encoding: chunked")
    assert http.decode_body(parsed, max_bytes=LIMIT) == PAGE


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
@pytest.mark.parametrize("share", [0.2, 0.9])
def test_decode_body_stream_cut_short_raises_encoding_error(encoding, share):
    packed = ENCODERS[encoding](PAGE)
    parsed = response(packed[: int(len(packed) * share)], f"Content-Encoding: {encoding}")
    with pytest.raises(http.EncodingError):
        http.decode_body(parsed, max_bytes=LIMIT)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Transfer-Encoding: chunked"], b"zz9\r\n" + chunked(PAGE)),
        (["Transfer-Encoding: chunked"], chunked(PAGE)[:-8] + b"surplus\r\n0\r\n\r\n"),
        (["Content-Encoding: gzip"], gzip.compress(PAGE, mtime=0)[:40] + bytes(60)),
        (["Content-Encoding: compress"], b"\x1f\x9d\x00\x01"),
        (["Content-Encoding: gzip,gzip,gzip,gzip,gzip"], b"x"),
    ],
)
def test_decode_body_broken_encodings_raise_encoding_error(headers, body):
    with pytest.raises(http.EncodingError):
        http.decode_body(response(body, *headers), max_bytes=LIMIT)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "Deflate", "br", "zstd", "identity"])
def test_decode_body_beyond_the_limit_raises_too_large(encoding):
    bomb = ENCODERS[encoding](bytes(LIMIT + 1))
    with pytest.raises(http.TooLargeError):
        http.decode_body(response(bomb, f"Content-Encoding: {encoding}"), max_bytes=LIMIT)
    assert (
        len(
            http.decode_body(
                response(ENCODERS["br"](bytes(LIMIT)), "Content-Encoding: br"), max_bytes=LIMIT
            )
        )
        == LIMIT
    )


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"garbage",
        b"\x00\x01",
        b"HTTPS 2OO FINE\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"<html></html>",
        b"HTTP/1.1 2000 OK\r\n\r\n",
    ],
)
def test_parse_response_without_status_line_is_none(block):
    assert http.parse_response(block) is None


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 404 Not Found", b"HTTP/1.0 404", b"http/2 404", b"\r\nHTTP/1.1 404 \xff"]
)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_parse_response_reads_status_headers_and_body(head, line_end):
    block = line_end.join(
        [head, b'CONTENT-type: Text/HTML; Charset="Latin-1"', b"nonsense", b"", b"body\r\n\r\n"]
    )
    parsed = http.parse_response(block)
    assert parsed is not None
    assert (parsed.status, parsed.body) == (404, b"body\r\n\r\n")
    assert http.parse_content_type(parsed.content_type) == ("text/html", "latin-1")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", ("", "")),
        ("; charset=UTF-8", ("", "utf-8")),
        ("text/html", ("text/html", "")),
        ("TEXT/HTML;charset='utf-8';x=1", ("text/html", "utf-8")),
        ("text/html, text/html; charset=a", ("text/html", "a")),
        ("html", ("", "")),
    ],
)
def test_parse_content_type_takes_what_servers_send(value, expected):
    assert http.parse_content_type(value) == expected


@pytest.mark.parametrize(
    ("body", "is_html"),
    [
        (PAGE, True),
        (b"\xef\xbb\xbf \n<HTML>", True),
        (b"<!-- x --><p>", True),
        (b"<?xml version='1.0'?>\n<html>", True),
        (b"<?xml version='1.0'?><rss>", False),
        (b"%PDF-1.4", False),
        (b"hello", False),
        (b"", False),
    ],
)
def test_starts_like_html_tells_pages_from_other_text(body, is_html):
    assert http.starts_like_html(body) is is_html
