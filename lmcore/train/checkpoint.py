"""A run stopped at a step: everything that the next step needs, and nothing else.

A checkpoint is a directory `checkpoints/step-000100` with

    shard-00000.safetensors   pieces of the weights ("model.<parameter>") and of the optimizers'
                              state ("optimizer.m.<parameter>"), a file a process
    metrics.parquet           the rows so far
    state.json                step, configs, where each piece lies, and sha256 and size of every
                              other file: written last, before the directory gets its name

and `checkpoints/latest` names the newest, moved only when that one is whole and on the disk. The
layout is that of torch.distributed.checkpoint's safetensors storage (see lmcore.train.pieces): any
number of processes reads what any number has written. Nothing is pickled. DCP's own metadata file
is a pickle, which runs what it is told to by whoever wrote it; ours is JSON.

The learning rate and the order of the data are functions of the step, and nothing in training is
random, so there is no generator to save. Size: 12 bytes a parameter under AdamW.

A run may go on from the checkpoint of another: up to the step all their learning rates have to be
the same numbers, which wsd keeps until it decays and inverse_sqrt always. What comes out is then
what the run would have made alone, bit for bit, so its identity says nothing of the other.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.files import save_weights
from lmcore.sections import from_section, to_section
from lmcore.tokens.shards import FILE_NAME as LISTING_FILE
from lmcore.train.branching import free_fields, is_same_up_to
from lmcore.train.config import TrainConfig
from lmcore.train.durable import drop_directory, write_directory, write_text
from lmcore.train.metrics import MetricRow, read_metrics
from lmcore.train.pieces import Held, Index, check_index, read_into, read_whole
from lmcore.train.retention import superseded
from lmcore.train.spec import TrainSpec

METRICS_FILE: Final = "metrics.parquet"
STATE_FILE: Final = "state.json"
LATEST_FILE: Final = "latest"
MODEL: Final = "model."
_FORMAT: Final = 2
_ADVICE: Final = "choose an earlier checkpoint or start without one"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a checkpoint holds beside tensors."""

    step: int
    scalars: Mapping[str, Any]
    """Numbers of the trainer, as JSON."""
    rows: Sequence[MetricRow]


