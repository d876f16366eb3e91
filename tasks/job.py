"""What a stage's body is given and what it gives back: plain files, no Prefect.

The parent writes ``job.json`` into the work folder and starts ``python -m tasks.worker``; the body
reads its inputs, writes files into ``out`` and says which of them are tables.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from lmcore.sections import from_section
from warehouse.parquet import TableWriter, read_rows, write_rows
from warehouse.schemas import TABLES
from warehouse.store import Store

Row = Mapping[str, object]
C = TypeVar("C")
_PROGRESS_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class JobInput:
    """One input as the body sees it: a folder of an artifact, or a source file."""

    name: str
    kind: str
    key: str
    content: str
    source: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Everything a body needs, as JSON."""

    step: str
    stage: str
    body: str
    key: str
    config: dict[str, object]
    inputs: list[JobInput]
    out: str
    work: str
    store: str
    run_id: str
    workers: int
    keep_last: int = 0
    keep_every: int = 0
    tracking: dict[str, str] = field(default_factory=dict)
    """fields of lmcore.train.tracking.Tracking"""

    def save(self, path: Path) -> None:
        """Write the spec as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "JobSpec":
        """Read a spec."""
        raw = json.loads(path.read_text())
        raw["inputs"] = [JobInput(**entry) for entry in raw["inputs"]]
        return cls(**raw)


@dataclass(slots=True)
class Result:
    """What a body reports beside its files."""

    tables: dict[str, str] = field(default_factory=dict)
    outcome_table: str | None = None
    rows_in: int | None = None
    attributes: dict[str, object] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)


class Job:
    """The bench on which a body works."""

    def __init__(self, spec: JobSpec) -> None:
        self.spec = spec
        self.out = Path(spec.out)
        self.work = Path(spec.work)
        self.store = Store(Path(spec.store))
        self.result = Result()
        self._last_progress = 0.0

    def config(self, kind: type[C], name: str) -> C:
        """Rebuild one section of the stage's configuration; fields it lacks keep their default."""
        section = self.spec.config[name]
        assert isinstance(section, dict)
        return from_section(kind, section)

    def paths(self, name: str) -> list[Path]:
        """Paths of every input of a name, in the order of the graph."""
        return [Path(entry.path) for entry in self.spec.inputs if entry.name == name]

    def path(self, name: str) -> Path:
        """Path of the only input of a name."""
        (found,) = self.paths(name)
        return found

    def write(self, table: str, file: str, rows: Iterable[Row]) -> int:
        """Write a table's file into the artifact and return its rows."""
        self.result.tables[file] = table
        return write_rows(self.out / file, table, rows)

    @contextmanager
    def writer(self, table: str, file: str) -> Iterator[TableWriter]:
        """Open a table's file of the artifact for row-by-row writing."""
        self.result.tables[file] = table
        with TableWriter(self.out / file, TABLES[table]) as writer:
            yield writer

    def account(self, table: str, rows_in: int) -> None:
        """State how many rows went in; the commit recounts what came out of them."""
        self.result.outcome_table = table
        self.result.rows_in = rows_in

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Publish progress for whoever watches, a few times a second at most."""
        moment = time.monotonic()
        if moment - self._last_progress < _PROGRESS_SECONDS and done < total:
            return
        self._last_progress = moment
        aside = self.work / ".progress.json"
        aside.write_text(json.dumps({"done": done, "total": total, "note": note}))
        aside.replace(self.work / "progress.json")


def read_all(paths: Iterable[Path], file: str, columns: list[str] | None = None) -> Iterator[Row]:
    """Yield the rows of one table file from several artifacts, in order."""
    for path in paths:
        yield from read_rows(path / file, columns)
