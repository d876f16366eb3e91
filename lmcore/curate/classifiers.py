"""The heads that score a page: trained here, calibrated, saved with what they were made of.

A head is a fastText bag of word and character n-grams (arXiv 1607.01759), as DCLM used for quality and
Dolma for toxicity; one of them (`style`) is a logistic regression over how the page is written. A score
is the probability of label 1 after Platt's scaling on held-out texts. In a folder lie a .bin for each
label set (5 MB each) and classifiers.json. Training takes 3 s of CPU for 8,000 texts of 15 words;
prediction of all heads is one compiled pass (lmcore/curate/fasttext).
"""

import dataclasses
import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lmcore.curate.calibration import Calibration, fit_calibration, roc_auc
from lmcore.curate.config import CurateConfig
from lmcore.curate.fasttext.format import LABEL_PREFIX, FastTextModel, read_model
from lmcore.curate.fasttext.predictor import Predictor, Scores
from lmcore.curate.fasttext_training import train_in_subprocess
from lmcore.curate.head_line import head_line
from lmcore.curate.labels import LabelledText, find_label_sets, list_files, read_label_set
from lmcore.curate.language import detector
from lmcore.curate.language_training import (
    member_files,
    read_sentences,
    train_language_model,
)
from lmcore.curate.perplexity import read_reference, train_models
from lmcore.curate.style import StyleModel, fit_style, style_of
from lmcore.curate.words import SENTENCE_END
from lmcore.errors import InputError

DESCRIPTION = "classifiers.json"

STYLE = "style"
"""The head that judges quality by how a page is written."""

_TRUSTED_SHARE = 0.3
"""Share of known words from which on a score is trusted. Under our two label sets English pages have 0.4 and 0.8
of them at the median, German 0.06 and 0.2, Chinese 0: without known words fastText scores noise."""


def training_text(texts: Sequence[LabelledText]) -> str:
    """The lines that fastText learns from; a small collection is repeated so that a large one does not drown it."""
    sizes = Counter(text.source for text in texts if not text.is_test)
    largest = max(sizes.values(), default=1)
    lines = []
    for text in texts:
        if not text.is_test:
            line = f"{LABEL_PREFIX}{text.label} {head_line(text.text)}"
            lines += [line] * round(math.sqrt(largest / sizes[text.source]))
    if len(sizes) > 1:  # repeats are spread, in an order that the text alone decides
        keys = Counter[str]()
        numbered = []
        for line in lines:
            keys[line] += 1
            numbered.append((hashlib.sha256(f"{keys[line]} {line}".encode()).digest(), line))
        lines = [line for _, line in sorted(numbered)]
    return "\n".join(lines) + "\n"


