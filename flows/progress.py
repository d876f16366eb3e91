"""Live counts while a run goes on, read from the run's own records: any task runner will do."""

import json
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tasks.graph import STAGES
from warehouse import runs
from warehouse.store import Store

_POLL_SECONDS = 0.4
_PLAIN_SECONDS = 10.0


class ProgressBoard:
    """Shows the steps of the run that starts while it is open: bars on a terminal, else lines."""

    def __init__(self, store: Store, console: Console) -> None:
        self._store = store
        self._console = console
        self._earlier = {run.run_id for run in runs.all_runs(store)}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._bars: dict[str, TaskID] = {}
        self._settled: set[str] = set()
        self._spoken: dict[str, float] = {}
        self._started = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        self._bars[""] = self._progress.add_task("starting the engine", total=None, note="")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._poll()
        self._progress.stop()

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            self._poll()

    def _poll(self) -> None:
        new = [run for run in runs.all_runs(self._store) if run.run_id not in self._earlier]
        if not new:
            return
        for record in runs.steps(self._store, new[-1].run_id):
            if record.step not in self._settled:
                self._show(record)

    def _show(self, record: runs.StepRecord) -> None:
        if "" in self._bars:
            self._progress.remove_task(self._bars.pop(""))
        title = f"{STAGES[record.stage].title} [dim]{record.step}[/dim]"
        if record.state == "running":
            self._advance(record, title)
            return
        self._settled.add(record.step)
        if record.step in self._bars:
            self._progress.remove_task(self._bars.pop(record.step))
        took = "cached" if record.state == "hit" else f"{record.seconds:.1f} s"
        mark = {"hit": "[blue]=[/blue]", "ran": "[green]+[/green]"}.get(
            record.state, "[red]x[/red]"
        )
        elapsed = time.monotonic() - self._started
        self._console.print(f"{mark} {elapsed:6.1f} s  {title}  {took}", soft_wrap=True)

    def _advance(self, record: runs.StepRecord, title: str) -> None:
        done, total, note = _read_progress(Path(record.work_dir))
        if record.step not in self._bars:
            self._bars[record.step] = self._progress.add_task(title, total=None, note="")
            self._spoken[record.step] = time.monotonic()
        self._progress.update(
            self._bars[record.step], completed=done, total=total or None, note=note
        )
        moment = time.monotonic()
        quiet = moment - self._spoken[record.step]
        if not self._console.is_terminal and quiet > _PLAIN_SECONDS and total:
            self._spoken[record.step] = moment
            share = f"{100 * done / total:3.0f}%"
            elapsed = moment - self._started
            self._console.print(f"  {elapsed:6.1f} s  {title}  {share} {note}", soft_wrap=True)


def _read_progress(work: Path) -> tuple[float, float, str]:
    try:
        raw = json.loads((work / "progress.json").read_text())
        return float(raw["done"]), float(raw["total"]), str(raw["note"])
    except (OSError, ValueError, KeyError):
        return 0.0, 0.0, ""
