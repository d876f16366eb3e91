"""One crawl file becomes one row a record, and one text a page."""

from dataclasses import asdict

from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.extract import extract_archive
from tasks.job import Job

RECORDS = "records.parquet"
TEXTS = "texts.parquet"


def extract(job: Job) -> None:
    """Extract every record of the file; the outcome of each is a row."""
    name = str(job.spec.config["file"])
    (source,) = [entry for entry in job.spec.inputs if entry.name == "crawl"]
    path = job.path("crawl") / name if source.key else job.path("crawl")
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
    job.account("records", n_records)
