"""One crawl file becomes one row a record, and one text a page."""

from dataclasses import asdict
from pathlib import Path

from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.extract import extract_archive
from lmcore.errors import TransientError
from tasks.discovery import UNREADABLE
from tasks.job import Job
from warehouse.fingerprint import hash_file

RECORDS = "records.parquet"
TEXTS = "texts.parquet"


def extract(job: Job) -> None:
    """Extract every record of the file; the outcome of each is a row."""
    name = str(job.spec.config["file"])
    (source,) = [entry for entry in job.spec.inputs if entry.name == "crawl"]
    path = job.path("crawl") / name if source.key else job.path("crawl")
    if not source.key:
        _require_unchanged(path, source.content)
    size = path.stat().st_size if path.exists() else 0
    n_records = 0
    with job.writer("records", RECORDS) as records, job.writer("texts", TEXTS) as texts:
        for record in extract_archive(path, name, job.config(ExtractConfig, "extract")):
            row = asdict(record)
            text = row.pop("text")
            records.write(row)
            if record.outcome == "page":
                texts.write({"doc_id": record.record_id, "text": text})
            n_records += 1
            job.progress(max(record.warc_offset, 0), size, f"{n_records:,d} records")
    if not source.key:
        _require_unchanged(path, source.content)
    job.account("records", n_records)


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
