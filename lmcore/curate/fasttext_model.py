"""Reading fastText models and writing text the way fastText reads it.

fastText's input is line- and blank-separated: a newline ends a document, and a word that starts with
`__label__` is a label, also inside a page. Both are taken out before training and before prediction.
"""

import math
from pathlib import Path
from typing import Any

import fasttext

from lmcore.errors import InputError

LABEL_PREFIX = "__label__"


def one_line(text: str) -> str:
    """The text as one line: every blank, newline and NUL becomes one space, no word is a label."""
    return " ".join(text.replace("\0", " ").split()).replace(LABEL_PREFIX, "label ")


def training_line(text: str) -> str:
    """The text as our classifiers see it, in training and in prediction: one line, lower-case."""
    return one_line(text.lower())  # lowered first: lowering makes labels of "__LABEL__"


def load_model(path: Path) -> Any:  # fasttext has no types
    """Load a fastText model.

    Raises:
        InputError: the file is missing or no fastText model.
    """
    if not path.is_file():
        raise InputError(
            f"found no file {path}; expected a fastText model (.bin): give its path, or none"
        )
    try:
        return fasttext.load_model(str(path))
    except ValueError as error:
        raise InputError(
            f"found {path} of {path.stat().st_size:,d} bytes, which fastText cannot read ({error}); "
            "expected a fastText model (.bin): download or train it again"
        ) from error


def positive_log_odds(model: Any, line: str) -> float:  # fasttext has no types
    """Log-odds of label 1 of a two-label model, bounded to [-12, 12]; 0 for an empty line.

    The line is one that `training_line` made.
    """
    if not line:
        return 0.0
    labels, probabilities = model.predict([line], k=2)
    scores = dict(zip(labels[0], (float(p) for p in probabilities[0]), strict=True))
    # fastText adds 1e-5 to every probability: ln(1/1e-5) = 11.5 is as far as it reaches
    positive, negative = (scores.get(f"{LABEL_PREFIX}{label}", 0.0) for label in (1, 0))
    odds = math.log(max(positive, 1e-6)) - math.log(max(negative, 1e-6))
    return min(max(odds, -12.0), 12.0)
