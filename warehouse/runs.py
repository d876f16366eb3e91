"""Records of runs: what each run asked for, which artifacts it hit or made, and how long it took.

A run is a folder ``runs/<run_id>/`` with ``run.json`` and one small JSON file a step, each written
aside and renamed. Everything that varies between equal runs (times, hosts, speeds) lives here and
nowhere else. A record that cannot be read is named in a warning and left out, so that one damaged
file does not hide the other runs.
"""

import functools
import json
import logging
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from warehouse import fingerprint
from warehouse.errors import StoreError
from warehouse.store import Store

_MAX_NAME_CHARS = 120
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a recipe."""

    run_id: str
    recipe: str
    config: dict[str, object]
    status: str = "running"
    """running, completed, stopped (by --until) or failed; killed runs stay at running"""
    started_at: str = ""
    finished_at: str = ""
    error: str = ""
    flow_run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One step of a run."""

    step: str
    stage: str
    state: str
    """running, hit, ran or failed"""
    key: str = ""
    content: str = ""
    started_at: str = ""
    seconds: float | None = None
    """what it cost; none where it was cached or failed"""
    cpu_seconds: float | None = None
    max_rss_bytes: int | None = None
    work_dir: str = ""
    error: str = ""
    measures: dict[str, float] = field(default_factory=dict)


Record = TypeVar("Record", Run, StepRecord)


def now() -> str:
    """The present moment, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    aside.write_text(text)
    aside.replace(path)


def folder(store: Store, run_id: str) -> Path:
    """The folder of a run's record."""
    return store.runs / run_id


def start(store: Store, recipe: str, config: dict[str, object]) -> Run:
    """Open a run record."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    run = Run(
        run_id=f"{stamp}-{uuid.uuid4().hex[:6]}", recipe=recipe, config=config, started_at=now()
    )
    (folder(store, run.run_id) / "steps").mkdir(parents=True)
    save(store, run)
    return run


def save(store: Store, run: Run) -> None:
    """Write a run record in place of the earlier one."""
    _write(folder(store, run.run_id) / "run.json", json.dumps(asdict(run), indent=1))


def finish(store: Store, run: Run, *, status: str, error: str = "") -> Run:
    """Close a run record."""
    closed = replace(run, status=status, finished_at=now(), error=error)
    save(store, closed)
    return closed


def _file_of(step: str) -> str:
    """Name of a step's file in a folder of its run, without the ending."""
    name = step.replace("/", "~")
    if len(name) > _MAX_NAME_CHARS:  # file systems take 255 bytes, and the write aside adds 34
        name = name[:_MAX_NAME_CHARS] + fingerprint.hash_text(name)[:16]
    return name


def telemetry_file(store: Store, run_id: str, step: str) -> Path:
    """Where the telemetry of a training step of a run lies once it has ended."""
    return folder(store, run_id) / "telemetry" / f"{_file_of(step)}.parquet"


def save_step(store: Store, run_id: str, record: StepRecord) -> None:
    """Write a step's record in place of the earlier one."""
    path = folder(store, run_id) / "steps" / f"{_file_of(record.step)}.json"
    _write(path, json.dumps(asdict(record)))


def _read(kind: type[Record], path: Path) -> Record:
    try:
        record = kind(**json.loads(path.read_text()))
        for entry in fields(kind):
            if entry.type in {str, "str"} and not isinstance(getattr(record, entry.name), str):
                msg = f"{entry.name} is no text"
                raise TypeError(msg)  # noqa: TRY301 - one kind of damage among others
    except (OSError, ValueError, TypeError) as error:
        msg = (
            f"Found the run record {path}, which cannot be read ({error}); expected our JSON; "
            f"delete it or bring it back from a copy: no artifact is lost with it."
        )
        raise StoreError(msg) from error
    return record


def _readable(kind: type[Record], paths: Iterator[Path]) -> Iterator[Record]:
    """Read what can be read, and name the rest in a warning."""
    for path in sorted(paths):
        try:
            yield _read(kind, path)
        except StoreError as error:
            _warn_once(str(error))


@functools.cache
def _warn_once(text: str) -> None:
    """A run in progress is read several times a second."""
    _log.warning("%s Its run is left out for now.", text)


def read_run(store: Store, run_id: str) -> Run:
    """Read one run record; StoreError when it cannot be read."""
    return _read(Run, folder(store, run_id) / "run.json")


def all_runs(store: Store) -> list[Run]:
    """Every run record that can be read, oldest first."""
    found = _readable(Run, store.runs.glob("*/run.json"))
    return sorted(found, key=lambda run: (run.started_at, run.run_id))


def steps(store: Store, run_id: str) -> Iterator[StepRecord]:
    """Step records of a run that can be read, by start."""
    found = _readable(StepRecord, (folder(store, run_id) / "steps").glob("[!.]*.json"))
    yield from sorted(found, key=lambda record: (record.started_at, record.step))


def latest(store: Store) -> Run | None:
    """The latest completed run, or the latest of any status when none has completed."""
    runs = all_runs(store)
    ranked = [run for run in runs if run.status == "completed"] or runs
    return ranked[-1] if ranked else None
