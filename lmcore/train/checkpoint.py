"""A run stopped at a step: everything that the next step needs, and nothing else.

A checkpoint is a directory `step-000100` with

    model.safetensors, model.json   the model, readable by lmcore.model.files.load_model
    optimizer.safetensors           AdamW's moments: "m.<parameter>" and "v.<parameter>"
    metrics.parquet                 the rows so far
    state.json                      step, configs, and sha256 and size of every other file

The learning rate and the order of the data are functions of the step, and nothing in training is
random, so there is no generator to save. Tensors are whole, not sharded: a checkpoint of two
processes loads into one. Size: 12 bytes per parameter.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from lmcore.errors import InputError
from lmcore.model.files import save_weights
from lmcore.model.shape import SHAPE_FILE, WEIGHTS_FILE
from lmcore.sections import to_section
from lmcore.train.durable import write_directory, write_json
from lmcore.train.metrics import MetricRow, read_metrics, write_metrics
from lmcore.train.spec import TrainSpec

MOMENTS_FILE = "optimizer.safetensors"
METRICS_FILE = "metrics.parquet"
STATE_FILE = "state.json"
_FILES = (WEIGHTS_FILE, SHAPE_FILE, MOMENTS_FILE, METRICS_FILE)
_FORMAT = 1
_FREE_FIELDS = ("threads", "world_size", "checkpoint_every")
"""Train fields that may differ between a checkpoint and the run that goes on from it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a checkpoint holds, with whole tensors."""

    step: int
    weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    rows: Sequence[MetricRow]


def checkpoint_dir(out_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return out_dir / "checkpoints" / f"step-{step:06d}"


def newest(out_dir: Path) -> Path | None:
    """The checkpoint with the most steps in a run's directory, or None."""
    steps = [int(path.name[5:]) for path in (out_dir / "checkpoints").glob("step-[0-9]*")]
    return checkpoint_dir(out_dir, max(steps)) if steps else None


def save_checkpoint(spec: TrainSpec, checkpoint: Checkpoint, n_train_tokens: int) -> Path:
    """Writes a checkpoint, whole or not at all, and returns its directory."""
    directory = checkpoint_dir(spec.out_dir, checkpoint.step)

    def fill(partial: Path) -> None:
        save_weights(partial, checkpoint.weights, spec.model, spec.vocab_size)
        moments = {name: checkpoint.moments[name] for name in sorted(checkpoint.moments)}
        save_file(moments, partial / MOMENTS_FILE)
        write_metrics(partial / METRICS_FILE, checkpoint.rows)
        state = {
            "format": _FORMAT,
            "step": checkpoint.step,
            "model": to_section(spec.model),
            "vocab_size": spec.vocab_size,
            "train": to_section(spec.train),
            "n_train_tokens": n_train_tokens,
            "files": {name: _seal(partial / name) for name in _FILES},
        }
        write_json(partial / STATE_FILE, state)

    write_directory(directory, fill)
    return directory


def load_checkpoint(directory: Path, spec: TrainSpec, n_train_tokens: int) -> Checkpoint:
    """Reads a checkpoint for the run that the spec describes.

    Raises:
        InputError: the checkpoint is damaged, or of another run: model, data or a train field
            other than threads, world_size and checkpoint_every differ.
    """
    state = verify(directory)
    train = to_section(spec.train)
    wanted: dict[str, object] = {"n_train_tokens": n_train_tokens, "vocab_size": spec.vocab_size}
    wanted |= {f"model.{name}": value for name, value in to_section(spec.model).items()}
    wanted |= {f"train.{name}": train[name] for name in train if name not in _FREE_FIELDS}
    for name, value in wanted.items():
        section, _, field = name.rpartition(".")
        found = (state[section] if section else state).get(field)
        if found != value:
            raise InputError(
                f"found {name} {found!r} in {directory}; expected {value!r} as in this run; "
                "resume with the configuration of the checkpoint, or start without it"
            )
    return Checkpoint(
        step=int(state["step"]),
        weights=load_file(directory / WEIGHTS_FILE),
        moments=load_file(directory / MOMENTS_FILE),
        rows=read_metrics(directory / METRICS_FILE),
    )


def verify(directory: Path) -> dict[str, Any]:  # JSON: values of many types
    """Checks every file against the manifest and returns the manifest.

    Raises:
        InputError: a file is missing or has changed.
    """
    path = directory / STATE_FILE
    try:
        state = _parse_state(path.read_text(encoding="utf-8"))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"found no checkpoint in {directory} ({type(error).__name__}: {error}); expected "
            f"{STATE_FILE} of format {_FORMAT}; choose another checkpoint or start without one"
        ) from error
    for name, seal in state["files"].items():
        found = _seal(directory / name) if (directory / name).is_file() else "no file"
        if found != seal:
            raise InputError(
                f"found {directory / name} damaged ({found}); expected {seal}; "
                "choose an earlier checkpoint or start without one"
            )
    return state


def _parse_state(text: str) -> dict[str, Any]:  # JSON: values of many types
    state: dict[str, Any] = json.loads(text)
    if state["format"] != _FORMAT or set(state["files"]) != set(_FILES):
        raise ValueError(f"format {state['format']} with {sorted(state['files'])}")
    if not isinstance(state["model"], dict) or not isinstance(state["train"], dict):
        raise TypeError("model and train are no objects")
    return state


def _seal(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}
