"""One crawl file becomes one row a record, and one text a page."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.extract import Tally, extract_archive, unreadable_file
from lmcore.crawl.record import PAGE, Record
from lmcore.crawl.recount import count_records
from lmcore.crawl.remote import download, find_remote, is_remote
from lmcore.errors import InputError, TransientError
from tasks.discovery import UNREADABLE
from tasks.job import Job, read_all
from warehouse.fingerprint import hash_file

RECORDS = "records.parquet"
TEXTS = "texts.parquet"
_SHOWN = 3


def extract(job: Job) -> None:
    """Extract every record of the file; the outcome of each is a row.

    A file that discovery could not read is one row: what it may give now is not what the identity
    names. The rows are held against a count that is not made from them.
    """
    name = str(job.spec.config["file"])
    (source,) = [entry for entry in job.spec.inputs if entry.name == "crawl"]
    path = job.path("crawl") / name if source.key else job.path("crawl")
    is_local = not source.key and not is_remote(source.path)
    if is_remote(source.path):
        path = _fetch(job, source.path, source.content)
    if is_local:
        _require_unchanged(path, source.content)
    tally = Tally()
    if source.content == UNREADABLE:
        tally.n_records, tally.is_damaged = 1, True
        records: Iterable[Record] = [unreadable_file(name)]
    else:
        config = job.config(ExtractConfig, "extract")
        records = extract_archive(path, name, config, tally)
    _write(job, records, path)
    n_counted = None if tally.is_damaged else count_records(path)
    if is_local:
        _require_unchanged(path, source.content)
    job.account("records", tally.n_records if n_counted is None else n_counted)


def _fetch(job: Job, url: str, content: str) -> Path:
    """A remote file, kept in the store's cache; whoever needs the space may delete it there.

    Raises TransientError where it is no longer what the identity states.
    """
    remote = find_remote(url)
    if remote.content != content:
        raise TransientError(
            f"Found that {url} changed; expected the content {content[:12]}; the next run looks "
            "at it anew."
        )
    return download(remote, job.store.root / "cache" / "crawl")


def _write(job: Job, found: Iterable[Record], path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    with job.writer("records", RECORDS) as records, job.writer("texts", TEXTS) as texts:
        for n_records, record in enumerate(found, start=1):
            row = asdict(record)
            text = row.pop("text")
            records.write(row)
            if record.outcome == PAGE:
                texts.write({"doc_id": record.record_id, "text": text})
            job.progress(max(record.warc_offset, 0), size, f"{n_records:,d} records")


def require_pages(extracted: Sequence[Path]) -> None:
    """Raise InputError where no extracted crawl file holds a page, with what they hold instead."""
    rows = read_all(extracted, RECORDS, ["outcome"])
    outcomes = Counter(str(row["outcome"]) for row in rows)
    if outcomes[PAGE]:
        return
    reasons = [f"{n:,d} {outcome}" for outcome, n in outcomes.most_common(_SHOWN) if n]
    msg = (
        f"Found no page in {len(extracted):,d} crawl files: {outcomes.total():,d} records"
        f"{', most of them ' if reasons else ''}{', '.join(reasons)}; expected at least one record "
        "that is an HTML page or plain text made from one (WET), with text on it; add files to "
        "corpus.warcs that hold pages."
    )
    raise InputError(msg)


def _require_unchanged(path: Path, content: str) -> None:
    """Raise TransientError unless a source file still has the content that the identity states.

    Otherwise what became of a file that was away for a moment would be served for ever.
    """
    try:
        found = hash_file(path)
    except OSError:
        found = UNREADABLE
    if found != content:
        msg = (
            f"Found that {path} changed or went away while it was read; expected the content "
            f"{content[:12]}; it is tried again, and hashed anew by the next run."
        )
        raise TransientError(msg)
