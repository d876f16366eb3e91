"""How a page is written, in 34 numbers, and a logistic regression over them.

A bag of words judges quality by topic: textbooks against crawled pages teach it physics. What people
call a good document shows in its form as well: whole sentences in long lines, few capitals, bars,
bullets and repeated phrases, words that join others. These numbers know no topic, so what they learn from one kind of
source holds for another: trained on gold main texts of articles and documentation against whole
listing, shop and service pages, they rank DCLM's human judgements at ROC-AUC .754, where a bag of words reaches .635;
trained on the judgements themselves (5 folds), .886 against .833.
Linear; about 2 ms a page of 400 words, nearly all of it Gopher's repetition statistics.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from lmcore.curate.heuristics import (
    count_sentences,
    fineweb_statistics,
    quality_statistics,
    repetition_statistics,
)
from lmcore.errors import InputError

_MAX_CHARS: Final = 20_000
"""More text changes no judgement."""
_MAX_DEVIATIONS: Final = 4.0
"""A number farther from the mean is taken for one so far: one odd page decides nothing."""
_SHORT_LINE_CHARS: Final = 30
_EDGES: Final = ".,!?;:\"'()"
_JOINING: Final = frozenset(
    [
        "the",
        "of",
        "and",
        "to",
        "in",
        "is",
        "that",
        "it",
        "for",
        "was",
        "with",
        "as",
        "on",
        "are",
        "by",
        "this",
        "be",
        "from",
        "at",
        "have",
        "not",
        "or",
        "you",
        "they",
        "which",
        "but",
        "had",
        "his",
        "her",
        "she",
        "he",
        "we",
        "were",
        "their",
        "has",
        "its",
        "will",
        "would",
        "can",
        "who",
        "been",
        "more",
        "if",
        "so",
        "no",
        "when",
        "what",
        "there",
        "all",
        "about",
        "into",
        "than",
        "them",
        "other",
        "some",
        "could",
        "only",
        "do",
        "time",
        "may",
        "then",
        "these",
        "two",
        "any",
    ]
)
_READER: Final = frozenset(("you", "your", "yours"))
_WRITER: Final = frozenset(("we", "our", "us", "i", "my", "me"))
_NARRATIVE: Final = frozenset(["he", "she", "they", "his", "her", "their", "was", "were", "had"])

FEATURES: Final = (
    "log_words",
    "mean_word_length",
    "ellipsis_ratio",
    "bullet_lines",
    "ellipsis_lines",
    "alphabetic_words",
    "n_stop_words",
    "duplicate_lines",
    "top_2gram_chars",
    "top_4gram_chars",
    "duplicate_5gram_chars",
    "duplicate_10gram_chars",
    "terminal_punctuation_lines",
    "short_lines",
    "newlines_per_word",
    "capitalised_words",
    "digit_chars",
    "commas_per_word",
    "exclamations_per_word",
    "questions_per_word",
    "points_per_word",
    "distinct_words",
    "joining_words",
    "reader_words",
    "writer_words",
    "narrative_words",
    "log_median_line",
    "shouted_words",
    "links_per_word",
    "sentences_per_word",
    "dollars_per_word",
    "brackets_per_word",
    "colons_per_word",
    "bars_per_word",
)
"""What each number of `style_of` is."""


def style_of(text: str) -> list[float]:
    """The numbers of `FEATURES`; English words are looked for."""
    text = text[:_MAX_CHARS]
    gopher = quality_statistics(text, "en")
    repeated = repetition_statistics(text)
    fineweb = fineweb_statistics(text, _SHORT_LINE_CHARS)
    line_chars = sorted(len(line) for line in text.split("\n") if line.strip())
    return [
        math.log(max(len(text.split()), 1)),
        gopher.mean_word_length,
        gopher.ellipsis_ratio,
        gopher.bullet_lines,
        gopher.ellipsis_lines,
        gopher.alphabetic_words,
        float(gopher.n_stop_words),
        repeated.duplicate_lines,
        repeated.top_2gram_chars,
        repeated.top_4gram_chars,
        repeated.duplicate_5gram_chars,
        repeated.duplicate_10gram_chars,
        fineweb.terminal_punctuation_lines,
        fineweb.short_lines,
        fineweb.newlines_per_word,
        *_of_words(text),
        math.log(1 + (line_chars[len(line_chars) // 2] if line_chars else 0)),
        *_of_signs(text),
    ]


def _of_words(text: str) -> list[float]:
    words = text.split()
    n_words = max(len(words), 1)
    lowered = [word.lower().strip(_EDGES) for word in words]
    return [
        sum(word[0].isupper() for word in words) / n_words,
        sum(char.isdigit() for char in text) / max(len(text), 1),
        (text.count(",") + text.count(";") + text.count(":")) / n_words,
        min(text.count("!") / n_words, 0.1),
        min(text.count("?") / n_words, 0.1),
        text.count(".") / n_words,
        len(set(lowered)) / n_words**0.7,  # Heaps' law: distinct words grow like this
        *(
            sum(word in chosen for word in lowered) / n_words
            for chosen in (_JOINING, _READER, _WRITER, _NARRATIVE)
        ),
    ]


def _of_signs(text: str) -> list[float]:
    words = text.split()
    n_words = max(len(words), 1)
    signs = (
        sum(word.isupper() and len(word) > 1 for word in words),
        text.count("http") + text.count("www.") + text.count(".com"),
        count_sentences(text),
        text.count("$"),
        text.count("("),
        text.count(":"),
        text.count("|") + text.count("»") + text.count("•"),
    )
    return [n / n_words for n in signs]


class StyleModel:
    """Logistic regression over standardised features."""

    def __init__(
        self, means: Sequence[float], deviations: Sequence[float], weights: Sequence[float]
    ) -> None:
        """`weights` holds one for each feature, and the offset."""
        if not len(means) == len(deviations) == len(weights) - 1 == len(FEATURES):
            raise InputError(
                f"found {len(means)}, {len(deviations)} and {len(weights)} numbers; expected"
                f" {len(FEATURES)}, as many and one more: train the classifiers again"
            )
        self.means, self.deviations, self.weights = list(means), list(deviations), list(weights)

    def log_odds(self, features: Sequence[Sequence[float]]) -> list[float]:
        """Log-odds of label 1 of each row of features, within [-12, 12]."""
        rows = _standardised(np.asarray(features, float), self.means, self.deviations)
        odds = rows @ np.asarray(self.weights[:-1]) + self.weights[-1]
        return [float(value) for value in np.clip(odds, -12.0, 12.0)]


def _standardised(
    rows: np.ndarray, means: Sequence[float], deviations: Sequence[float]
) -> np.ndarray:
    scaled = (rows.reshape(-1, len(FEATURES)) - np.asarray(means)) / np.asarray(deviations)
    clipped: np.ndarray = np.clip(scaled, -_MAX_DEVIATIONS, _MAX_DEVIATIONS)
    return clipped


def fit_style(
    features: Sequence[Sequence[float]], labels: Sequence[int], *, penalty: float = 30.0
) -> StyleModel:
    """Fit by Newton's method, both classes weighing the same.

    `penalty` is half the inverse variance expected of a weight; as large as the data are few.
    """
    rows, y = np.asarray(features, float), np.asarray(labels, float)
    means, deviations = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    rows = np.c_[_standardised(rows, means.tolist(), deviations.tolist()), np.ones(len(rows))]
    n_positive = max(y.sum(), 1.0)
    shares = np.where(y == 1, 0.5 / n_positive, 0.5 / max(len(y) - n_positive, 1.0)) * len(y)
    penalties = np.full(rows.shape[1], penalty)
    penalties[-1] = 1e-9  # the offset is free
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        p = 0.5 + 0.5 * np.tanh(0.5 * (rows @ weights))
        gradient = rows.T @ (shares * (y - p)) - penalties * weights
        curvature = (rows * (shares * p * (1 - p))[:, None]).T @ rows + np.diag(penalties)
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    # nine digits: what the last bits hold depends on how sums were split
    return StyleModel(*([float(f"{v:.9g}") for v in part] for part in (means, deviations, weights)))
