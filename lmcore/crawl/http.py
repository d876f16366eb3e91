"""HTTP responses as crawlers stored them: headers parsed, transfer and content encodings undone.

Archives lie. Common Crawl stores decoded bodies and moves the original headers to `X-Crawler-*`;
others store the bytes of the wire; some keep the header and decode the body. So an encoding is
undone where the bytes bear it out, and left alone where the body is plain after all. Output is
bounded by `max_bytes` at every layer, whatever the ratio of a bomb.
"""

import gzip
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import brotli
import zstandard

from lmcore.crawl.headers import split_headers

_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?:[ \t]|\r*(?:\n|\Z))", re.IGNORECASE)
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LINE_ENDS = (b"\r", b"\n")
_MAX_LAYERS = 4
_NO_ENCODINGS = frozenset({b"identity", b"none", b"binary", b"7bit", b"8bit"})
_MAX_HEADER_BYTES = 1 << 18
_HTML_START = re.compile(
    rb"(?:\xef\xbb\xbf)?[\s\0]*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,500}?-->\s*)*"
    rb"<(?:!doctype\s+html|html|head|body|title|meta|script|style|link|div|p|table|h1|a|br|!--)\b",
    re.IGNORECASE | re.DOTALL,
)
_BINARY_STARTS = (
    b"%PDF-", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"PK\x03\x04", b"RIFF", b"OggS", b"\x1aE\xdf\xa3",
    b"ID3", b"wOFF", b"wOF2", b"\0\0\1\0", b"\xd0\xcf\x11\xe0", b"FWS", b"CWS",
)  # fmt: skip


class EncodingError(ValueError):
    """A transfer or content encoding that the bytes do not keep."""


class TooLargeError(ValueError):
    """More decoded bytes than allowed."""


@dataclass(slots=True)
class Response:
    """A parsed response; `body` is still encoded as stored, header names are lower-case."""

    status: int
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: memoryview | bytes = b""
    """In the record's own memory, which is not copied until it must be."""

    @property
    def content_type(self) -> str:
        """The Content-Type header, "" where it is missing."""
        return self.headers.get(b"content-type", b"").decode("latin-1")


def parse_response(block: bytes | bytearray) -> Response | None:
    """The response in a record's block; None where it does not begin with a status line."""
    status = _STATUS_LINE.match(block, 0, 256)
    if status is None and block[:1] in _LINE_ENDS:
        block = block.lstrip(b"\r\n")
        status = _STATUS_LINE.match(block, 0, 256)
    if status is None:
        return None
    fields, begin = split_headers(block, max_bytes=_MAX_HEADER_BYTES)
    return None if fields is None else Response(int(status[1]), fields, memoryview(block)[begin:])


def parse_content_type(value: str) -> tuple[str, str]:
    """MIME type and charset of a Content-Type value, both in lower case, "" where missing."""
    mime, _, parameters = value.partition(";")
    found = re.search(r"charset\s*=\s*[\"']?([^\s\"';,]+)", parameters, re.IGNORECASE)
    mime = mime.split(",")[0].strip().lower()
    return (mime if "/" in mime else ""), (found[1].lower() if found else "")


def starts_like_html(body: bytes) -> bool:
    """Whether the first bytes are HTML's."""
    return _HTML_START.match(body[:4096]) is not None


def starts_like_binary(body: bytes) -> bool:
    """Whether the first bytes are those of an image, archive, font, film, PDF or office file."""
    return body.startswith(_BINARY_STARTS)


def decode_body(response: Response, *, max_bytes: int) -> bytes:
    """The body without transfer and content encodings.

    Raises EncodingError where an encoding breaks off, TooLargeError beyond `max_bytes`.
    """
    body = bytes(response.body)
    transfer = _tokens(response.headers.get(b"transfer-encoding", b""))
    if b"chunked" in transfer:
        body = _join_chunks(body)
    layers = [t for t in transfer if t != b"chunked"]
    layers += _tokens(response.headers.get(b"content-encoding", b""))
    if len(layers) > _MAX_LAYERS:
        raise EncodingError(f"{len(layers)} layers of encodings")
    for layer in reversed(layers):
        body = _decode_layer(layer, body, max_bytes)
    if len(body) > max_bytes:
        raise TooLargeError
    return body


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip().lower() for token in value.split(b",") if token.strip()]


def _join_chunks(body: bytes) -> bytes:
    """Joins chunks; HTML that never was chunked stays, a missing last chunk is forgiven."""
    if starts_like_html(body):
        return body
    chunks: list[bytes] = []
    position = 0
    while position < len(body):
        size = _CHUNK_SIZE.match(body, position)
        if size is None:
            raise EncodingError(f"no chunk size at byte {position} of the body")
        length = int(size[1], 16)
        if length == 0:
            break
        chunks.append(body[size.end() : size.end() + length])
        position = size.end() + length
        if body[position : position + 2] == b"\r\n":
            position += 2
        elif body[position : position + 1] == b"\n":
            position += 1
        elif position < len(body):
            raise EncodingError(f"no line end after the chunk before byte {position}")
    return b"".join(chunks)


def _decode_layer(layer: bytes, body: bytes, max_bytes: int) -> bytes:
    decode = _DECODERS.get(layer)
    if layer in _NO_ENCODINGS or not body:
        return body
    if decode is None:
        return _plain(body)
    try:
        return decode(body, max_bytes)
    except (zlib.error, brotli.error, zstandard.ZstdError, EOFError) as error:
        if starts_like_html(body):
            return body
        raise EncodingError(f"{layer.decode('latin-1')}: {error}") from error


def _plain(body: bytes) -> bytes:
    """The body as it is, where a header claims an encoding that the bytes do not have."""
    if b"\0" in body[:1024] and not body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise EncodingError("neither the encoding claimed nor text")
    return body


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return _plain(body)
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
        output = bytearray()
        try:
            while len(output) <= max_bytes:
                chunk = stream.read1(1 << 18)
                if not chunk:
                    return bytes(output)
                output += chunk
        except gzip.BadGzipFile as error:
            if output and "Not a gzipped file" in str(error):  # bytes after the last member
                return bytes(output)
            raise EOFError(str(error)) from error
    raise TooLargeError


def _inflate(body: bytes, max_bytes: int) -> bytes:
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):  # the standard's zlib, and what servers send
        stream = zlib.decompressobj(window)
        try:
            output = stream.decompress(body, max_bytes + 1)
        except zlib.error:
            continue
        if len(output) > max_bytes:
            raise TooLargeError
        if stream.eof:
            return output
    raise EOFError("deflate stream does not end")


def _unbrotli(body: bytes, max_bytes: int) -> bytes:
    stream = brotli.Decompressor()
    output = bytearray(stream.process(body, output_buffer_limit=max_bytes + 1))
    while not stream.is_finished() and len(output) <= max_bytes:
        more = stream.process(b"", output_buffer_limit=max_bytes + 1)
        if not more:
            raise EOFError("brotli stream does not end")
        output += more
    if len(output) > max_bytes:
        raise TooLargeError
    return bytes(output)


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as stream:
        output = stream.read(max_bytes + 1)
    if len(output) > max_bytes:
        raise TooLargeError
    return bytes(output)


_DECODERS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"gzip": _gunzip,
    b"x-gzip": _gunzip,
    b"deflate": _inflate,
    b"br": _unbrotli,
    b"zstd": _unzstd,
}