def _round(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _at_threshold(
    scores: Sequence[float], labels: Sequence[int], threshold: float
) -> dict[str, float | None]:
    """Precision and recall of label 1 among held-out texts that score at least the threshold."""
    n_found = sum(score >= threshold for score in scores)
    n_right = sum(label for score, label in zip(scores, labels, strict=True) if score >= threshold)
    return {
        "threshold": threshold,
        "precision": _round(n_right / n_found) if n_found else None,
        "recall": _round(n_right / sum(labels)),
    }


def _train_one(
    name: str, texts: Sequence[LabelledText], out_dir: Path, config: CurateConfig
) -> dict[str, Any]:  # JSON
    text_file, model_file = out_dir / f"{name}.txt", out_dir / f"{name}.bin"
    lines = training_text(texts)
    text_file.write_text(lines, encoding="utf-8", errors="replace")
    arguments = {
        "dim": config.classifier_dim,
        "epoch": config.classifier_epochs,
        "lr": config.classifier_learning_rate,
        "wordNgrams": config.classifier_word_ngrams,
        "bucket": config.classifier_buckets,
        "minn": config.classifier_min_chars,
        "maxn": config.classifier_max_chars,
        "loss": "softmax",
        "seed": config.classifier_seed,
    }
    train_in_subprocess(text_file, model_file, arguments)
    text_file.unlink()
    held_out = [text for text in texts if text.is_test]
    (scores,) = Predictor([_positive_last(read_model(model_file))]).score(
        [head_line(text.text) for text in held_out]
    )
    return {
        **_judged(scores.log_odds().tolist(), texts),
        "training_text_sha256": hashlib.sha256(lines.encode("utf-8", "replace")).hexdigest(),
        "model_sha256": hashlib.sha256(model_file.read_bytes()).hexdigest(),
    }


def _train_style(texts: Sequence[LabelledText]) -> dict[str, Any]:  # JSON
    """The quality labels again, by how the texts are written."""
    features = [style_of(text.text) for text in texts]
    model = fit_style(
        [row for row, text in zip(features, texts, strict=True) if not text.is_test],
        [text.label for text in texts if not text.is_test],
    )
    odds = model.log_odds([row for row, text in zip(features, texts, strict=True) if text.is_test])
    return {
        **_judged(odds, texts),
        "means": model.means,
        "deviations": model.deviations,
        "weights": model.weights,
    }


def _judged(log_odds: Sequence[float], texts: Sequence[LabelledText]) -> dict[str, Any]:  # JSON
    """The held-out measures and the calibration of one head."""
    labels = [text.label for text in texts if text.is_test]
    calibration = fit_calibration(log_odds, labels)
    scores = [calibration.probability(odds) for odds in log_odds]
    # a fixed point beside the recipe's: the file must not change with a decision's threshold
    return {
        "roc_auc": _round(roc_auc(log_odds, labels)),
        "n_train": len(texts) - len(labels),
        "n_test": len(labels),
        "base_rate": _round(sum(text.label for text in texts) / len(texts)),
        "operating_point": _at_threshold(scores, labels, 0.5),
        "calibration": calibration._asdict(),
    }


def _positive_last(model: FastTextModel) -> FastTextModel:
    """The model with label 1 behind label 0, whichever training met first."""
    if model.labels == ("0", "1"):
        return model
    if model.labels != ("1", "0"):
        raise InputError(
            f"found a model with the labels {', '.join(model.labels)}; expected 0 and 1: train it again"
        )
    return dataclasses.replace(
        model,
        labels=model.labels[::-1],
        label_counts=model.label_counts[::-1],
        output_rows=model.output_rows[::-1].copy(),
    )


def train(labels: Sequence[Path], out_dir: Path, config: CurateConfig) -> None:
    """Train every head that the labelled Parquet (files or folders) teaches into `out_dir`.

    Same labels and `CLASSIFIER_FIELDS`: same bytes.

    Raises:
        InputError: a label set is missing, unreadable or has one class only.
        LmcoreError: fastText failed.
    """
    texts = {
        name: read_label_set(
            members,
            name,
            max_texts=config.classifier_max_texts,
            test_fraction=config.classifier_test_fraction,
        )
        for name, members in find_label_sets(labels).items()
    }
    out_dir.mkdir(parents=True, exist_ok=True)
    description = {name: _train_one(name, texts[name], out_dir, config) for name in texts}
    description[STYLE] = _train_style(texts["quality"])
    if config.train_language_model:
        train_language_model(read_sentences(list_files(labels)), out_dir)
    if config.perplexity_order:
        reference = read_reference(list_files(labels), texts, config.classifier_test_fraction)
        train_models(reference, detector(None, member_files(out_dir)), out_dir, config)
    content = json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (out_dir / DESCRIPTION).write_text(content, encoding="utf-8")


class Heads:
    """All heads of a run, loaded: a page to its scores in one tokenising pass."""

    def __init__(self, models_dir: Path, description: Mapping[str, Any]) -> None:
        self._calibrations = {
            name: Calibration(**found["calibration"]) for name, found in description.items()
        }
        found = description[STYLE]
        self._style = StyleModel(found["means"], found["deviations"], found["weights"])
        self.names = tuple(sorted(name for name in description if name != STYLE))
        models = [_positive_last(read_model(models_dir / f"{name}.bin")) for name in self.names]
        self._pages = Predictor(models)
        self._sentences = Predictor([models[self.names.index("toxicity")]])

    def probabilities(self, texts: Sequence[str]) -> dict[str, list[float]]:
        """Calibrated probability of label 1 of each text, by the head's name."""
        found = self._pages.score([head_line(text) for text in texts])
        return {
            name: self._calibrated(name, scores)
            for name, scores in zip(self.names, found, strict=True)
        }

    def _calibrated(self, name: str, scores: Scores) -> list[float]:
        calibration = self._calibrations[name]
        evidence = np.minimum(scores.known_share / _TRUSTED_SHARE, 1.0).tolist()
        odds = scores.log_odds().tolist()
        return list(map(calibration.probability, odds, evidence))

    def style(self, text: str) -> float:
        """Calibrated probability that a page is of high quality, by how it is written."""
        (odds,) = self._style.log_odds([style_of(text)])
        return self._calibrations[STYLE].probability(odds)

    def sentence_toxicity(self, text: str) -> tuple[float, float]:
        """The worst sentence's probability of toxicity, and the share of sentences at 0.5 or more."""
        sentences = sentences_of(text)
        if not sentences:
            return 0.0, 0.0
        (scores,) = self._sentences.score([head_line(sentence) for sentence in sentences])
        found = self._calibrated("toxicity", scores)
        return max(found), sum(p >= 0.5 for p in found) / len(found)


def sentences_of(text: str) -> list[str]:
    """The sentences of each line, without those that hold no word."""
    parts = (part for line in text.split("\n") for part in _split_line(line))
    return [part for part in parts if any(char.isalpha() for char in part)]


def _split_line(line: str) -> list[str]:
    ends = [match.end() for match in SENTENCE_END.finditer(line)]
    return [line[i:j].strip() for i, j in zip([0, *ends], [*ends, len(line)], strict=True)]


def load_heads(models_dir: Path) -> Heads:
    """Load the heads that `train` wrote.

    Raises:
        InputError: a file is missing or unreadable.
    """
    path = models_dir / DESCRIPTION
    try:
        return Heads(models_dir, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"found no readable {DESCRIPTION} in {models_dir} ({error}); expected the folder that"
            " training wrote: train the classifiers again"
        ) from error
