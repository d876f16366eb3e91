"""One step of a journey, from identity to committed artifact. No Prefect here.

identity -> lookup (verified) -> lease -> lookup again -> body in a process of its own, killed at
its deadline -> commit. The warehouse is the cache: a hit runs nothing.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tasks.errors import DeadlineError, StageError, TransientStageError, UserStageError
from tasks.graph import Source, Step
from tasks.job import JobInput, JobSpec, Result
from tasks.log import Log, LogTail
from tasks.worker import EXIT_TRANSIENT, EXIT_USER
from warehouse import runs
from warehouse.artifact import Artifact, ArtifactRef, Input
from warehouse.errors import DiskFullError
from warehouse.store import Identity, Staging, Store

logger = logging.getLogger(__name__)
_POLL_SECONDS = 0.05
_GRACE_SECONDS = 10.0
_FULL_BYTES = 1 << 20
_LOG_TAIL_LINES = 12
INTERRUPTED = threading.Event()
"""set by whoever wants every step of this process to end now"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every step of a run shares."""

    store: str
    run_id: str
    workers: int = 2
    deadline_factor: float = 1.0
    keep_last: int = 0
    keep_every: int = 0
    tracking: Mapping[str, str] = field(default_factory=dict)
    locked: Mapping[str, str] = field(default_factory=dict)
    """step -> key of the artifact to take as it is, whatever the step's identity"""


@dataclass(frozen=True, slots=True)
class _Usage:
    """What a worker process cost."""

    exit_code: int
    cpu_seconds: float
    max_rss_bytes: int


def to_ref(step: str, artifact: Artifact, *, cached: bool) -> ArtifactRef:
    """Describe an artifact to the next tasks."""
    return ArtifactRef(
        step=step,
        kind=artifact.manifest.kind,
        key=artifact.key,
        content=artifact.content,
        cached=cached,
    )


def identify(step: Step, upstream: Mapping[str, ArtifactRef]) -> Identity:
    """Name the artifact that a step will make, from the contents of its inputs."""
    inputs = []
    for name, entries in step.inputs.items():
        for entry in entries:
            if isinstance(entry, Source):
                inputs.append(Input(name, "file", "", entry.content, entry.name))
            else:
                ref = upstream[entry.step]
                inputs.append(Input(name, ref.kind, ref.key, ref.content))
    return Identity(
        kind=step.stage.name,
        name=step.name,
        code_version=step.stage.version,
        config=step.config,
        inputs=tuple(inputs),
    )


def execute(
    context: Context, step: Step, upstream: Mapping[str, ArtifactRef], *, log: Log = logger
) -> ArtifactRef:
    """Return the step's artifact, from the store or by running its body; ``log`` is told of it.

    Raises UserStageError, TransientStageError, DeadlineError or StageError.
    """
    store = Store(Path(context.store))
    identity = identify(step, upstream)
    key = context.locked.get(step.name, identity.key)
    record = runs.StepRecord(
        step=step.name,
        stage=step.stage.name,
        state="running",
        key=key,
        started_at=runs.now(),
    )
    was_held = store.path_of(identity.kind, key).exists()
    artifact = store.lookup(identity.kind, key)
    if artifact is None and step.name in context.locked:
        msg = (
            f"Found no whole artifact {key[:12]} for {step.name}; expected the one that the lock "
            "names; run without --locked to build it, then lock again."
        )
        raise UserStageError(msg)
    cached = artifact is not None
    if artifact is None:
        with store.lease(identity.key):
            artifact = store.lookup(identity.kind, identity.key)
            cached = artifact is not None
            if artifact is None:
                why = "the store's artifact is damaged" if was_held else "no artifact of this key"
                log.info("started step=%s key=%s why=%s", step.name, key[:12], why)
                artifact, record = _build(context, step, identity, store, record, log=log)
    state = "hit" if cached else "ran"
    runs.save_step(
        store, context.run_id, replace(record, state=state, content=artifact.content, work_dir="")
    )
    _tell(log, artifact, None if cached else record)
    return to_ref(step.name, artifact, cached=cached)


def _tell(log: Log, artifact: Artifact, built: runs.StepRecord | None) -> None:
    """Log what a step came to: its rows and, where it was built, what that cost."""
    manifest = artifact.manifest
    counted = manifest.accounting
    if counted is not None:
        rejected = " ".join(f"{reason}={n}" for reason, n in counted.rejected.items())
        n_rejected = sum(counted.rejected.values())
        counts = (counted.rows_in, counted.rows_kept, n_rejected, rejected)
        log.info("rows in=%d kept=%d rejected=%d %s", *counts)
    if built is not None:
        cost = (built.seconds, built.cpu_seconds, built.max_rss_bytes)
        log.info("cost seconds=%.1f cpu_seconds=%.1f max_rss_bytes=%d", *cost)
    verb = "hit, files as committed," if built is None else "committed"
    size_bytes = sum(entry.bytes for entry in manifest.files)
    found = (artifact.key[:12], artifact.content[:12], len(manifest.files), size_bytes)
    log.info("%s key=%s content=%s files=%d bytes=%d", verb, *found)


