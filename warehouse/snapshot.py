"""What a store holds at one moment, read into rows: runs, steps, artifacts and their inputs.

Files are checked against their manifests as a lookup does; what is damaged is noted, not hidden.
Cost: one small JSON file an artifact and one stat a file; 1,000 artifacts take about 0.3 s.
"""

import contextlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from warehouse import runs
from warehouse.artifact import MANIFEST, Artifact, Manifest
from warehouse.errors import CorruptArtifactError, QueryError
from warehouse.runs import Run, StepRecord
from warehouse.store import Identity, Store

_CHECKPOINT = "checkpoint"
_FINISHED = {"hit", "ran"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was in the store when the connection was opened."""

    store: Store
    artifacts: tuple[Artifact, ...]
    damaged: Mapping[str, str]
    """key -> what is wrong, for artifacts whose files differ from their manifest"""
    runs: tuple[Run, ...]
    steps: Mapping[str, tuple[StepRecord, ...]]
    selected: Run | None


def read(store: Store, run_id: str | None) -> Snapshot:
    """Read every manifest and run record, and select a run; QueryError where there is none such."""
    artifacts = []
    damaged = {}
    for artifact in store.artifacts():
        artifacts.append(artifact)
        if any(entry.table for entry in artifact.manifest.files):
            try:
                # A reader that cannot write down what it saw (a read-only disk) may still read.
                with contextlib.suppress(OSError):
                    store.check(artifact, rehash=False)
            except CorruptArtifactError as error:
                damaged[artifact.key] = str(error)
    records = tuple(runs.all_runs(store))
    steps = {run.run_id: tuple(runs.steps(store, run.run_id)) for run in records}
    selected = _select(records, run_id)
    if selected is not None:
        held = {artifact.key for artifact in artifacts}
        finished = [step for step in steps[selected.run_id] if step.state in _FINISHED]
        gone = [step.step for step in finished if step.key not in held]
        if gone:
            _log.warning(
                "artifacts that run %s names are no longer in the store, so its rows are not all "
                "there: %s; run its recipe again", selected.run_id, ", ".join(gone),
            )  # fmt: skip
    return Snapshot(store, tuple(artifacts), damaged, records, steps, selected)


def _select(records: Sequence[Run], run_id: str | None) -> Run | None:
    if run_id is None:
        ranked = [run for run in records if run.status == "completed"] or records
        return ranked[-1] if ranked else None
    fits = [run for run in records if run.run_id.startswith(run_id)]
    if len(fits) != 1:
        known = ", ".join(run.run_id for run in records[-5:]) or "none yet"
        msg = (
            f"Found {len(fits)} runs that begin with {run_id!r}; expected one; "
            f"the newest are: {known}."
        )
        raise QueryError(msg)
    return fits[0]


def fact_rows(snapshot: Snapshot) -> dict[str, list[dict[str, object]]]:
    """Rows of the tables of facts (see ``warehouse.views.FACTS``); columns left out are null."""
    return {
        "runs": list(_run_rows(snapshot)),
        "run_artifacts": list(_step_rows(snapshot)),
        "telemetry": list(_telemetry_rows(snapshot)),
        "artifacts": [_artifact_row(artifact) for artifact in snapshot.artifacts],
        "lineage": list(_lineage_rows(snapshot.artifacts)),
    }


def _run_rows(snapshot: Snapshot) -> Iterator[dict[str, object]]:
    for run in snapshot.runs:
        config = json.dumps(run.config, sort_keys=True, ensure_ascii=False)
        yield _plain(run) | {"config": config, "is_selected": run == snapshot.selected}


def _plain(record: Run | StepRecord) -> dict[str, object]:
    return {entry.name: getattr(record, entry.name) for entry in fields(record)}


def _step_rows(snapshot: Snapshot) -> Iterator[dict[str, object]]:
    held = {artifact.key for artifact in snapshot.artifacts}
    for run_id, steps in snapshot.steps.items():
        for step in steps:
            also = {"run_id": run_id, "kind": step.stage, "is_present": step.key in held}
            yield _plain(step) | also
        for artifact in _checkpoints(snapshot.artifacts, steps):
            yield {
                "run_id": run_id,
                "step": artifact.manifest.name,
                "stage": artifact.manifest.kind,
                "kind": artifact.manifest.kind,
                "key": artifact.key,
                "content": artifact.content,
                "state": "hit",
                "is_present": True,
            }


def _checkpoints(artifacts: Iterable[Artifact], steps: Sequence[StepRecord]) -> list[Artifact]:
    """Checkpoints that training left on the way to the artifacts that a run names."""
    keys = {step.key for step in steps if step.key}
    return [
        artifact
        for artifact in artifacts
        if artifact.manifest.kind == _CHECKPOINT
        and artifact.key not in keys
        and _trained_key(artifact.manifest) in keys
    ]


def _trained_key(manifest: Manifest) -> str:
    """Key of what a checkpoint is on the way to: the same identity but for the step."""
    config = {name: value for name, value in manifest.config.items() if name != "step"}
    step = manifest.name.rpartition("/")[0]
    kind = step.split("/")[0]
    return Identity(kind, step, manifest.code_version, config, manifest.inputs).key


def _telemetry_rows(snapshot: Snapshot) -> Iterator[dict[str, object]]:
    for run_id, steps in snapshot.steps.items():
        for step in steps:
            cost = {
                "seconds": step.seconds,
                "cpu_seconds": step.cpu_seconds,
                "max_rss_bytes": step.max_rss_bytes,
            }
            spent = {name: value for name, value in cost.items() if value is not None}
            for name, value in (spent | step.measures).items():
                yield {
                    "run_id": run_id,
                    "step": step.step,
                    "stage": step.stage,
                    "state": step.state,
                    "key": step.key,
                    "measure": name,
                    "value": float(value),
                }


def _artifact_row(artifact: Artifact) -> dict[str, object]:
    manifest = artifact.manifest
    accounting = manifest.accounting
    seconds = (artifact.path / MANIFEST).stat().st_mtime
    return {
        "kind": manifest.kind,
        "name": manifest.name,
        "key": manifest.key,
        "content": manifest.content,
        "code_version": manifest.code_version,
        "n_files": len(manifest.files),
        "n_bytes": sum(entry.bytes for entry in manifest.files),
        "n_rows": sum(entry.rows or 0 for entry in manifest.files),
        "rows_in": accounting and accounting.rows_in,
        "rows_kept": accounting and accounting.rows_kept,
        "rows_rejected": accounting and sum(accounting.rejected.values()),
        "config": json.dumps(manifest.config, sort_keys=True, ensure_ascii=False),
        "attributes": json.dumps(manifest.attributes, sort_keys=True, ensure_ascii=False),
        "created": datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds"),
    }


def _lineage_rows(artifacts: Sequence[Artifact]) -> Iterator[dict[str, object]]:
    names = {artifact.key: artifact.manifest.name for artifact in artifacts}
    for artifact in artifacts:
        for entry in artifact.manifest.inputs:
            yield {
                "child_key": artifact.key,
                "child_kind": artifact.manifest.kind,
                "child_name": artifact.manifest.name,
                "input_name": entry.name,
                "parent_key": entry.key,
                "parent_kind": entry.kind,
                "parent_name": names.get(entry.key, ""),
                "parent_content": entry.content,
                "source": entry.source,
            }


def used_keys(snapshot: Snapshot) -> set[str]:
    """Keys of the artifacts that the selected run hit or made."""
    if snapshot.selected is None:
        return set()
    steps = snapshot.steps[snapshot.selected.run_id]
    used = {step.key for step in steps if step.state in _FINISHED}
    return used | {artifact.key for artifact in _checkpoints(snapshot.artifacts, steps)}


def live_parts(snapshot: Snapshot) -> Iterator[tuple[str, str, str, list[Path]]]:
    """Run, step, stage and metric parts of each step that is at work."""
    for run in snapshot.runs:
        for step in snapshot.steps[run.run_id] if run.status == "running" else ():
            if step.state == "running" and step.work_dir:
                parts = sorted(Path(step.work_dir).absolute().glob("metrics/part-*.parquet"))
                if parts:
                    yield run.run_id, step.step, step.stage, parts


def telemetry_parts(snapshot: Snapshot) -> Iterator[tuple[str, str, str, list[Path]]]:
    """Run, step, stage and telemetry files of each training step, at work or ended."""
    for run in snapshot.runs:
        for step in snapshot.steps[run.run_id]:
            ended = runs.telemetry_file(snapshot.store, run.run_id, step.step)
            parts = [ended] if ended.is_file() else []
            if step.state == "running" and step.work_dir:
                parts = sorted(Path(step.work_dir).absolute().glob("telemetry/part-*.parquet"))
            if parts:
                yield run.run_id, step.step, step.stage, parts
