"""A model as files: model.safetensors (weights) and model.json (shape). No pickle.

Equal models make equal bytes: tensors are written in the order of their names and nothing of
the time or the place enters.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.shape import FORMAT, SHAPE_FILE, WEIGHTS_FILE, load_shape
from lmcore.model.transformer import Transformer


def save_model(directory: Path, model: Transformer) -> None:
    """Writes the model into the directory, which is made where it is missing."""
    save_weights(directory, model.state_dict(), model.config, model.vocab_size)


def save_weights(
    directory: Path, weights: Mapping[str, Tensor], config: ModelConfig, vocab_size: int
) -> None:
    """Writes gathered weights, whatever process or shard they came from."""
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {name: weights[name].detach().contiguous() for name in sorted(weights)}
    save_file(tensors, directory / WEIGHTS_FILE)
    shape = {"format": FORMAT, "vocab_size": vocab_size, "config": asdict(config)}
    text = json.dumps(shape, indent=2, sort_keys=True) + "\n"
    (directory / SHAPE_FILE).write_text(text, encoding="utf-8")


def load_model(directory: Path) -> Transformer:
    """Reads a model that `save_model` wrote, on the CPU, in float32.

    Raises:
        InputError: a file is missing, of another format, or does not match the shape.
    """
    config, vocab_size = load_shape(directory)
    model = Transformer(config, vocab_size)
    weights = load_file(directory / WEIGHTS_FILE)
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise InputError(
            f"{directory / WEIGHTS_FILE} does not hold the weights that {SHAPE_FILE} describes "
            f"({error}); expected the two files of one model: write the folder again"
        ) from error
    return model
