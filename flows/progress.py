"""Live counts while a run goes on, read from the run's own records: any task runner will do.

A terminal gets bars. Elsewhere every step that ends is a line, and when nothing has ended for
five seconds one line says what is running and how far it is.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tasks.stages import STAGES
from warehouse import runs
from warehouse.store import Store

_POLL_SECONDS = 0.4
_BEAT_SECONDS = 5.0
_SHOWN = 3


class ProgressBoard:
    """Shows the steps of the run that starts while it is open: bars on a terminal, else lines."""

    def __init__(
        self, store: Store, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._console = console
        self._clock = clock
        self._earlier = {run.run_id for run in runs.all_runs(store)}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._bars: dict[str, TaskID] = {}
        self._settled: set[str] = set()
        self._waiting_for = ""
        self._started = self._spoken = clock()
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
        self.poll()
        self._progress.stop()

    def wait_for(self, what: str) -> None:
        """Say what is awaited before the first step."""
        self._waiting_for = what
        self._bars[""] = self._progress.add_task(what, total=None, note="")
        if not self._console.is_terminal:
            self._say(" ", what)

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            self.poll()

    def poll(self) -> None:
        """Read the run's records once and show what has changed."""
        new = [run for run in runs.all_runs(self._store) if run.run_id not in self._earlier]
        records = list(runs.steps(self._store, new[-1].run_id)) if new else []
        if records and "" in self._bars:
            self._progress.remove_task(self._bars.pop(""))
        running = [record for record in records if record.state == "running"]
        self._settled -= {record.step for record in running}  # what failed may be tried again
        for record in records:
            if record.state != "running" and record.step not in self._settled:
                self._settle(record)
        counts = [_read_progress(Path(record.work_dir)) for record in running]
        for record, count in zip(running, counts, strict=True):
            self._advance(record, *count)
        is_quiet = self._clock() - self._spoken >= _BEAT_SECONDS
        if is_quiet and not self._console.is_terminal:
            self._beat(new[-1].status if records else "", running, counts)

    def _settle(self, record: runs.StepRecord) -> None:
        self._settled.add(record.step)
        if record.step in self._bars:
            self._progress.remove_task(self._bars.pop(record.step))
        took = "cached" if record.state == "hit" else record.state
        if record.seconds is not None and record.state == "ran":
            took = f"{record.seconds:.1f} s"
        mark = {"hit": "[blue]=[/blue]", "ran": "[green]+[/green]"}.get(
            record.state, "[red]x[/red]"
        )
        self._say(mark, f"{_title(record)}  {took}")

    def _advance(self, record: runs.StepRecord, done: float, total: float, note: str) -> None:
        if record.step not in self._bars:
            self._bars[record.step] = self._progress.add_task(_title(record), total=None, note="")
        self._progress.update(
            self._bars[record.step], completed=done, total=total or None, note=note
        )

    def _beat(
        self,
        status: str,
        running: Sequence[runs.StepRecord],
        counts: Sequence[tuple[float, float, str]],
    ) -> None:
        """One line off a terminal: it shows that the run is alive, and where it is."""
        if not status:
            self._say(" ", f"still {self._waiting_for}" if self._waiting_for else "starting")
            return
        parts = []
        for record, (done, total, note) in zip(running[:_SHOWN], counts, strict=False):
            share = f"{100 * done / total:.0f}%" if total else ""
            parts.append(" ".join(filter(None, (_title(record), share, escape(note)))))
        if len(running) > _SHOWN:
            parts.append(f"{len(running) - _SHOWN:,d} more")
        if not parts:
            parts = ["between two steps" if status == "running" else "closing the engine"]
        n_done = f"{len(self._settled):,d} step{'' if len(self._settled) == 1 else 's'} done"
        self._say(" ", f"{', '.join(parts)}  ({n_done})")

    def _say(self, mark: str, text: str) -> None:
        self._spoken = self._clock()
        elapsed = self._spoken - self._started
        self._console.print(f"{mark} {elapsed:6.1f} s  {text}", soft_wrap=True)


def _title(record: runs.StepRecord) -> str:
    return f"{STAGES[record.stage].title} [dim]{escape(record.step)}[/dim]"


def _read_progress(work: Path) -> tuple[float, float, str]:
    try:
        raw = json.loads((work / "progress.json").read_text())
        return float(raw["done"]), float(raw["total"]), str(raw["note"])
    except (OSError, ValueError, KeyError):
        return 0.0, 0.0, ""
