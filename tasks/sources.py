"""Crawl files that a stage writes: the sample crawl, its labels, records chosen by an index."""

import pyarrow.parquet as pq

from lmcore.crawl.ccindex import fetch_selected
from lmcore.crawl.index_config import IndexConfig
from lmcore.crawl.sample import write_sample_crawl, write_sample_labels
from lmcore.crawl.sample_config import SampleConfig
from tasks.job import Job

TRUTH = "truth.parquet"


def sample_crawl(job: Job) -> None:
    """Write the sample crawl's WARC files and, beside them, the ground truth as a table."""
    write_sample_crawl(job.out, job.config(SampleConfig, "sample"))
    rows = pq.read_table(job.out / TRUTH).to_pylist()
    job.write("truth", TRUTH, rows)


def sample_labels(job: Job) -> None:
    """Write the label sets on which the classifiers are trained by default."""
    write_sample_labels(job.out, job.config(SampleConfig, "sample"))


def fetch_records(job: Job) -> None:
    """Write the records that the columnar index selects, as WARC files."""
    config = job.config(IndexConfig, "index")
    paths = [entry.path for entry in job.spec.inputs if entry.name == "index"]
    for n_records, _ in enumerate(fetch_selected(paths, config, job.out), start=1):
        job.progress(n_records, config.max_records, f"{n_records:,d} records")
