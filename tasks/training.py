"""Training runs as stages: torchrun in a process group of its own, checkpoints as artifacts.

A checkpoint is committed under the identity of the run and its step, so a run that was killed,
here or on another worker, goes on from the newest one.
"""

import functools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from lmcore.errors import InputError, TransientError
from lmcore.lifeline import die_with_parent
from lmcore.model.config import ModelConfig
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.reading import BatchSource
from lmcore.tokens.shards import TokenShards
from lmcore.train import launch
from lmcore.train.config import TrainConfig
from lmcore.train.spec import TrainSpec
from tasks.job import Job, Row
from tasks.stages import STAGES
from warehouse.artifact import Artifact, Input
from warehouse.parquet import read_rows, write_rows
from warehouse.schemas import TABLES
from warehouse.store import Identity, Store

_POLL_SECONDS = 0.1
CHECKPOINT = "checkpoint"
METRICS = "metrics.parquet"
DRAWS = "draws.parquet"
_MODEL_FILES = ("model.safetensors", "model.json")


def train(job: Job, model: ModelConfig, config: TrainConfig) -> tuple[TrainSpec, Path]:
    """Train to the end, going on from the newest committed checkpoint; return the final folder too.

    Raises InputError when the trainer refuses its input and TransientError when it died.
    """
    out = job.work / "training"
    out.mkdir()
    (job.work / "metrics").symlink_to(out / "metrics", target_is_directory=True)
    resume = newest_checkpoint(job, config)
    spec = TrainSpec(
        model=model,
        train=config,
        vocab_size=Tokenizer.load(job.path("tokenizer")).vocab_size,
        shards_dir=job.path("tokens"),
        out_dir=out,
        resume_dir=None if resume is None else resume.path,
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
    return spec, out / "final"


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
    ) as process:
        try:
            while process.poll() is None:
                _commit_new(job, spec, committed)
                _relay_progress(job, spec.out_dir)
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.terminate()
    _commit_new(job, spec, committed)


def _relay_progress(job: Job, out: Path) -> None:
    try:
        raw = json.loads((out / launch.PROGRESS_FILE).read_text())
    except (OSError, ValueError):
        return
    job.progress(raw["step"], raw["of"], f"step {raw['step']:,d}, loss {raw['loss']:.3f}")


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
    """Find the newest committed checkpoint of this very run that is whole."""
    steps = {*range(config.checkpoint_every, config.steps + 1, config.checkpoint_every)}
    for step in sorted(steps | {config.steps}, reverse=True):
        found = job.store.lookup(CHECKPOINT, _identity(job, step).key)
        if found is not None:
            return found
    return None


def _commit_new(job: Job, spec: TrainSpec, committed: set[str]) -> None:
    for path in sorted((spec.out_dir / "checkpoints").glob("step-[0-9]*")):
        if path.name not in committed:
            step = int(path.name.split("-")[1])
            every = spec.train.checkpoint_every
            first = (step - 1) // every * every + 1
            rows = draws(job.spec.key, spec, first, step)
            _commit(job.store, _identity(job, step), path, job.spec.stage, rows)
            committed.add(path.name)


def draws(training_key: str, spec: TrainSpec, first_step: int, last_step: int) -> Iterator[Row]:
    """Say what the steps first_step to last_step read of the training split."""
    batch_size = spec.train.batch_size
    source = _source(spec)
    first, last = (first_step - 1) * batch_size, last_step * batch_size
    for draw in source.draws(first, last - first):
        yield {
            "training_key": training_key,
            "step": draw.row // batch_size + 1,
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
        shutil.copytree(path, staging.path, dirs_exist_ok=True)
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


def adopt(job: Job, final: Path) -> list[dict[str, object]]:
    """Take the finished model and its metrics into the artifact; return the metric rows."""
    for name in _MODEL_FILES:
        shutil.copyfile(final / name, job.out / name)
    empty = dict.fromkeys(TABLES["metrics"].schema.names)
    rows = [
        {**empty, "stage": job.spec.stage, "name": job.spec.step, **row}
        for row in read_rows(final / METRICS)
    ]
    job.write("metrics", METRICS, rows)
    return rows
