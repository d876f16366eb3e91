"""Everything a run made, on one page: a function of its artifacts and settings, never of the run."""

from pathlib import Path

from tasks.job import Job
from tasks.report_page import render
from warehouse import catalog
from warehouse.store import Store


def report(job: Job) -> None:
    """Render the report over the artifacts of the run this step belongs to."""
    recipe = job.spec.config["recipe"]
    assert isinstance(recipe, dict)
    with catalog.connect(Store(Path(job.spec.store)), job.spec.run_id) as connection:
        render(connection, job.out / "report.html", config=recipe, timings=False)
