"""Training runs as stages: torchrun in a process group of its own, checkpoints as artifacts.

A checkpoint is committed under the identity of the run and its step, so a run that was killed,
here or on another worker, goes on from the newest one. It goes on from another run's as well, where
that has the same weights at that step: under wsd two runs are the same until one of them decays, so
a recipe with other steps branches from the newest checkpoint of the stable part, and makes the bytes
that it would have made alone.

SIGTERM is handed on to the trainer, which ends its step and leaves a checkpoint; the stage then
fails by weather and is tried again. Checkpoints are linked into the store, not copied.
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lmcore.errors import InputError, TransientError
from lmcore.lifeline import die_with_parent
from lmcore.model.config import ModelConfig
from lmcore.sections import from_section, to_section
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.reading import BatchSource
from lmcore.tokens.shards import TokenShards
from lmcore.train import launch
from lmcore.train.branching import is_same_up_to
from lmcore.train.config import TrainConfig
from lmcore.train.durable import drop_directory
from lmcore.train.retention import superseded
from lmcore.train.spec import TrainSpec
from lmcore.train.tracking import Tracking
from tasks.job import Job, Row
from tasks.stages import STAGES
from warehouse import runs
from warehouse.artifact import Artifact, Input, Manifest
from warehouse.errors import CorruptArtifactError
from warehouse.parquet import read_rows, write_rows
from warehouse.schemas import TABLES
from warehouse.store import Identity, Store

_POLL_SECONDS = 0.1
_LOCAL_CHECKPOINTS = 2
"""Of those that the store has, how many stay with the trainer too."""
CHECKPOINT = "checkpoint"
_SECTION = "pretrain"
"""Section of the configuration that says how the model is trained."""
_SAME_BYTES_FIELDS = ("threads", "world_size")
"""Train fields that change the last bits: a branch has to have the bytes of a run alone."""
METRICS = "metrics.parquet"
DRAWS = "draws.parquet"
_MODEL_FILES = ("model.safetensors", "model.json")


def train(job: Job, model: ModelConfig, config: TrainConfig) -> tuple[TrainSpec, Path]:
    """Train to the end, going on from the newest committed checkpoint; return the final folder too.

    Raises InputError when the trainer refuses its input and TransientError when it died.
    """
    out = job.work / "training"
    out.mkdir()
    for live in ("metrics", "telemetry"):
        (job.work / live).symlink_to(out / live, target_is_directory=True)
    resume = newest_checkpoint(job, config)
    spec = TrainSpec(
        model=model,
        train=config,
        vocab_size=Tokenizer.load(job.path("tokenizer")).vocab_size,
        shards_dir=job.path("tokens"),
        out_dir=out,
        resume_dir=None if resume is None else resume.path,
        tracking=tracking_of(job),
    )
    spec_path = job.work / "spec.json"
    spec.write(spec_path)
    _supervise(job, spec, spec_path)
    ended, message = launch.outcome(out)
    if ended == "refused":
        raise InputError(message)
    if ended != "finished":
        msg = f"Found that the training process was {ended} ({message}); it goes on from the newest checkpoint."
        raise TransientError(msg)
    telemetry = json.loads((out / "telemetry.json").read_text())
    job.result.measures = {name: float(value) for name, value in telemetry.items()}
    keep_telemetry(job, out / launch.TELEMETRY_FILE)
    return spec, out / "final"


def tracking_of(job: Job) -> Tracking:
    """Where else a training step is followed, by the resources."""
    kept = runs.folder(job.store, job.spec.run_id) / "wandb"
    fields = {**job.spec.tracking, "wandb_dir": str(kept), "name": job.spec.step}
    return from_section(Tracking, fields)


def keep_telemetry(job: Job, path: Path) -> None:
    """Put the speed and memory of every step beside the run's record: equal runs differ in them."""
    table = runs.telemetry_file(job.store, job.spec.run_id, job.spec.step)
    table.parent.mkdir(parents=True, exist_ok=True)
    aside = table.with_name(f".{table.name}")
    shutil.copyfile(path, aside)
    aside.replace(table)


