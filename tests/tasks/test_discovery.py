"""Paths and globs become named, hashed files."""

import pytest

from lmcore.errors import InputError
from tasks.discovery import UNREADABLE, discover, match, name_files
from warehouse.fingerprint import hash_file
from warehouse.store import Store


def touch(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


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


def test_content_changes_the_hash_and_a_move_does_not(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    path = touch(tmp_path / "a.warc", "one")
    (before,) = discover(store, warcs=[str(path)], labels="", lid_model="").warcs
    assert before.content == hash_file(path)
    moved = tmp_path / "elsewhere" / "a.warc"
    moved.parent.mkdir()
    path.rename(moved)
    (after,) = discover(store, warcs=[str(moved)], labels="", lid_model="").warcs
    assert (after.name, after.content) == (before.name, before.content)
    moved.write_text("two!")
    (changed,) = discover(store, warcs=[str(moved)], labels="", lid_model="").warcs
    assert changed.content != before.content


def test_file_that_vanishes_or_is_locked_away_stays_a_source(tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    store.prepare()
    path = touch(tmp_path / "a.warc")

    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("warehouse.fingerprint.hash_file", refuse)
    (source,) = discover(store, warcs=[str(path)], labels="", lid_model="").warcs
    assert source.content == UNREADABLE


def test_labels_folder_without_parquet_is_refused(tmp_path):
    store = Store(tmp_path / "store")
    store.prepare()
    touch(tmp_path / "labels" / "notes.txt")
    with pytest.raises(InputError, match="no Parquet file for curate.labels"):
        discover(store, warcs=[], labels=str(tmp_path / "labels"), lid_model="")
