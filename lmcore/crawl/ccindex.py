"""Single records of a crawl, chosen by its columnar index and fetched by ranged reads.

Common Crawl's index is Parquet: a row a capture, with file, offset and length of its record. The
filter is pushed down to row groups, and only the columns it names are read; each record is one
gzip member, so its bytes stand alone, and members joined are a WARC file again.
Memory: the places of the selected records, and 64 records at once.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from lmcore.crawl.index_config import IndexConfig, selected_names
from lmcore.crawl.remote import is_remote, open_filesystem, read_range
from lmcore.errors import InputError

_PLACE = ("warc_filename", "warc_record_offset", "warc_record_length")
_DOMAIN, _LANGUAGE = "url_host_registered_domain", "content_languages"
_MIME, _STATUS = "content_mime_detected", "fetch_status"
_N_READERS = 8
_BATCH = 64
_MAX_RECORD_BYTES = 1 << 27


class Place(NamedTuple):
    """Where a record lies."""

    filename: str
    offset: int
    length: int


def _to_filter(config: IndexConfig) -> tuple[set[str], Any]:
    """Columns that the selection reads, and its expression; None where it takes every row."""
    wanted: dict[str, Any] = {}
    if config.domains:
        wanted[_DOMAIN] = pc.field(_DOMAIN).isin(list(config.domains))
    if config.mimes:
        wanted[_MIME] = pc.field(_MIME).isin(list(config.mimes))
    if config.statuses:
        wanted[_STATUS] = pc.field(_STATUS).isin(list(config.statuses))
    if config.languages:  # "eng,fra": the main language comes first
        pattern = f"^(?:{'|'.join(map(re.escape, config.languages))})(?:,|$)"
        wanted[_LANGUAGE] = pc.match_substring_regex(pc.field(_LANGUAGE), pattern)
    combined = None
    for expression in wanted.values():
        combined = expression if combined is None else combined & expression
    return set(wanted), combined


def _open(path: str) -> AbstractContextManager[Any]:
    return open_filesystem(path).open(path, "rb") if is_remote(path) else Path(path).open("rb")


def select_places(paths: Iterable[str], config: IndexConfig) -> list[Place]:
    """Places of the records that a selection takes, in order, each once.

    Raises InputError where a file is no such index, or nothing is selected.
    """
    columns, wanted = _to_filter(config)
    found: set[Place] = set()
    for path in paths:
        with _open(path) as file:
            try:
                index = pq.ParquetFile(file)
            except (OSError, ValueError) as error:
                raise InputError(
                    f"{path} is no Parquet file ({error}), expected a file of a crawl's columnar"
                    " index; correct index.files"
                ) from error
            missing = sorted({*_PLACE, *columns} - set(index.schema_arrow.names))
            if missing:
                raise InputError(
                    f"{path} has no column {', '.join(missing)}, expected those of Common Crawl's"
                    " columnar index; select by others or name another index"
                )
            file.seek(0)
            rows = pq.read_table(file, columns=list(_PLACE), filters=wanted)
        found |= {Place(*row) for row in _rows(rows)}
    if not found:
        raise InputError(
            "the index holds no record that the selection takes, expected at least one; widen"
            " index.domains, languages, mimes or statuses"
        )
    return sorted(found)[: config.max_records]


def _rows(table: Any) -> Iterator[tuple[str, int, int]]:
    return zip(*(table[name].to_pylist() for name in _PLACE), strict=True)


def read_record(place: Place, base: str) -> bytes:
    """The record's bytes as they are stored; InputError where the file is too short."""
    if not 0 < place.length <= _MAX_RECORD_BYTES:
        raise InputError(
            f"the index gives {place.filename} a record of {place.length:,d} bytes, expected 1 to"
            f" {_MAX_RECORD_BYTES:,d}; name another index"
        )
    if is_remote(base):
        url = base.rstrip("/") + "/" + place.filename
        return read_range(url, place.offset, place.length)
    path = Path(base) / place.filename
    try:
        with path.open("rb") as file:
            file.seek(place.offset)
            data = file.read(place.length)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}), expected a file of the crawl that the index"
            " describes; correct index.base"
        ) from error
    if len(data) < place.length:
        raise InputError(
            f"{path} ends {place.length - len(data):,d} bytes before its record at"
            f" {place.offset:,d} does, expected the crawl of the index; correct index.base"
        )
    return data


def _read_records(places: Sequence[Place], base: str) -> Iterator[bytes]:
    """Records in order, several read at a time."""
    with ThreadPoolExecutor(_N_READERS) as pool:
        rest = iter(places)
        while batch := list(islice(rest, _BATCH)):
            yield from pool.map(lambda place: read_record(place, base), batch)


def fetch_selected(paths: Iterable[str], config: IndexConfig, folder: Path) -> Iterator[Place]:
    """Writes the selected records into the files of `selected_names`; yields each as it is there."""
    places = select_places(paths, config)
    names = selected_names(config)
    share = -(-len(places) // len(names))
    for number, name in enumerate(names):
        part = places[number * share : (number + 1) * share]
        with (folder / name).open("wb") as file:
            for place, data in zip(part, _read_records(part, config.base), strict=True):
                file.write(data)
                yield place
