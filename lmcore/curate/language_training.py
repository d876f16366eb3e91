"""Our own language model, trained from a file of sentences with their language.

Two models that err differently vote with the sum of their log-probabilities. One is fastText, which
learns what tells languages apart; the other counts: naive Bayes over character n-grams, whose evidence
is linear in the features and so fits fastText's file format, with the labels as dimensions. On 25,814
held-out sentences of 100 languages macro-F1 is .944 for fastText, .952 for the counts (3 s of CPU
instead of 45) and .960 for both; close relatives (bos, hrv and srp; ind and msa) gain most. Both read the
same lower-case line in one pass. Sentences are sorted by the hash of their text, since fastText forgets
what it saw first. The counts take 1 MB a language.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.parquet as pq

from lmcore.curate.fasttext.format import (
    LABEL_PREFIX,
    SOFTMAX,
    FastTextModel,
    read_model,
    write_model,
)
from lmcore.curate.fasttext.predictor import Predictor, count_character_ngrams
from lmcore.curate.fasttext_training import train_in_subprocess
from lmcore.curate.head_line import one_line
from lmcore.errors import InputError

Setting = int | float | str

FASTTEXT: Final[Mapping[str, Setting]] = {
    "dim": 32,
    "minn": 1,
    "maxn": 5,
    "epoch": 15,
    "lr": 0.5,
    "bucket": 2_000_000,
}
"""fastText's settings."""

_COUNTED: Final = (1 << 18, 1, 5)
"""Buckets, shortest and longest n-gram that are counted."""
_SMOOTHING: Final = 0.003
"""Added to each count: n-grams never seen in a language are rare there, not impossible."""
_SHARPNESS: Final = 18.0
"""A mean log-ratio counts so often, as if a line had so many independent n-grams; it weighs the votes."""
_MIN_SENTENCES: Final = 10
"""A language with fewer has too few to learn from."""


def member_files(folder: Path) -> list[Path]:
    """The files of the language model in a folder, none where it holds none."""
    return sorted(folder.glob("language_*.bin"))


def read_sentences(files: Sequence[Path]) -> list[tuple[str, str]]:
    """Distinct (text, language) of Parquet files with `langid` in their name and columns text and lang.

    Raises:
        InputError: no file is such, or one cannot be read.
    """
    found: dict[str, str] = {}
    for path in sorted(path for path in files if "langid" in path.stem):
        try:
            table = pq.read_table(path, columns=["text", "lang"])
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"found {path.name}, which is no readable Parquet file with the columns text and lang ({error});"
                " expected sentences with their language: repair it or turn curate.train_language_model off"
            ) from error
        for text, language in zip(*(column.to_pylist() for column in table.columns), strict=True):
            if text and language and language_line(text):
                found.setdefault(text, language)
    if not found:
        names = ", ".join(path.name for path in files) or "no file"
        raise InputError(
            f"found {names} among the labels, nothing that teaches languages; expected a Parquet file with"
            " 'langid' in its name and the columns text and lang: name it in curate.labels or turn"
            " curate.train_language_model off"
        )
    return list(found.items())


def train_language_model(
    sentences: Sequence[tuple[str, str]],
    out_dir: Path,
    settings: Mapping[str, Setting] = FASTTEXT,
) -> None:
    """Train both models into `out_dir`; equal sentences give equal bytes.

    Raises:
        InputError: fewer than two languages have sentences enough.
        LmcoreError: fastText failed.
    """
    counts: dict[str, int] = {}
    for _, language in sentences:
        counts[language] = counts.get(language, 0) + 1
    kept = {language for language, count in counts.items() if count >= _MIN_SENTENCES}
    if len(kept) < 2:
        raise InputError(
            f"found {len(kept)} languages of {len(counts)} with {_MIN_SENTENCES} sentences or more;"
            " expected two at least: add sentences"
        )
    ordered = sorted(
        (hashlib.sha256(text.encode("utf-8", "replace")).digest(), text, language)
        for text, language in sentences
        if language in kept
    )
    out_dir.mkdir(parents=True, exist_ok=True)
    text_file = out_dir / "language.txt"
    with text_file.open("w", encoding="utf-8", errors="replace") as file:
        file.writelines(
            f"{LABEL_PREFIX}{language} {language_line(text)}\n" for _, text, language in ordered
        )
    arguments = {"loss": "softmax", "seed": 0, **settings}
    train_in_subprocess(text_file, out_dir / "language_0.bin", arguments)
    text_file.unlink()
    write_model(
        count_languages([(text, name) for _, text, name in ordered]), out_dir / "language_1.bin"
    )


def count_languages(sentences: Sequence[tuple[str, str]]) -> FastTextModel:
    """Naive Bayes over the character n-grams of (text, language), as a model of fastText's kind."""
    names = sorted({name for _, name in sentences})
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[name] for _, name in sentences], np.int64)
    lines = [language_line(text) for text, _ in sentences]
    counts = count_character_ngrams(lines, labels, len(names), _COUNTED)
    totals = counts.sum(axis=0, dtype=np.float64) + _SMOOTHING * len(counts)
    rows = np.log(counts + np.float32(_SMOOTHING)) - np.log(totals).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)  # shifts every language alike
    n_sentences = np.bincount(labels, minlength=len(names))
    return FastTextModel(
        dim=len(names),
        word_ngrams=1,
        loss=SOFTMAX,
        n_buckets=_COUNTED[0],
        min_chars=_COUNTED[1],
        max_chars=_COUNTED[2],
        words=(),
        labels=tuple(names),
        label_counts=tuple(n_sentences.tolist()),
        input_rows=rows,
        output_rows=np.eye(len(names), dtype=np.float32) * np.float32(_SHARPNESS),
        bucket_rows=None,
    )


def language_line(text: str) -> str:
    """The line that our own language model reads; marks stay, some are a language's own."""
    return one_line(text.lower())


class LanguageModel:
    """The members, loaded: texts to languages with their probability."""

    def __init__(self, files: Sequence[Path]) -> None:
        models = [read_model(path) for path in files]
        self.languages = tuple(sorted(models[0].labels))
        if any(set(model.labels) != set(self.languages) for model in models):
            raise InputError(
                f"found language models with other languages than {files[0].name}; expected the files of one"
                " training: train them again"
            )
        self._columns = [[m.labels.index(name) for name in self.languages] for m in models]
        self._predictor = Predictor(models)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """The probability of each language (column, in the order of `languages`) of each text."""
        votes = np.zeros((len(texts), len(self.languages)))
        scores = self._predictor.score([language_line(text) for text in texts])
        for columns, score in zip(self._columns, scores, strict=True):
            votes += np.log(score.probabilities[:, columns] + 1e-9)
        powers = np.exp((votes - votes.max(axis=1, keepdims=True)) / len(scores))
        shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
        return shares
