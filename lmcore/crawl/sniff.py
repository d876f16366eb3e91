"""Whether a file is an archive, and what it is where it is none."""

from io import BufferedIOBase, BytesIO

from lmcore.crawl.members import read_spans
from lmcore.crawl.warc import read_records

_HELD_BYTES = 1 << 16
_SNIFFED_BYTES = 1 << 18
_SHOWN_BYTES = 16


def has_record(file: BufferedIOBase) -> bool:
    """Whether a record begins anywhere in the file, as `read_records` sees it.

    An archive answers with its first record; a file that is none is searched to its end.
    """
    return any(raw.record_type for raw in read_records(file, max_record_bytes=_HELD_BYTES))


def starts_with_record(file: BufferedIOBase) -> bool:
    """Whether a record begins near the start: then `has_record` holds as well."""
    return has_record(BytesIO(file.read(_SNIFFED_BYTES)))


def describe_start(file: BufferedIOBase) -> str:
    """What stands at the start of a file that is no archive, in a few words."""
    head = file.read(_SNIFFED_BYTES)
    if not head:
        return "empty"
    span = next(read_spans(BytesIO(head)), None)
    inflated = span.read() if span is not None and span.compressed else b""
    if inflated:
        return f"no archive: compressed, and inside begins with {inflated[:_SHOWN_BYTES]!r}"
    return f"no archive: begins with {head[:_SHOWN_BYTES]!r}"