def checkpoint_dir(out_dir: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return out_dir / "checkpoints" / f"step-{step:06d}"


def steps_of(out_dir: Path) -> list[int]:
    """Steps of the checkpoints in a run's directory, in their order."""
    return sorted(int(path.name[5:]) for path in (out_dir / "checkpoints").glob("step-[0-9]*"))


def newest(out_dir: Path) -> Path | None:
    """The newest checkpoint in a run's directory that is whole, or None.

    That is the one that `latest` names; where it is damaged, the newest that is not.
    """
    folder = out_dir / "checkpoints"
    candidates = [checkpoint_dir(out_dir, step) for step in reversed(steps_of(out_dir))]
    try:
        named = folder / (folder / LATEST_FILE).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        named = folder
    candidates.sort(key=lambda path: path != named)  # stable: the others stay in their order
    for directory in candidates:
        try:
            verify(directory)
        except InputError:
            continue
        return directory
    return None


def seal_state(  # what the parts of a checkpoint are
    partial: Path,
    spec: TrainSpec,
    *,
    step: int,
    scalars: Mapping[str, Any],
    index: Index,
    files: Mapping[str, Mapping[str, object]],
) -> None:
    """Writes the manifest of a checkpoint, the last of its files."""
    state = {
        "format": _FORMAT,
        "step": step,
        "model": to_section(spec.model),
        "vocab_size": spec.vocab_size,
        "train": to_section(spec.train),
        "tokens_sha256": _tokens_sha256(spec),
        "scalars": scalars,
        "tensors": index,
        "files": files,
    }
    (partial / STATE_FILE).write_text(json.dumps(state, sort_keys=True) + "\n", encoding="utf-8")


def point_to(directory: Path) -> None:
    """Makes a checkpoint, which is on the disk, the latest."""
    write_text(directory.parent / LATEST_FILE, f"{directory.name}\n")


def prune(spec: TrainSpec, step: int) -> None:
    """Drops checkpoints that a newer one, which is on the disk, has superseded."""
    if not spec.keep_last:
        return
    steps = [found for found in steps_of(spec.out_dir) if found <= step]
    for old in superseded(steps, keep_last=spec.keep_last, keep_every=spec.keep_every):
        drop_directory(checkpoint_dir(spec.out_dir, old))


def load_checkpoint(directory: Path, spec: TrainSpec, tensors: Mapping[str, Held]) -> Restored:
    """Fills the tensors of the run that the spec describes, whole or this process's blocks of them.

    Raises:
        InputError: the checkpoint is damaged, or of another run: model, data or a train field
            differ, other than those that change no weight up to its step.
    """
    state = verify(directory)
    _check_run(directory, state, spec)
    is_all = spec.train.world_size == 1  # several processes may hold different tensors
    read_into(directory, state["tensors"], tensors, is_all=is_all)
    rows = read_metrics(directory / METRICS_FILE)
    every = spec.train.eval_every
    # the last step of the run that wrote them was measured off the interval
    kept = [
        row
        for row in rows
        if row.split in {"train", "spike"} or row.step % every == 0 or row.step == spec.train.steps
    ]
    return Restored(int(state["step"]), state["scalars"], kept)


def _check_run(directory: Path, state: Mapping[str, Any], spec: TrainSpec) -> None:
    step, train = int(state["step"]), to_section(spec.train)
    if state["tokens_sha256"] != _tokens_sha256(spec):
        raise InputError(
            f"found token shards in {spec.shards_dir} that are not those of {directory} (their "
            f"{LISTING_FILE} differ); expected the same text through the same tokenizer; resume "
            "with the shards of the checkpoint, or start without it"
        )
    wanted: dict[str, object] = {"vocab_size": spec.vocab_size}
    wanted |= {f"model.{name}": value for name, value in to_section(spec.model).items()}
    if not is_same_up_to(step, state["train"], train):
        is_free = free_fields(train)
        wanted |= {f"train.{name}": train[name] for name in train if name not in is_free}
    for name, value in wanted.items():
        section, _, field = name.rpartition(".")
        found = (state[section] if section else state).get(field)
        if found != value:
            key = f"pre{name}" if section == "train" else name  # as recipes call it
            raise InputError(
                f"found {key} {found!r} in {directory}; expected {value!r} as in this run (only "
                "the schedule may differ, where its learning rates up to the checkpoint's step "
                f"{step:,d} do not); resume with the configuration of the checkpoint, or start "
                "without it"
            )


def export_model(directory: Path, out: Path) -> None:
    """Writes the model of a checkpoint as a folder that lmcore.model.files.load_model reads."""
    state = verify(directory)
    weights = read_whole(directory, state["tensors"], MODEL)
    config, vocab_size = ModelConfig(**state["model"]), int(state["vocab_size"])
    write_directory(out, lambda partial: save_weights(partial, weights, config, vocab_size))


def verify(directory: Path) -> dict[str, Any]:  # JSON: values of many types
    """Checks every file against the manifest and returns the manifest.

    Raises:
        InputError: a file is missing or has changed.
    """
    path = directory / STATE_FILE
    try:
        state = _parse_state(path.read_text(encoding="utf-8"))
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"found no checkpoint in {directory} ({type(error).__name__}: {error}); expected "
            f"{STATE_FILE} of format {_FORMAT}; {_ADVICE}"
        ) from error
    for name, seal in state["files"].items():
        path = directory / name
        found = seal_file(path) if path.is_file() else "no file"
        if found != seal:
            raise InputError(f"found {path} damaged ({found}); expected {seal}; {_ADVICE}")
    return state


def _parse_state(text: str) -> dict[str, Any]:  # JSON: values of many types
    state: dict[str, Any] = json.loads(text)
    files = state["files"]
    if state["format"] != _FORMAT or METRICS_FILE not in files:
        raise ValueError(f"format {state['format']} with {sorted(files)}")
    for name, seal in files.items():
        if Path(name).name != name or set(seal) != {"sha256", "bytes"}:
            raise ValueError(f"{name!r} is no file of a checkpoint")
    from_section(TrainConfig, state["train"])
    from_section(ModelConfig, state["model"])
    check_index(state["tensors"], files)
    if not isinstance(state["scalars"], dict) or not isinstance(state["step"], int):
        raise TypeError("scalars are no object, or the step is no number")
    return state


def seal_file(path: Path) -> dict[str, object]:
    """The sha256 and the size of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}


def _tokens_sha256(spec: TrainSpec) -> str:
    return hashlib.sha256((spec.shards_dir / LISTING_FILE).read_bytes()).hexdigest()
