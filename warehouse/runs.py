"""Records of runs: what each run asked for, which artifacts it hit or made, and how long it took.

A run is a folder ``runs/<run_id>/`` with ``run.json`` and one small JSON file a step, each written
aside and renamed. Everything that varies between equal runs (times, hosts, speeds) lives here and
nowhere else.
"""

import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from warehouse import fingerprint
from warehouse.store import Store

_MAX_NAME_CHARS = 120


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
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    max_rss_bytes: int = 0
    work_dir: str = ""
    error: str = ""
    measures: dict[str, float] = field(default_factory=dict)


def now() -> str:
    """The present moment, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _write(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    aside.write_text(text)
    aside.replace(path)


def _folder(store: Store, run_id: str) -> Path:
    return store.runs / run_id


def start(store: Store, recipe: str, config: dict[str, object]) -> Run:
    """Open a run record."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    run = Run(
        run_id=f"{stamp}-{uuid.uuid4().hex[:6]}", recipe=recipe, config=config, started_at=now()
    )
    (_folder(store, run.run_id) / "steps").mkdir(parents=True)
    save(store, run)
    return run


def save(store: Store, run: Run) -> None:
    """Write a run record in place of the earlier one."""
    _write(_folder(store, run.run_id) / "run.json", json.dumps(asdict(run), indent=1))


def finish(store: Store, run: Run, *, status: str, error: str = "") -> Run:
    """Close a run record."""
    closed = replace(run, status=status, finished_at=now(), error=error)
    save(store, closed)
    return closed


def save_step(store: Store, run_id: str, record: StepRecord) -> None:
    """Write a step's record in place of the earlier one."""
    name = record.step.replace("/", "~")
    if len(name) > _MAX_NAME_CHARS:  # file systems take 255 bytes, and the write aside adds 34
        name = name[:_MAX_NAME_CHARS] + fingerprint.hash_text(name)[:16]
    name += ".json"
    _write(_folder(store, run_id) / "steps" / name, json.dumps(asdict(record)))


def read_run(store: Store, run_id: str) -> Run:
    """Read one run record."""
    return Run(**json.loads((_folder(store, run_id) / "run.json").read_text()))


def all_runs(store: Store) -> list[Run]:
    """Every run record, oldest first."""
    paths = sorted(store.runs.glob("*/run.json"))
    return sorted(
        (Run(**json.loads(path.read_text())) for path in paths),
        key=lambda run: (run.started_at, run.run_id),
    )


def steps(store: Store, run_id: str) -> Iterator[StepRecord]:
    """Step records of a run, by start."""
    found = [
        StepRecord(**json.loads(path.read_text()))
        for path in (_folder(store, run_id) / "steps").glob("[!.]*.json")
    ]
    yield from sorted(found, key=lambda record: (record.started_at, record.step))


def latest(store: Store) -> Run | None:
    """The latest completed run, or the latest of any status when none has completed."""
    runs = all_runs(store)
    ranked = [run for run in runs if run.status == "completed"] or runs
    return ranked[-1] if ranked else None
