"""The verb ``run``: mistakes first, then the engine, then the last page.

A run of which everything is cached needs no engine: it is recorded without importing Prefect.
"""

import contextlib
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from rich.console import Console
from rich.markup import escape

from flows import engine
from flows.progress import ProgressBoard
from flows.summary import show_summary
from tasks.opening import open_run, plan_steps, read_lock, replay
from tasks.planning import plan
from tasks.stage import INTERRUPTED
from warehouse import runs
from warehouse.errors import StoreError
from warehouse.store import Store, disk_errors

_MIN_FREE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run."""

    recipe: str
    overrides: Sequence[str]
    sections: Mapping[str, Mapping[str, object]]
    """the recipe as read, overrides applied"""
    until: str = ""
    is_locked: bool = False


def run(store: Store, order: Order) -> None:
    """Run a recipe, show how it goes on, and end with the last page."""
    console = Console(highlight=False)
    store.prepare()
    _require_room(store)
    steps = plan_steps(store, order.sections, order.until)  # mistakes show before the engine starts
    if order.is_locked:
        read_lock(store, order.recipe, steps)
    name = escape(order.recipe)
    place = escape(str(store.root))
    console.print(f"[bold]c2m run {name}[/bold]  store {place}", soft_wrap=True)
    has_server = "PREFECT_API_URL" in os.environ
    with ProgressBoard(store, console) as board, disk_errors("a run"):
        if not has_server and all(entry.state == "cached" for entry in plan(store, steps)):
            run_id = _replay(store, order)
        else:
            board.wait_for("starting the engine")
            run_id = _travel(store, order)
    show_summary(store, run_id, console)


def _require_room(store: Store) -> None:
    free = shutil.disk_usage(store.root).free
    if free < _MIN_FREE_BYTES:
        msg = (
            f"Found {free / 1e6:,.0f} MB free on the disk of {store.root}; expected at least "
            f"{_MIN_FREE_BYTES / 1e6:,.0f} MB for a run; free some or name another store with "
            "--store. Everything committed so far is kept."
        )
        raise StoreError(msg)


def _replay(store: Store, order: Order) -> str:
    """Record a run of which everything is cached, without starting Prefect's engine for it."""
    opened = open_run(
        store, order.recipe, order.sections, until=order.until, locked=order.is_locked
    )
    replay(opened)
    status = "stopped" if order.until else "completed"
    runs.finish(store, runs.read_run(store, opened.run_id), status=status)
    return opened.run_id


def _travel(store: Store, order: Order) -> str:
    """Run the flow on Prefect's ephemeral engine, the user's server, or one of our own."""
    engine.configure(store.root, quiet=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with contextlib.ExitStack() as stack:
        runner = str(order.sections["resources"]["runner"])
        if runner != "threads" and "PREFECT_API_URL" not in os.environ:
            os.environ["PREFECT_API_URL"] = f"{stack.enter_context(engine.server())}/api"
        from flows.crawl_to_model import crawl_to_model  # Prefect, after its settings are made

        run_id: str = crawl_to_model(
            order.recipe,
            list(order.overrides),
            str(store.root),
            until=order.until,
            locked=order.is_locked,
        )
        return run_id


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End every running step as well: their processes have sessions of their own."""
    INTERRUPTED.set()
    raise KeyboardInterrupt
