"""The whole journey, as a table of contents: from a page of the web to an aligned model."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from prefect import Flow
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from flows import recipe as recipes
from flows.alignment import alignment
from flows.corpus import corpus
from flows.dialing import settle
from flows.evaluation import evaluation
from flows.pretraining import pretraining
from flows.scaling import scaling
from flows.tokenizer import tokenizer
from tasks.opening import OpenRun, open_run
from tasks.orchestration import Refs, flow, publish, task_runner
from warehouse import runs
from warehouse.store import Store


def _name_run() -> str:
    """Name of the flow run that begins, such as ``nano 2026-11-22 10:31 UTC``."""
    recipe = Path(flow_run.parameters["recipe"]).stem
    return f"{recipe} {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


@flow(name="crawl_to_model", flow_run_name=_name_run, persist_result=False)
def crawl_to_model(
    recipe: str = "nano",
    overrides: list[str] | None = None,
    store: str = "",
    until: str = "",
    locked: bool = False,
) -> str:
    """Take a recipe's pages all the way to an aligned model and its report; return the run's id.

    ``recipe`` is a shipped recipe or a TOML file, ``overrides`` are ``section.key=value``,
    ``store`` is the folder of the warehouse (default: C2M_STORE or ./store), ``until`` the last stage to run;
    ``locked`` takes the artifacts that the recipe's lock names.
    """
    place = Store(Path(store or os.environ.get("C2M_STORE", "store")).resolve())
    sections = recipes.load(recipe, settle(place, recipe, overrides or ())).sections()
    run = open_run(place, recipe, sections, until=until, locked=locked)
    record = replace(runs.read_run(place, run.run_id), flow_run=flow_run.id or "")
    runs.save(place, record)
    get_run_logger().info("opened run=%s store=%s until=%s", run.run_id, place.root, until or "end")
    try:
        travel(run)
    except BaseException as error:
        runs.finish(place, record, status="failed", error=str(error))
        raise
    runs.finish(place, record, status="stopped" if until else "completed")
    publish(run)
    return run.run_id


def travel(run: OpenRun) -> Refs:
    """Go through the parts of the journey, each a subflow on the run's task runner."""
    runner = task_runner(run.resources)
    recipe = Path(runs.read_run(Store(Path(run.store)), run.run_id).recipe).stem

    def part(subflow: Flow[[OpenRun, Refs], Refs], known: Refs) -> Refs:
        named = f"{subflow.name} of {recipe}"
        return subflow.with_options(task_runner=runner, flow_run_name=lambda: named)(run, known)

    documents = part(corpus, {})
    tokens = part(tokenizer, documents)
    base = part(pretraining, tokens)
    laws = part(scaling, base)
    aligned = part(alignment, laws)
    return part(evaluation, aligned)
