"""Everything a run made, on one page. Measurements that vary stay out: equal work, equal page."""

from pathlib import Path

from tasks.job import Job
from tasks.report_page import render
from warehouse import catalog
from warehouse.store import Store


def report(job: Job) -> None:
    """Render the report of the run this step belongs to."""
    connection = catalog.connect(Store(Path(job.spec.store)), job.spec.run_id)
    render(connection, job.out / "report.html", timings=False)
