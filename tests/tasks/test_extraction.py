"""One crawl file becomes rows that are counted by somebody else."""

import errno

import pytest

from lmcore.crawl import extract as reading
from lmcore.crawl.extract import extract_archive
from lmcore.errors import InputError, TransientError
from tasks import extraction
from tasks.discovery import UNREADABLE
from tasks.extraction import RECORDS, TEXTS, extract, require_pages
from tasks.job import Job, JobInput, JobSpec
from warehouse.errors import AccountingError
from warehouse.expectations import count_outcomes
from warehouse.fingerprint import hash_file
from warehouse.parquet import read_rows

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
PAGE = HEAD + b"<html><body><p>" + b"A sentence of a page. " * 20 + b"</p></body></html>"


def to_record(number, block=PAGE, *, kind="response", length=None):
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{number}>",
        f"WARC-Target-URI: http://a.example/{number}",
        "Content-Type: application/http",
        f"Content-Length: {len(block) if length is None else length}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def make_job(folder, path, content=""):
    for name in ("out", "work"):
        (folder / name).mkdir(parents=True)
    config = {"extract": {"tier": "fast"}, "file": path.name}
    source = content or hash_file(path)
    return Job(
        JobSpec(
            step="extract/a",
            stage="extract",
            body="tasks.extraction:extract",
            key="k",
            config=config,
            inputs=[JobInput("crawl", "file", "", source, path.name, str(path))],
            out=str(folder / "out"),
            work=str(folder / "work"),
            store=str(folder / "store"),
            run_id="r",
            workers=1,
        )
    )


def rows_of(job):
    return list(read_rows(job.out / RECORDS))


def check_account(job):
    return count_outcomes("records", [job.out / RECORDS], job.result.rows_in)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "a.warc"
    kinds = ["warcinfo", "request", "response", "response", "metadata"]
    path.write_bytes(b"".join(to_record(i, kind=kind) for i, kind in enumerate(kinds)))
    return path


def test_extract_every_record_is_a_row_and_every_page_a_text(archive, tmp_path):
    job = make_job(tmp_path / "job", archive)
    extract(job)
    assert check_account(job).rows_kept == 2
    assert job.result.rows_in == 5
    texts = [row["doc_id"] for row in read_rows(job.out / TEXTS)]
    assert texts == [row["record_id"] for row in rows_of(job) if row["outcome"] == "page"]


def lose_third(found):
    """A fault: one of the things that pass through is dropped."""
    for number, entry in enumerate(found):
        if number != 2:
            yield entry


def test_extract_record_that_the_reader_loses_fails_the_account(archive, tmp_path, monkeypatch):
    whole = reading.read_records
    monkeypatch.setattr(reading, "read_records", lambda *a, **k: lose_third(whole(*a, **k)))
    job = make_job(tmp_path / "job", archive)
    extract(job)
    with pytest.raises(AccountingError, match="4 outcomes in records for 5 rows"):
        check_account(job)


@pytest.mark.parametrize("damage", [b"", to_record(9, length="many")])
def test_extract_record_lost_behind_the_reader_fails_the_account(
    archive, tmp_path, monkeypatch, damage
):
    def lossy(*arguments):
        return lose_third(extract_archive(*arguments))

    monkeypatch.setattr(extraction, "extract_archive", lossy)
    archive.write_bytes(archive.read_bytes() + damage)
    job = make_job(tmp_path / "job", archive)
    extract(job)
    with pytest.raises(AccountingError, match="the stage loses"):
        check_account(job)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-300],
        lambda data: data + bytes(3000),
        lambda data: data.replace(b"WARC-Type", b"warc-type"),
        lambda data: data[:50] + b"\xff" * 99 + data[50:],
        lambda _data: b"no archive",
    ],
    ids=["cut", "padded", "lower", "hole", "none"],
)
def test_extract_file_that_only_our_reader_reads_to_its_end_is_accounted_for(
    archive, tmp_path, change
):
    archive.write_bytes(change(archive.read_bytes()))
    job = make_job(tmp_path / "job", archive)
    extract(job)
    assert check_account(job).rows_in == len(rows_of(job)) > 0


@pytest.mark.parametrize("place", ["/proc/self/mem", "gone.warc.gz"])
def test_extract_file_that_discovery_could_not_read_is_one_row(tmp_path, place):
    job = make_job(tmp_path / "job", tmp_path / place, UNREADABLE)
    extract(job)
    (row,) = rows_of(job)
    assert (row["outcome"], row["warc_file"]) == ("unreadable_file", place.rsplit("/", 1)[-1])
    assert check_account(job).rejected == {"unreadable_file": 1}


def test_extract_file_that_discovery_could_not_read_and_is_there_now_is_tried_again(
    archive, tmp_path
):
    with pytest.raises(TransientError, match="changed or went away"):
        extract(make_job(tmp_path / "job", archive, UNREADABLE))


def test_extract_failing_read_is_tried_again_and_then_nothing_is_lost_or_doubled(
    archive, tmp_path, monkeypatch
):
    whole = reading.read_records

    def break_after_three(*arguments, **keywords):
        for number, raw in enumerate(whole(*arguments, **keywords)):
            if number == 3:
                raise OSError(errno.EIO, "Input/output error")
            yield raw

    with monkeypatch.context() as patch:
        patch.setattr(reading, "read_records", break_after_three)
        with pytest.raises(TransientError, match="Input/output error"):
            extract(make_job(tmp_path / "first", archive))
    again, undisturbed = (make_job(tmp_path / name, archive) for name in ("again", "whole"))
    extract(again)
    extract(undisturbed)
    assert rows_of(again) == rows_of(undisturbed)
    assert check_account(again).rows_in == 5


def test_require_pages_crawl_without_a_page_is_refused_with_what_it_holds(tmp_path):
    path = tmp_path / "a.warc"
    path.write_bytes(b"".join(to_record(i, b"", kind="request") for i in range(3)))
    job = make_job(tmp_path / "job", path)
    extract(job)
    with pytest.raises(InputError, match=r"no page in 1 crawl files: 3 records.*3 request; exp"):
        require_pages([job.out])


def test_require_pages_one_page_suffices(archive, tmp_path):
    job = make_job(tmp_path / "job", archive)
    extract(job)
    require_pages([job.out])
