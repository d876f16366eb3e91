"""The sample crawl as files: deterministic, complete, readable, true to its ground truth."""

import gzip
import re
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from lmcore.crawl.sample import warc_names, write_sample_crawl
from lmcore.crawl.sample_config import SampleConfig
from lmcore.crawl.sample_duplicates import jaccard, shingles
from lmcore.crawl.sample_grammar import words
from lmcore.errors import ConfigError

SMALL = SampleConfig(n_pages=100, n_files=2)


@pytest.fixture(scope="module")
def crawl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crawl")
    write_sample_crawl(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def truth(crawl):
    return pq.read_table(crawl / "truth.parquet").to_pylist()


def _files(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_crawl_same_config_gives_same_bytes(crawl, tmp_path):
    write_sample_crawl(tmp_path, SMALL)
    assert _files(tmp_path) == _files(crawl)


def test_crawl_other_seed_gives_other_texts(truth, tmp_path):
    write_sample_crawl(tmp_path, SampleConfig(n_pages=100, n_files=1, seed=1))
    others = pq.read_table(tmp_path / "truth.parquet")["main_text"].to_pylist()
    long = {text for text in others if text and len(text) > 100}
    assert long
    assert not long & {row["main_text"] for row in truth}


def test_crawl_paths_file_lists_the_warc_names(crawl):
    listed = gzip.decompress((crawl / "warc.paths.gz").read_bytes()).decode().split()
    assert tuple(listed) == warc_names(SMALL)
    assert all((crawl / name).is_file() for name in listed)


def test_truth_rows_have_unique_urls_and_record_ids(truth):
    assert len({row["url"] for row in truth}) == len(truth)
    assert len({row["warc_record_id"] for row in truth}) == len(truth)


def test_truth_smallest_crawl_shows_every_phenomenon(truth):
    kinds = Counter(row["page_type"] for row in truth)
    expected = (
        "story article encyclopedia qa forum product spam abuse short redirect error image asset"
        " robots dns empty no_text too_large too_deep malformed truncated"
    )
    assert sorted(kinds) == sorted(words(expected))
    languages = {row["language"] for row in truth if row["page_type"] == "article"}
    assert sorted(languages) == sorted(words("en de fr es it pt nl pl ru zh ja"))
    assert {row["duplicate_kind"] for row in truth} == {None, "exact", "near"}


def test_truth_english_is_three_quarters_of_the_pages(truth):
    pages = Counter(row["language"] for row in truth if row["main_text"])
    assert 0.70 < pages["en"] / pages.total() < 0.82


def test_crawl_intact_file_is_read_by_fastwarc_to_the_end(crawl, truth):
    damaged = {row["warc_file"] for row in truth if row["page_type"] in ("malformed", "truncated")}
    ids = {row["warc_record_id"] for row in truth}
    read = set()
    for name in warc_names(SMALL):
        with (crawl / name).open("rb") as stream:
            try:
                for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
                    read.add(record.headers["WARC-Record-ID"].strip("<>"))
            except (ValueError, OSError):  # fastwarc stops at a damaged record
                assert name in damaged
    assert read <= ids
    assert len(read) > len(ids) / 10


def test_crawl_every_record_is_one_gzip_member(crawl):
    name = warc_names(SMALL)[0]
    raw = (crawl / name).read_bytes()
    starts = [match.start() for match in re.finditer(b"\x1f\x8b\x08\x00\0\0\0\0", raw)]
    members = [raw[a:b] for a, b in zip(starts, [*starts[1:], len(raw)], strict=True)]
    n_responses = 0
    for member in members[:50]:
        n_responses += b"\r\nWARC-Type: response" in gzip.decompress(member)
    assert gzip.decompress(members[0]).startswith(b"WARC/1.0\r\nWARC-Type: warcinfo")
    assert n_responses > 10


def test_crawl_last_member_of_last_file_is_cut(crawl):
    raw = (crawl / warc_names(SMALL)[-1]).read_bytes()
    last = raw[raw.rindex(b"\x1f\x8b\x08\x00\0\0\0\0") :]
    with pytest.raises(EOFError):
        gzip.decompress(last)


def test_truth_planted_data_stands_in_the_main_text(truth):
    planted = [
        (value, row) for row in truth for k in ("emails", "phones", "ips") for value in row[k]
    ]
    assert len(planted) > 10
    assert all(value in row["main_text"] for value, row in planted)


def test_truth_duplicates_have_the_recorded_jaccard(truth):
    by_url = {row["url"]: row for row in truth}
    copies = [row for row in truth if row["duplicate_of"]]
    assert len(copies) >= 15
    for row in copies:
        base = by_url[row["duplicate_of"]]
        exact = jaccard(shingles(row["main_text"]), shingles(base["main_text"]))
        assert row["jaccard"] == exact
        assert not 0.78 <= exact <= 0.82
        assert (row["duplicate_kind"] == "exact") == (row["main_text"] == base["main_text"])


def test_truth_near_duplicates_reach_every_target(truth):
    similarities = [row["jaccard"] for row in truth if row["duplicate_kind"] == "near"]
    for target in (0.3, 0.5, 0.7, 0.85, 0.9, 0.95):
        assert any(abs(similarity - target) <= 0.025 for similarity in similarities)


def test_truth_charsets_hold_declared_undeclared_and_wrong(truth):
    pages = [row for row in truth if row["language"]]
    pairs = {(row["charset_declared"], row["charset_true"]) for row in pages}
    assert {true for _, true in pairs} >= {
        "utf-8",
        "windows-1252",
        "windows-1251",
        "iso-8859-1",
    }
    assert any(declared is None and true != "utf-8" for declared, true in pairs)
    assert ("utf-8", "windows-1252") in pairs
    assert {row["content_encoding"] for row in pages} == {None, "gzip", "deflate", "br"}


def test_pages_of_a_kind_do_not_depend_on_the_number_of_pages(truth, tmp_path):
    write_sample_crawl(tmp_path, SampleConfig(n_pages=130, n_files=1))
    by_url = {row["url"]: row for row in truth}
    common = 0
    for row in pq.read_table(tmp_path / "truth.parquet").to_pylist():
        if row["url"] in by_url:
            common += 1
            assert by_url[row["url"]]["main_text"] == row["main_text"]
    assert common >= 90


@pytest.mark.parametrize("fields", [{"n_pages": 99}, {"n_files": 0}, {"n_files": 101}])
def test_config_out_of_range_raises_config_error(fields):
    with pytest.raises(ConfigError, match=r"(change|raise) n_"):
        SampleConfig(**fields)
