"""Steps as Prefect tasks: names, retries with back-off, Cached states, task runners.

Prefect watches; the warehouse decides what has to run (tasks/stage.py).
"""

import dataclasses
import importlib
import logging
from pathlib import Path
from typing import Any

from prefect import State, Task, flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Completed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff

from lmcore.errors import ConfigError
from tasks.errors import TransientStageError
from tasks.opening import OpenRun, decode_step, encode_step, load_journey
from tasks.resources import Resources
from tasks.stage import Context, execute
from tasks.stages import PARTS, STAGES
from warehouse.artifact import ArtifactRef
from warehouse.store import Store

PUBLISHED = ("funnel", "rejections_by_reason", "duplicates", "accuracies", "stage_quality")
PUBLISHED_ROWS = 50
_BACKOFF_SECONDS = 2.0

Refs = dict[str, ArtifactRef]

__all__ = ["Journey", "Refs", "flow", "task_runner"]


def is_transient(task: "Task[Any, Any]", task_run: TaskRun, state: "State[Any]") -> bool:
    """Tell Prefect to retry weather and nothing else."""
    del task, task_run
    error = state.result(raise_on_failure=False)
    return isinstance(error, TransientStageError)


@task(
    name="step",
    task_run_name="{name}",
    cache_policy=NO_CACHE,
    retry_jitter_factor=0.5,
    retry_condition_fn=is_transient,
    persist_result=False,
)
def run_step(
    name: str, step: dict[str, Any], context: dict[str, Any], upstream: list[ArtifactRef]
) -> Any:  # a state or a reference: Prefect unwraps both
    """Run or find one step's artifact; a hit ends in the state Cached."""
    del name  # Prefect names the task run by it
    known = {ref.step: ref for ref in upstream}
    ref = execute(Context(**context), decode_step(step), known, log=get_run_logger())
    if ref.cached:
        return Completed(name="Cached", message=f"artifact {ref.key[:12]}", data=ref)
    return ref


def task_runner(resources: Resources) -> "TaskRunner[Any]":
    """Task runner for a run's resources; ConfigError when its extra is not installed."""
    if resources.runner == "threads":
        return ThreadPoolTaskRunner(max_workers=resources.workers)
    if resources.runner == "processes":
        return ProcessPoolTaskRunner(max_workers=resources.workers)
    module = {"dask": "prefect_dask", "ray": "prefect_ray"}[resources.runner]
    try:
        package = importlib.import_module(module)
    except ImportError as error:
        msg = (
            f"Found resources.runner = {resources.runner!r} but no {module}; expected the extra; "
            f"install it with pip install 'crawl2model[{resources.runner}]'."
        )
        raise ConfigError(msg) from error
    runner: TaskRunner[Any]
    if resources.runner == "dask":
        here = {"n_workers": resources.workers, "threads_per_worker": 1, "dashboard_address": None}
        runner = (
            package.DaskTaskRunner(address=resources.address)
            if resources.address
            else package.DaskTaskRunner(cluster_kwargs=here)
        )
    else:
        options = {"num_cpus": resources.workers, "include_dashboard": False}
        runner = (
            package.RayTaskRunner(address=resources.address)
            if resources.address
            else package.RayTaskRunner(init_kwargs=options)
        )
    return runner


class Journey:
    """The steps of one run inside one subflow: submits them, wires them, gathers their results."""

    def __init__(self, run: OpenRun, known: Refs) -> None:
        self._run = run
        self._steps = load_journey(run)
        self._done: Refs = dict(known)
        self._futures: dict[str, PrefectFuture[Any]] = {}

    def submit(self, stage: str) -> None:
        """Submit every step of a stage that the run contains."""
        context = dataclasses.asdict(self._run.context())
        for step in self._steps:
            if step.stage.name == stage:
                # Prefect gives the task each future's result in its place
                upstream: list[Any] = [
                    self._futures.get(s) or self._done[s] for s in step.upstream()
                ]
                retries = self._run.resources.retries
                self._futures[step.name] = run_step.with_options(
                    retries=retries,
                    # the delays are listed when they are given, so they come with the retries
                    retry_delay_seconds=exponential_backoff(_BACKOFF_SECONDS) if retries else [],
                ).submit(step.name, encode_step(step), context, upstream)

    def gather(self) -> Refs:
        """Wait for every submitted step; raise the first failure after all have ended."""
        for future in self._futures.values():
            future.wait()
        for name, future in self._futures.items():
            self._done[name] = future.result()
        return self._done


def publish(run: OpenRun) -> None:
    """Show the key tables as Prefect artifacts of the flow run."""
    from warehouse import catalog, questions

    connection = catalog.connect(Store(Path(run.store)), run.run_id)
    for name in PUBLISHED:
        columns, rows = catalog.query(connection, questions.named(name).sql)
        create_table_artifact(
            table=[dict(zip(columns, map(str, row), strict=True)) for row in rows[:PUBLISHED_ROWS]],
            key=name.replace("_", "-"),
            description=questions.named(name).answers,
        )


logging.getLogger("httpx").setLevel(logging.WARNING)
assert set(PARTS) == {stage.part for stage in STAGES.values()}
