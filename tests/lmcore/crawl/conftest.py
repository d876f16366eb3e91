"""Archives in the small: records as bytes, and files of them in every packing."""

import gzip
from collections.abc import Callable, Sequence

import lz4.frame
import pytest
import zstandard

RecordMaker = Callable[..., bytes]
Packer = Callable[[str, Sequence[bytes]], bytes]


def _record(
    number: int,
    block: bytes = b"",
    *,
    kind: str = "response",
    mime: str = "application/http; msgtype=response",
    url: str | bytes | None = None,
    length: object = None,
    headers: Sequence[str] = (),
) -> bytes:
    if url is None:
        url = f"http://example.com/{number}"
    lines = [
        b"WARC/1.0",
        f"WARC-Type: {kind}".encode(),
        f"WARC-Record-ID: <urn:uuid:{number}>".encode(),
        b"WARC-Date: 2026-01-02T03:04:05Z",
        b"WARC-Target-URI: " + (url.encode() if isinstance(url, str) else url),
        f"Content-Type: {mime}".encode(),
        *(line.encode() for line in headers),
        f"Content-Length: {len(block) if length is None else length}".encode(),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + block + b"\r\n\r\n"


def _pack(packing: str, records: Sequence[bytes]) -> bytes:
    whole = b"".join(records)
    pieces = [whole[i : i + 777] for i in range(0, len(whole), 777)]
    zstd = zstandard.ZstdCompressor()
    match packing:
        case "plain":
            return whole
        case "gz":
            return b"".join(gzip.compress(record, mtime=0) for record in records)
        case "gz_whole":
            return gzip.compress(whole, mtime=0)
        case "gz_pieces":
            return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)
        case "zst":
            return b"".join(zstd.compress(record) for record in records)
        case "zst_whole":
            return zstd.compress(whole)
        case "zst_pieces":
            return b"".join(zstd.compress(piece) for piece in pieces)
        case "lz4":
            return b"".join(lz4.frame.compress(record) for record in records)
        case "lz4_whole":
            return lz4.frame.compress(whole)
    raise ValueError(packing)


@pytest.fixture(scope="session")
def record() -> RecordMaker:
    """A WARC record as bytes: record(number, block, kind=, mime=, url=, length=, headers=)."""
    return _record


@pytest.fixture(scope="session")
def pack() -> Packer:
    """A file of records: pack(packing, records)."""
    return _pack
