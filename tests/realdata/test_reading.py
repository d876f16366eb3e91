"""Our reader on real archives, against FastWARC and the crawl's own index (C2M_SHARED_DATA)."""

import functools
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator

from lmcore.crawl.raw_record import MALFORMED, TRUNCATED
from lmcore.crawl.recount import count_records
from lmcore.crawl.warc import read_records

ROOT = Path(__file__).parents[2]
PAGES = Path(os.environ.get("C2M_SHARED_DATA", ROOT.parent / "shared" / "data")) / "webpages"
CRAWL = sorted(PAGES.glob("crawl-data/**/*.warc.gz"))
RAW = sorted((PAGES / "raw_warcs").glob("*"))

pytestmark = pytest.mark.skipif(not PAGES.is_dir(), reason="no folder of real pages")


@functools.cache
def read(path):
    """Every record without its block: all files together are 250 MB."""
    with path.open("rb") as file:
        return [replace(raw, block=b"") for raw in read_records(file, max_record_bytes=1 << 30)]


def is_whole(records):
    return not {raw.problem for raw in records} & {TRUNCATED, MALFORMED}


def read_with_fastwarc(path):
    """Type and URL of each record; wget wrote its URLs in angle brackets."""
    with path.open("rb") as file:
        return [
            (record.headers["WARC-Type"], record.headers.get("WARC-Target-URI", "").strip("<>"))
            for record in ArchiveIterator(file, parse_http=False)
        ]


@pytest.mark.parametrize("path", [*CRAWL, *RAW], ids=lambda path: path.name)
def test_undamaged_file_has_the_records_that_fastwarc_finds(path):
    records = read(path)
    if not is_whole(records):
        pytest.skip("damaged: FastWARC ends there")
    if ".arc" in path.suffixes:
        assert count_records(path) is None
        return
    expected = read_with_fastwarc(path)
    assert [(raw.record_type, raw.url) for raw in records] == expected
    assert count_records(path) == len(expected)


def test_crawl_files_are_undamaged():
    assert all(is_whole(read(path)) for path in CRAWL)


def test_every_response_of_the_crawls_index_is_read_at_its_place():
    columns = ["warc_filename", "warc_record_offset", "warc_record_length", "url"]
    rows = pq.read_table(PAGES / "cc-index.parquet", columns=columns).to_pylist()
    indexed = Counter(tuple(row[column] for column in columns) for row in rows)
    found = Counter(
        (str(path.relative_to(PAGES)), raw.offset, raw.length, raw.url)
        for path in CRAWL
        for raw in read(path)
        if raw.record_type == "response"
    )
    assert len(rows) > 1000
    assert indexed == found
