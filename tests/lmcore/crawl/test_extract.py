import gzip
from dataclasses import fields

import pytest

from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.extract import Tally, extract_archive
from lmcore.crawl.record import OUTCOMES, Record, hash_id

CONFIG = ExtractConfig(tier="fast", max_page_bytes=200_000, page_seconds=5.0, respect_opt_out=True)
WORDS = " ".join(f"word{i}" for i in range(100))
HTML = f"<html><head><title>T</title></head><body><p>{WORDS}.</p></body></html>".encode()
FIELDS = [
    *("record_id", "warc_file", "warc_offset", "warc_length", "record_type", "url", "date"),
    *("http_status", "mime", "payload_digest", "charset", "charset_source", "page_type", "tier"),
    *("title", "author", "published", "licence", "canonical_url", "n_links", "outlinks"),
    *("opt_out", "outcome", "text"),
]


def http(
    body: bytes, status: str = "200 OK", mime: str = "text/html; charset=utf-8", *headers: str
) -> bytes:
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {mime}"] if mime else []), *headers, "", ""]
    return "\r\n".join(lines).encode() + body


CASES = {
    "page": [
        (http(HTML), {}),
        (http(HTML, "203 Fine"), {}),
        (http(HTML, mime=""), {}),
        (http(HTML, mime="application/xhtml+xml"), {}),
        (http(HTML, mime="TEXT/HTML"), {}),
        (http(gzip.compress(HTML, mtime=0), "200 OK", "text/html", "Content-Encoding: gzip"), {}),
        (HTML, {"kind": "resource", "mime": "text/html"}),
        (b"Plain words.", {"kind": "conversion", "mime": "text/plain"}),
    ],
    "warcinfo": [(b"software: x\r\n", {"kind": "warcinfo", "mime": "application/warc-fields"})],
    "request": [
        (
            b"GET / HTTP/1.1\r\n\r\n",
            {"kind": "request", "mime": "application/http; msgtype=request"},
        )
    ],
    "metadata": [(b"a: b\r\n", {"kind": "metadata", "mime": "application/warc-fields"})],
    "wat": [(b"{}", {"kind": "metadata", "mime": "application/json"})],
    "revisit": [(http(b""), {"kind": "revisit"})],
    "resource": [
        (b"x", {"kind": "resource", "mime": "image/png"}),
        (HTML, {"kind": "resource", "mime": "text/html", "url": "metadata://x"}),
    ],
    "other_record": [
        (b"x", {"kind": "continuation"}),
        (b"x", {"kind": "conversion", "mime": "image/png"}),
    ],
    "dns": [(b"2026\nx. 1 IN A 1.2.3.4\n", {"mime": "text/dns", "url": "dns:x"})],
    "robots_txt": [
        (http(b"User-agent: *\n", mime="text/plain"), {"url": "http://e.com/robots.txt"}),
        (http(b"", "404 No"), {"url": "http://e.com/robots.txt"}),
    ],
    "bad_http": [(b"HTTPS 2OO\r\n\r\n" + HTML, {}), (HTML, {})],
    "http_redirect": [(http(HTML, "301 Moved"), {}), (http(b"", "304 Not Modified"), {})],
    "http_error": [
        (http(HTML, "404 Not Found"), {}),
        (http(HTML, "500 Oops"), {}),
        (http(HTML, "101 Switch"), {}),
    ],
    "not_html": [
        (http(b"\x89PNG....", mime="image/png"), {}),
        (http(b"\x89PNG....", mime="text/html"), {}),
        (http(b"a{}", mime="text/css"), {}),
        (http(b"no markup", mime=""), {}),
        (http(bytes(900000), mime="video/mp4"), {}),
    ],
    "empty_body": [(http(b""), {}), (http(b" \r\n "), {}), (b"", {})],
    "too_large": [
        (http(HTML + b" " * 300000), {}),
        (http(HTML + b" " * 900000), {}),
        (
            http(
                gzip.compress(HTML + bytes(300000), mtime=0),
                "200 OK",
                "text/html",
                "Content-Encoding: gzip",
            ),
            {},
        ),
    ],
    "bad_encoding": [
        (
            http(
                gzip.compress(HTML, mtime=0)[:60], "200 OK", "text/html", "Content-Encoding: gzip"
            ),
            {},
        )
    ],
    "bad_charset": [(http(b"<p>" + bytes(range(256)) * 20), {})],
    "too_deep": [(http(b"<div>" * 5000), {})],
    "bad_pdf": [
        (http(b"%PDF-1.4 cut off", mime="application/pdf"), {}),
        (http(b"%PDF-1.4 cut off", mime=""), {}),
        (b"%PDF-1.4 cut off", {"kind": "resource", "mime": "application/pdf"}),
    ],
    "opt_out": [
        (http(HTML, "200 OK", "text/html", "X-Robots-Tag: nofollow\r\nX-Robots-Tag: noai"), {}),
        (http(HTML, "200 OK", "text/html", "TDM-Reservation: 1"), {}),
        (http(b'<meta name="robots" content="noindex">' + HTML), {}),
    ],
    "no_text": [(http(b"<html><body><div id=root></div></body></html>"), {})],
    "truncated_record": [(http(HTML), {"length": 9999})],
    "malformed_record": [(http(HTML), {"length": 50}), (http(HTML), {"length": "many"})],
}


