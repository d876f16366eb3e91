"""What a model's folder says of its shape; read without torch."""

import json
from pathlib import Path

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig

WEIGHTS_FILE = "model.safetensors"
SHAPE_FILE = "model.json"
FORMAT = 1


def load_shape(directory: Path) -> tuple[ModelConfig, int]:
    """Reads the model's config and vocabulary size.

    Raises:
        InputError: the folder holds no model of this format.
    """
    path = directory / SHAPE_FILE
    for needed in (path, directory / WEIGHTS_FILE):
        if not needed.is_file():
            raise InputError(
                f"{needed} does not exist; a model is a folder with {WEIGHTS_FILE} and "
                f"{SHAPE_FILE}: point to the folder of a trained model"
            )
    shape = json.loads(path.read_text(encoding="utf-8"))
    if shape.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {shape.get('format')!r}; this version reads format {FORMAT}: "
            "train the model again, or use the version that wrote it"
        )
    return ModelConfig(**shape["config"]), int(shape["vocab_size"])