def _build(
    context: Context,
    step: Step,
    identity: Identity,
    store: Store,
    record: runs.StepRecord,
    *,
    log: Log,
) -> tuple[Artifact, runs.StepRecord]:
    started = time.monotonic()
    try:
        with store.stage(identity) as staging, store.scratch(identity) as work:
            runs.save_step(store, context.run_id, replace(record, work_dir=str(work)))
            usage = _run_body(context, step, staging, work, log=log)
            result = Result(**json.loads((work / "result.json").read_text()))
            staging.tables = result.tables
            staging.outcome_table = result.outcome_table
            staging.rows_in = result.rows_in
            staging.attributes = result.attributes
            artifact = store.commit(staging)
    except Exception as error:
        # what was staged is gone by now: on a full disk that makes the room for this record
        failed = replace(record, state="failed", error=str(error))
        runs.save_step(store, context.run_id, failed)
        raise
    return artifact, replace(
        record,
        seconds=round(time.monotonic() - started, 3),
        cpu_seconds=round(usage.cpu_seconds, 3),
        max_rss_bytes=usage.max_rss_bytes,
        measures=result.measures,
    )


def _run_body(context: Context, step: Step, staging: Staging, work: Path, *, log: Log) -> _Usage:
    spec = JobSpec(
        step=step.name,
        stage=step.stage.name,
        body=step.stage.body,
        key=staging.identity.key,
        config=dict(step.config),
        inputs=_locate(step, staging.identity, Store(Path(context.store))),
        out=str(staging.path),
        work=str(work),
        store=context.store,
        run_id=context.run_id,
        workers=context.workers,
        keep_last=context.keep_last,
        keep_every=context.keep_every,
        tracking=dict(context.tracking),
    )
    spec.save(work / "job.json")
    deadline = step.stage.deadline_seconds * context.deadline_factor
    usage = _supervise(work, deadline, step, log=log)
    if usage.exit_code != 0:
        raise _failure(step, work, usage.exit_code)
    return usage


def _locate(step: Step, identity: Identity, store: Store) -> list[JobInput]:
    entries = [entry for found in step.inputs.values() for entry in found]
    located = []
    for known, entry in zip(identity.inputs, entries, strict=True):
        if isinstance(entry, Source):
            path = entry.path
        else:
            path = str(store.path_of(known.kind, known.key))
        located.append(
            JobInput(known.name, known.kind, known.key, known.content, known.source, path)
        )
    return located


def worker_environment() -> dict[str, str]:
    """Environment of every worker: one OpenMP thread unless asked, no hash salt, quiet malloc."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        # threads that spin while they wait cost 8-10x where another process needs the core
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TOKENIZERS_PARALLELISM": "false",
        # Freed memory stays with the process instead of being mapped and zeroed again: 1.2-1.5x
        # in training, no change in results.
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
        "MALLOC_TOP_PAD_": "67108864",
    }


def _supervise(work: Path, deadline_seconds: float, step: Step, *, log: Log) -> _Usage:
    """Run the worker until it ends or its deadline passes; then it and its children are killed."""
    with (work / "log.txt").open("wb") as out:
        tail = LogTail(work / "log.txt", log)
        process = subprocess.Popen(
            [sys.executable, "-m", "tasks.worker", str(work / "job.json"), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=worker_environment(),
        )
    end = time.monotonic() + deadline_seconds
    try:
        while True:
            tail.forward()
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return _Usage(
                    process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
                )
            if INTERRUPTED.is_set():
                msg = f"Found that {step.name} was interrupted; what was committed is kept."
                raise StageError(msg)
            if time.monotonic() > end:
                msg = (
                    f"Found {step.name} still running after {deadline_seconds:,.0f} s; expected "
                    "it to end before its deadline; it was killed and nothing of it was kept. "
                    "Give it less work or raise resources.deadline_factor."
                )
                raise DeadlineError(msg)
            time.sleep(_POLL_SECONDS)
    finally:
        if process.returncode is None:
            _kill(process)
        tail.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker's whole process group: SIGTERM, a grace time, SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _disk_full(step: Step) -> DiskFullError:
    """A process that cannot write fails in many ways; the disk tells why."""
    return DiskFullError(
        f"Found that {step.name} failed with no room left on the store's disk; expected space for "
        "it; free some or name another store with --store, then run again: everything committed "
        "so far is kept."
    )


def _failure(step: Step, work: Path, exit_code: int) -> StageError | DiskFullError:
    """Turn what a failed worker left behind into the error that is raised."""
    try:
        record = json.loads((work / "error.json").read_text())
    except (OSError, ValueError):
        if shutil.disk_usage(work).free < _FULL_BYTES:
            return _disk_full(step)
        tail = (work / "log.txt").read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
        msg = (
            f"Found that the process of {step.name} ended with exit code {exit_code} and no "
            "report; expected a result; it may have been killed for memory. Its last words:\n"
            + "\n".join(tail)
        )
        return TransientStageError(msg) if exit_code < 0 else StageError(msg)
    if exit_code != EXIT_USER and shutil.disk_usage(work).free < _FULL_BYTES:
        return _disk_full(step)
    if exit_code == EXIT_USER:
        return UserStageError(f"{step.name}: {record['message']}")
    if exit_code == EXIT_TRANSIENT:
        return TransientStageError(f"{step.name}: {record['message']}")
    return StageError(f"{step.name} failed with {record['type']}:\n{record['traceback']}")
