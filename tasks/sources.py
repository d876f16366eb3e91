"""The sample crawl and its labels, for recipes that name no files of their own."""

import pyarrow.parquet as pq

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