@pytest.fixture(scope="module")
def archive(record, pack, tmp_path_factory):
    """A file with every case, and the outcomes expected in it."""
    records, expected = [], []
    for outcome, cases in CASES.items():
        for block, keywords in cases:
            records.append(record(len(records), block, **keywords))
            expected.append(outcome)
    path = tmp_path_factory.mktemp("crawl") / "a.warc.gz"
    path.write_bytes(pack("gz", records))
    return path, expected


@pytest.fixture(scope="module")
def rows(archive):
    return list(extract_archive(archive[0], "crawl/a.warc.gz", CONFIG))


def test_record_has_the_fields_of_the_table_in_order():
    assert [field.name for field in fields(Record)] == FIELDS


def test_extract_archive_every_record_has_its_one_outcome(archive, rows):
    assert [row.outcome for row in rows] == archive[1]
    assert set(archive[1]) == set(OUTCOMES) - {
        "timeout",
        "extractor_error",
        "unreadable_file",
        "encrypted_pdf",
    }


def test_extract_archive_text_stands_exactly_where_the_outcome_is_page(rows):
    assert all((row.text is not None) == (row.outcome == "page") for row in rows)
    assert WORDS in rows[0].text
    assert (rows[0].title, rows[0].charset, rows[0].mime, rows[0].http_status) == (
        "T",
        "utf-8",
        "text/html",
        200,
    )
    assert rows[0].date == "2026-01-02T03:04:05Z"


def test_extract_archive_ids_are_unique_and_those_of_the_records(rows):
    assert len({row.record_id for row in rows}) == len(rows)
    assert rows[3].record_id == hash_id("crawl/a.warc.gz", "urn:uuid:3")


def test_extract_archive_twice_gives_equal_rows(archive, rows):
    assert list(extract_archive(archive[0], "crawl/a.warc.gz", CONFIG)) == rows


def test_extract_archive_digest_is_of_the_stored_payload_where_none_is_given(record, tmp_path):
    path = tmp_path / "a.warc"
    path.write_bytes(
        record(1, http(b"hello", mime="text/css"))
        + record(2, b"x", kind="request", headers=["WARC-Payload-Digest: sha1:MINE"])
    )
    rows = list(extract_archive(path, "a", CONFIG))
    assert [row.payload_digest for row in rows] == [
        "sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N",
        "sha1:MINE",
    ]


def test_extract_archive_repeated_record_ids_are_told_apart_by_place(record, tmp_path):
    path = tmp_path / "a.warc"
    path.write_bytes(record(1, b"", kind="request") * 3)
    ids = [row.record_id for row in extract_archive(path, "a", CONFIG)]
    assert ids[0] == hash_id("a", "urn:uuid:1")
    assert len(set(ids)) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive\n" * 100,
        b"\x1f\x8b\x08",
        bytes(9000),
        gzip.compress(b"some text", mtime=0),
        b"\x28\xb5\x2f\xfd\xff",
        b"PK\x03\x04...",
    ],
)
def test_extract_archive_file_without_records_is_one_unreadable_row(tmp_path, content):
    path = tmp_path / "a.warc.gz"
    path.write_bytes(content)
    (row,) = extract_archive(path, "a", CONFIG)
    assert (row.outcome, row.warc_offset, row.warc_length) == ("unreadable_file", 0, len(content))


def test_extract_archive_missing_file_is_one_unreadable_row(tmp_path):
    assert [row.outcome for row in extract_archive(tmp_path / "no", "a", CONFIG)] == [
        "unreadable_file"
    ]
    assert [row.outcome for row in extract_archive(tmp_path, "a", CONFIG)] == ["unreadable_file"]


def test_extract_archive_damage_is_counted_beside_what_is_kept(record, pack, tmp_path):
    members = [pack("gz", [record(i, b"x: y", kind="metadata", mime="a/b")]) for i in range(4)]
    path = tmp_path / "a.warc.gz"
    path.write_bytes(members[0] + b"garbage" + members[1] + members[2][:9] + members[3])
    rows = list(extract_archive(path, "a", CONFIG))
    assert [row.outcome for row in rows] == [
        "metadata",
        "malformed_record",
        "metadata",
        "malformed_record",
        "metadata",
    ]
    assert sum(row.warc_length for row in rows) == path.stat().st_size


def test_extract_archive_page_that_hangs_is_timeout_and_neighbours_are_kept(record, pack, tmp_path):
    slow = (
        b"<html><body><table>"
        + b"<tr><td>cell</td><td>1</td></tr>" * 20_000
        + b"</table></body></html>"
    )
    path = tmp_path / "a.warc.gz"
    path.write_bytes(
        pack("gz", [record(i, http(body)) for i, body in enumerate([HTML, slow, HTML])])
    )
    config = ExtractConfig(tier="precise", page_seconds=0.3)
    assert [row.outcome for row in extract_archive(path, "a", config)] == [
        "page",
        "timeout",
        "page",
    ]


@pytest.mark.parametrize(
    ("parts", "n_records", "is_damaged"),
    [
        ([b"a", b"b"], 2, False),
        ([b"a", b"garbage", b"b"], 3, True),
        ([b"garbage"], 1, True),
        ([], 1, True),
    ],
)
def test_extract_archive_tally_is_the_number_of_rows(
    record, tmp_path, parts, n_records, is_damaged
):
    path, tally = tmp_path / "a.warc.gz", Tally()
    members = [gzip.compress(record(1, p, kind="request")) if len(p) == 1 else p for p in parts]
    path.write_bytes(b"".join(members))
    rows = list(extract_archive(path, "a", CONFIG, tally))
    assert (tally.n_records, tally.is_damaged) == (n_records, is_damaged)
    assert len(rows) == n_records
