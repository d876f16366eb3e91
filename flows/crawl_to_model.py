"""The whole journey, as a table of contents: from a page of the web to an aligned model."""

import os
from dataclasses import replace
from pathlib import Path

from prefect.runtime import flow_run

from flows import recipe as recipes
from flows.alignment import alignment
from flows.corpus import corpus
from flows.evaluation import evaluation
from flows.pretraining import pretraining
from flows.scaling import scaling
from flows.tokenizer import tokenizer
from tasks.opening import OpenRun, open_run
from tasks.orchestration import Refs, flow, publish, task_runner
from warehouse import runs
from warehouse.store import Store


@flow(name="crawl_to_model", flow_run_name="{recipe}", persist_result=False)
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
    sections = recipes.load(recipe, overrides or ()).sections()
    place = Store(Path(store or os.environ.get("C2M_STORE", "store")).resolve())
    run = open_run(place, recipe, sections, until=until, locked=locked)
    record = replace(runs.read_run(place, run.run_id), flow_run=flow_run.id or "")
    runs.save(place, record)
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
    documents = corpus.with_options(task_runner=runner)(run, {})
    tokens = tokenizer.with_options(task_runner=runner)(run, documents)
    base = pretraining.with_options(task_runner=runner)(run, tokens)
    laws = scaling.with_options(task_runner=runner)(run, base)
    aligned = alignment.with_options(task_runner=runner)(run, laws)
    return evaluation.with_options(task_runner=runner)(run, aligned)