def _supervise(job: Job, spec: TrainSpec, spec_path: Path) -> None:
    """Run torchrun and commit each checkpoint as it appears."""
    command = launch.command(spec_path, spec.train.world_size)
    environment = {**os.environ, **launch.environment(spec.train.threads)}
    committed: set[str] = set()
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - this process has one thread
        process_group=0,  # a signal to our group comes through us, once
    ) as process:
        try:
            with _hands_on_sigterm(process):
                _watch(job, spec, process, committed)
        finally:
            if process.poll() is None:
                process.terminate()
    _commit_new(job, spec, committed)


@contextmanager
def _hands_on_sigterm(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Lets the trainer end its step and leave a checkpoint when this process is told to end."""
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: process.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _watch(
    job: Job, spec: TrainSpec, process: subprocess.Popen[bytes], committed: set[str]
) -> None:
    while process.poll() is None:
        _commit_new(job, spec, committed)
        _relay_progress(job, spec.out_dir)
        time.sleep(_POLL_SECONDS)


def _relay_progress(job: Job, out: Path) -> None:
    try:
        raw = json.loads((out / launch.PROGRESS_FILE).read_text())
    except (OSError, ValueError):
        return
    note = (
        f"step {raw['step']:,d}, loss {raw['loss']:.3f}, {raw['tokens_per_second']:,.0f} tokens/s, "
        f"MFU {raw['mfu']:.0%}"
    )
    job.progress(raw["step"], raw["of"], note)


def _identity(job: Job, step: int) -> Identity:
    """Identity of the checkpoint that a run writes after a step."""
    inputs = tuple(
        Input(entry.name, entry.kind, entry.key, entry.content, entry.source)
        for entry in job.spec.inputs
    )
    return Identity(
        kind=CHECKPOINT,
        name=f"{job.spec.step}/step-{step:06d}",
        code_version=STAGES[job.spec.stage].version,
        config={**job.spec.config, "step": step},
        inputs=inputs,
    )


def newest_checkpoint(job: Job, config: TrainConfig) -> Artifact | None:
    """Find the newest whole checkpoint that this run would pass through, its own or another's."""
    found = [
        (int(str(manifest.config["step"])), manifest.key)
        for manifest in _checkpoints(job.store)
        if _leads_to(job, config, manifest)
    ]
    for _, key in sorted(found, reverse=True):
        artifact = job.store.lookup(CHECKPOINT, key)
        if artifact is not None:
            return artifact
    return None


def _checkpoints(store: Store) -> Iterator[Manifest]:
    """Manifests of all checkpoints in the store; damaged ones are passed over."""
    for path in sorted((store.objects / CHECKPOINT).glob("*")):
        with contextlib.suppress(CorruptArtifactError):
            artifact = store.read(CHECKPOINT, path.name)
            if artifact is not None:
                yield artifact.manifest


def _leads_to(job: Job, config: TrainConfig, manifest: Manifest) -> bool:
    """Whether a run has, at a checkpoint's step, the bytes that the checkpoint holds."""
    mine = _identity(job, 0)
    rest = {name: value for name, value in manifest.config.items() if name != _SECTION}
    step = rest.pop("step")
    if (
        manifest.code_version != mine.code_version
        or rest != {name: value for name, value in job.spec.config.items() if name != _SECTION}
        or [(i.name, i.content) for i in manifest.inputs]
        != [(i.name, i.content) for i in mine.inputs]
    ):
        return False
    other = from_section(TrainConfig, manifest.config[_SECTION])  # type: ignore[arg-type]  # JSON
    same = all(getattr(other, name) == getattr(config, name) for name in _SAME_BYTES_FIELDS)
    return same and is_same_up_to(int(str(step)), to_section(other), to_section(config))


def _commit_new(job: Job, spec: TrainSpec, committed: set[str]) -> None:
    """Commit the checkpoints that have appeared; drop what newer ones have superseded."""
    paths = sorted((spec.out_dir / "checkpoints").glob("step-[0-9]*"), key=_step_of)
    for path in paths:
        if path.name not in committed:
            step, every = _step_of(path), spec.train.checkpoint_every
            first = (step - 1) // every * every + 1
            positions = positions_of(path / METRICS)
            read = {n: positions[n] for n in range(first, step + 1) if n in positions}
            rows = draws(job.spec.key, spec, read)
            _commit(job.store, _identity(job, step), path, job.spec.stage, rows)
            committed.add(path.name)
            _drop_superseded(job, step)
    for path in paths[:-_LOCAL_CHECKPOINTS]:
        drop_directory(path)


def _step_of(path: Path) -> int:
    return int(path.name.split("-")[1])


def _drop_superseded(job: Job, newest: int) -> None:
    """Drop this run's checkpoints from the store but those that the resources spare."""
    if not job.spec.keep_last:
        return
    mine = _identity(job, newest)
    keys = {
        int(str(manifest.config["step"])): manifest.key
        for manifest in _checkpoints(job.store)
        if {**manifest.config, "step": newest} == mine.config and manifest.inputs == mine.inputs
    }
    steps = [step for step in keys if step <= newest]
    keep = {"keep_last": job.spec.keep_last, "keep_every": job.spec.keep_every}
    for step in superseded(steps, **keep):
        job.store.discard(CHECKPOINT, keys[step])


def positions_of(metrics: Path) -> dict[int, int]:
    """Where in the order of the data each step read, by a run's metrics: roll-backs pass over rows."""
    rows = read_rows(metrics, ["step", "split", "position"])
    return {int(str(r["step"])): int(str(r["position"])) for r in rows if r["split"] == "train"}


def draws(training_key: str, spec: TrainSpec, positions: Mapping[int, int]) -> Iterator[Row]:
    """Say what these steps read of the training split, each from its position on."""
    source = _source(spec)
    for step, position in sorted(positions.items()):
        for draw in source.draws(position, spec.train.batch_size):
            yield {
                "training_key": training_key,
                "step": step,
                "source": draw.source,
                "window_id": draw.window,
                "first_token": draw.first_token,
                "n_tokens": draw.n_tokens,
                "n_targets": draw.n_targets,
            }


@functools.lru_cache(maxsize=1)
def _source(spec: TrainSpec) -> BatchSource:
    """What a run reads: found once, because packing passes over all tokens."""
    return BatchSource(
        TokenShards(spec.shards_dir, "train"),
        spec.train.data,
        context_length=spec.model.context_length,
        steps=spec.train.steps,
        batch_size=spec.train.batch_size,
        seed=spec.train.seed,
    )


def _commit(store: Store, identity: Identity, path: Path, stage: str, drawn: Iterator[Row]) -> None:
    """Publish one checkpoint folder, and what was read since the one before it."""
    rows = [row for row in read_rows(path / METRICS) if row["split"] == "train"]
    last: Mapping[str, object] = rows[-1]
    with store.lease(identity.key), store.stage(identity) as staging:
        shutil.copytree(path, staging.path, copy_function=_link, dirs_exist_ok=True)
        row = {
            "stage": stage,
            "name": identity.name.rsplit("/", 1)[0],
            "step": last["step"],
            "tokens": last["tokens"],
            "loss": last["loss"],
        }
        write_rows(staging.path / "checkpoints.parquet", "checkpoints", [row])
        staging.tables["checkpoints.parquet"] = "checkpoints"
        write_rows(staging.path / DRAWS, "draws", drawn)
        staging.tables[DRAWS] = "draws"
        store.commit(staging)


def _link(source: str, target: str) -> None:
    """Give a file a second name, which costs nothing; where that cannot be, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def adopt(job: Job, final: Path) -> list[dict[str, object]]:
    """Take the finished model and its metrics into the artifact; return the metric rows."""
    for name in _MODEL_FILES:
        shutil.copyfile(final / name, job.out / name)
    average = final.parent / launch.AVERAGE_DIR
    if average.is_dir():
        shutil.copytree(average, job.out / average.name)
    empty = dict.fromkeys(TABLES["metrics"].schema.names)
    rows = [
        {**empty, "stage": job.spec.stage, "name": job.spec.step, **row}
        for row in read_rows(final / METRICS)
    ]
    job.write("metrics", METRICS, rows)
    return rows
