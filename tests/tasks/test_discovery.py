"""Paths and globs become named, hashed files."""

import gzip
import random

import lz4.frame
import pytest
import zstandard

from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.extract import extract_archive
from lmcore.errors import InputError
from tasks.discovery import UNREADABLE, discover, match, name_files
from warehouse.fingerprint import hash_file
from warehouse.store import Store

RECORD = (
    b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:1>\r\n"
    b"WARC-Target-URI: http://a.example/\r\nContent-Length: 1\r\n\r\nx\r\n\r\n"
)
NOISE = random.Random(1).randbytes(5000)


def touch(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def put(path, content=RECORD):
    path.write_bytes(content)
    return path


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def test_pattern_without_a_match_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file for corpus.warcs"):
        match([str(tmp_path / "*.warc.gz")], "corpus.warcs")


def test_folder_glob_and_path_name_files_once(tmp_path):
    a, b = touch(tmp_path / "a.warc"), touch(tmp_path / "deep" / "b.warc")
    patterns = [str(tmp_path), str(tmp_path / "**" / "*.warc"), str(a)]
    assert match(patterns, "corpus.warcs") == [a.resolve(), b.resolve()]


def test_names_hold_no_machine_path(tmp_path):
    crawl = tmp_path / "x" / "crawl-data" / "CC-MAIN-2025-05" / "warc" / "1.warc.gz"
    names = name_files([crawl, tmp_path / "one" / "s.warc", tmp_path / "two" / "s.warc"])
    assert list(names) == ["crawl-data/CC-MAIN-2025-05/warc/1.warc.gz", "one/s.warc", "two/s.warc"]


def find(store, *paths):
    return discover(store, warcs=[str(path) for path in paths], labels="", lid_model="").warcs


def test_content_changes_the_hash_and_a_move_does_not(store, tmp_path):
    path = put(tmp_path / "a.warc")
    (before,) = find(store, path)
    assert before.content == hash_file(path)
    moved = tmp_path / "elsewhere" / "a.warc"
    moved.parent.mkdir()
    path.rename(moved)
    (after,) = find(store, moved)
    assert (after.name, after.content) == (before.name, before.content)
    put(moved, RECORD + RECORD)
    (changed,) = find(store, moved)
    assert changed.content != before.content


def test_file_that_vanishes_or_is_locked_away_stays_a_source(store, tmp_path, monkeypatch):
    locked, other = put(tmp_path / "a.warc"), put(tmp_path / "b.warc")

    def refuse(path):
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return hash_file(path)

    monkeypatch.setattr("warehouse.fingerprint.hash_file", refuse)
    assert [source.content for source in find(store, locked, other)] == [
        UNREADABLE,
        hash_file(other),
    ]


def test_files_that_are_all_no_archive_are_refused_with_what_they_are(store, tmp_path):
    contents = {
        "empty.warc.gz": b"",
        "noise.warc": b"\0\xff" + NOISE,
        "page.warc.gz": b"<!DOCTYPE html>\n<title>404</title>",
        "text.gz": gzip.compress(b"once upon a time in a file"),
        "skippable.zst": b"\x5d\x2a\x4d\x18\x01\0\0\0x",
        "x1": NOISE,
        "x2": b"\x1f\x8b\x08" + NOISE,
    }
    paths = [put(tmp_path / name, content) for name, content in contents.items()]
    with pytest.raises(InputError) as caught:
        find(store, *paths)
    message = str(caught.value)
    for words in (
        "no record in any of the 7 files of corpus.warcs",
        "empty.warc.gz (empty)",
        r"noise.warc (no archive: begins with b'\x00\xff",
        r"page.warc.gz (no archive: begins with b'<!DOCTYPE html>\n')",
        "text.gz (no archive: compressed, and inside begins with b'once upon a time')",
        "and 2 more",
        "expected at least one that can be read as WARC, WET or ARC",
    ):
        assert words in message
    assert "\n" not in message
    assert "x1 (" not in message


def test_file_that_cannot_be_read_at_all_is_named_with_the_reason(store):
    with pytest.raises(InputError, match=r"mem \(cannot be read: Input/output error\)"):
        find(store, "/proc/self/mem")


@pytest.mark.parametrize(
    "content",
    [
        RECORD,
        b"\r\n" + RECORD,
        gzip.compress(RECORD),
        gzip.compress(RECORD)[:-12],
        zstandard.compress(RECORD),
        lz4.frame.compress(RECORD),
        NOISE * 100 + b"\n" + RECORD,
        NOISE * 100 + gzip.compress(RECORD),
        bytes(700_000) + zstandard.compress(RECORD),
        gzip.compress(NOISE) + gzip.compress(RECORD),
        gzip.compress(NOISE * 100)[:300_000] + gzip.compress(RECORD),
    ],
    ids=range(11),
)
def test_file_from_which_extraction_recovers_a_record_is_an_archive(store, tmp_path, content):
    (source,) = find(store, put(tmp_path / "a.warc.gz", content))
    rows = list(extract_archive(tmp_path / "a.warc.gz", source.name, ExtractConfig()))
    assert "unreadable_file" not in {row.outcome for row in rows}


def test_one_archive_among_files_that_are_none_suffices(store, tmp_path):
    paths = [put(tmp_path / "a", b""), put(tmp_path / "b", NOISE), put(tmp_path / "c")]
    assert [source.name for source in find(store, *paths)] == ["a", "b", "c"]


def test_labels_folder_without_parquet_is_refused(store, tmp_path):
    touch(tmp_path / "labels" / "notes.txt")
    with pytest.raises(InputError, match="no Parquet file for curate.labels"):
        discover(store, warcs=[], labels=str(tmp_path / "labels"), lid_model="")


def test_evaluation_sets_are_files_of_a_known_form(tmp_path):
    store = Store(tmp_path / "store")
    for name in ("quiz.jsonl", "exam.parquet", "notes.txt"):
        (tmp_path / name).write_text("x")
    found = discover(store, warcs=[], labels="", lid_model="", evaluation_sets=[str(tmp_path)])
    assert [source.name for source in found.evaluation_sets] == ["exam.parquet", "quiz.jsonl"]
    with pytest.raises(InputError, match=r"decontaminate.sets"):
        discover(store, warcs=[], labels="", lid_model="", evaluation_sets=[str(tmp_path / "notes.txt")])  # fmt: skip
