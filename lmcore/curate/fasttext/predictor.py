"""Many fastText models over many lines in one pass, compiled.

Three things make it faster than asking each model in turn. Words are split, hashed and looked up once
for all models. A known word's character n-grams are added to its row when the models are loaded. And
where a model has no more labels than dimensions, the output matrix is multiplied into the input rows
beforehand (the logits are linear in them), so that a two-label softmax needs one number a feature and
five such models 20 bytes side by side. `reference.py` is the slow twin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from lmcore.curate.fasttext.format import SOFTMAX, FastTextModel
from lmcore.curate.fasttext.kernels import rows as kernels
from lmcore.curate.fasttext.losses import probabilities_of_logits
from lmcore.curate.fasttext.reference import END_OF_LINE
from lmcore.kernels.compiling import announce
from lmcore.kernels.memory import PADDING

_BATCH_BYTES: Final = 1 << 22
"""Lines are taken together up to so many bytes; a word takes 32 bytes beside them."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What one model says of each line."""

    probabilities: np.ndarray  # float64 [lines, labels]; zeros where a line has no feature
    known_share: np.ndarray  # float64 [lines]: share of a line's words that the model has

    def log_odds(self) -> np.ndarray:
        """Log-odds of the second label of two, within [-12, 12]; 0 where a line has no feature."""
        floor = np.float64(1e-9)
        odds: np.ndarray = np.log(self.probabilities[:, 1] + floor) - np.log(
            self.probabilities[:, 0] + floor
        )
        return odds.clip(-12.0, 12.0)


class _Words:
    """All models' words: their bytes, and an open table of their hashes."""

    def __init__(self, words: Sequence[bytes]) -> None:
        self.words = words
        sizes = np.fromiter(map(len, words), np.int64, len(words))
        self.ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        self.content = _padded(b"".join(words))
        self.end_word = words.index(END_OF_LINE) if END_OF_LINE in words else -1
        self.table = np.zeros(1 << max(2 * len(words), 1).bit_length(), np.int64)
        if words:
            found, line_ends = _find(_Words([]), *_lines_of(words))
            first_of_line = np.concatenate([np.zeros(1, np.int64), line_ends[:-1]])
            kernels.fill_table(np.ascontiguousarray(found[first_of_line, 1]), self.table)


def _lines_of(words: Sequence[bytes]) -> tuple[np.ndarray, int]:
    """Each word as a line of its own, and how many lines that is."""
    return _padded(b"".join(word + b"\n" for word in words)), len(words)


def _padded(content: bytes) -> np.ndarray:
    return np.frombuffer(content + bytes(PADDING), np.uint8)


def _find(words: _Words, text: np.ndarray, n_lines: int) -> tuple[np.ndarray, np.ndarray]:
    n_bytes = len(text) - PADDING
    found = np.empty((n_bytes // 2 + n_lines + 1, 4), np.int64)
    line_ends = np.empty(n_lines, np.int64)
    n_words = kernels.find_words(
        text, n_bytes, words.table, words.content, words.ends, words.end_word, found, line_ends
    )
    return found[:n_words], line_ends


class _Group:
    """Models that hash alike: their columns lie side by side in each row."""

    def __init__(self, members: Sequence[tuple[int, FastTextModel]], words: _Words) -> None:
        self.members = members
        model = members[0][1]
        self.shape = (model.n_buckets, model.min_chars, model.max_chars, model.word_ngrams)
        self.bucket_rows = np.empty(0, np.int32) if model.bucket_rows is None else model.bucket_rows
        tables = [_projected(member) for _, member in members]
        self.widths = [table.shape[1] for table in tables]
        n_hashed = [len(t) - len(m.words) for t, (_, m) in zip(tables, members, strict=True)]
        self.bucket_sums = np.ascontiguousarray(
            np.concatenate([table[len(table) - min(n_hashed) :] for table in tables], axis=1)
        )
        self._add_words(tables, words)

    def _add_words(self, tables: Sequence[np.ndarray], words: _Words) -> None:
        """Each known word's rows: its n-grams' from the kernel, and its own where a model has it."""
        n_words, n_models = len(words.words), len(self.members)
        self.word_sums = np.zeros((n_words, sum(self.widths)), np.float32)
        self.word_counts = np.zeros((n_words, n_models, 2), np.int32)
        if self.shape[2] > 0:
            self._add_character_ngrams(words)
        numbers = {word: number for number, word in enumerate(words.words)}
        column = 0
        for place, (table, (_, model)) in enumerate(zip(tables, self.members, strict=True)):
            of = np.array([numbers[word] for word in model.words], np.int64)
            self.word_sums[of, column : column + table.shape[1]] += table[: len(of)]
            self.word_counts[of, place] += 1
            column += table.shape[1]
        if words.end_word >= 0:
            self.word_counts[words.end_word, :, 1] = 0  # every line ends so: it says nothing

    def _add_character_ngrams(self, words: _Words) -> None:
        """Sum the n-grams of each word as if none was known, each in a line of its own."""
        text, n_lines = _lines_of(words.words)
        found, line_ends = _find(_Words([]), text, n_lines)
        none = (self.word_sums[:0], self.word_counts[:0])
        self.word_sums, self.word_counts = self._sum(
            text, found, line_ends, none, (*self.shape[:3], 1)
        )

    def _sum(
        self,
        text: np.ndarray,
        found: np.ndarray,
        line_ends: np.ndarray,
        known: tuple[np.ndarray, np.ndarray],
        shape: tuple[int, int, int, int],
    ) -> tuple[np.ndarray, np.ndarray]:
        sums = np.zeros((len(line_ends), sum(self.widths)), np.float32)
        counts = np.zeros((len(line_ends), len(self.members), 2), np.int32)
        longest = int(found[:, 3].max(initial=0)) if shape[2] > 0 else 0
        hashes = np.empty((longest + 2) * max(shape[2], 1) + max(shape[3], 1), np.int64)
        kernels.sum_rows(
            text, found, line_ends, *known, self.bucket_sums, self.bucket_rows, shape,
            hashes, sums, counts,
        )  # fmt: skip
        return sums, counts

    def score(self, text: np.ndarray, found: np.ndarray, line_ends: np.ndarray) -> list[Scores]:
        """What each member says of each line."""
        known = (self.word_sums, self.word_counts)
        sums, counts = self._sum(text, found, line_ends, known, self.shape)
        n_words = np.maximum(np.diff(line_ends, prepend=0) - 1, 1)  # without </s>
        scores, column = [], 0
        for place, (_, model) in enumerate(self.members):
            width, total = self.widths[place], counts[:, place, 0]
            means = sums[:, column : column + width] / np.maximum(total, 1)[:, None].astype(float)
            found_probabilities = probabilities_of_logits(model, _logits(model, means))
            found_probabilities[total == 0] = 0.0
            scores.append(Scores(found_probabilities, counts[:, place, 1] / n_words))
            column += width
        return scores


def _is_two_label_softmax(model: FastTextModel) -> bool:
    return model.loss == SOFTMAX and len(model.labels) == 2


def _projected(model: FastTextModel) -> np.ndarray:
    """The input rows, already multiplied by the output rows where that makes them narrower."""
    if _is_two_label_softmax(model):
        output_rows = model.output_rows[1:] - model.output_rows[:1]
    elif len(model.labels) <= model.dim:
        output_rows = model.output_rows
    else:
        return model.input_rows
    projected: np.ndarray = model.input_rows @ output_rows.T
    return projected


def _logits(model: FastTextModel, means: np.ndarray) -> np.ndarray:
    if _is_two_label_softmax(model):
        return np.concatenate([np.zeros_like(means), means], axis=1)
    return means if len(model.labels) <= model.dim else means @ model.output_rows.T.astype(float)


class Predictor:
    """Predictions of several models over the same lines.

    A line holds no newline; a lone surrogate counts as a question mark.
    """

    def __init__(self, models: Sequence[FastTextModel]) -> None:
        announce("the classifiers' kernels: about 10 s", "lmcore.curate.fasttext.kernels.rows")
        self.models = tuple(models)
        self._words = _Words(list(dict.fromkeys(word for model in models for word in model.words)))
        hashing: dict[tuple[object, ...], list[tuple[int, FastTextModel]]] = {}
        for place, model in enumerate(models):
            pruned = None if model.bucket_rows is None else place
            key = (model.n_buckets, model.min_chars, model.max_chars, model.word_ngrams, pruned)
            hashing.setdefault(key, []).append((place, model))
        self._groups = [_Group(members, self._words) for members in hashing.values()]

    def score(self, lines: Sequence[str]) -> tuple[Scores, ...]:
        """What each model says of each line, in the order of the models."""
        parts = [self._score_batch(batch) for batch in _batches(lines)]
        return tuple(
            Scores(
                np.concatenate([part[place].probabilities for part in parts])
                if parts
                else np.zeros((0, len(model.labels))),
                np.concatenate([part[place].known_share for part in parts])
                if parts
                else np.zeros(0),
            )
            for place, model in enumerate(self.models)
        )

    def _score_batch(self, batch: Sequence[bytes]) -> list[Scores]:
        text = _padded(b"\n".join(batch) + b"\n")
        found, line_ends = _find(self._words, text, len(batch))
        scores: dict[int, Scores] = {}
        for group in self._groups:
            members = group.score(text, found, line_ends)
            scores |= {place: each for (place, _), each in zip(group.members, members, strict=True)}
        return [scores[place] for place in range(len(self.models))]


def _batches(lines: Sequence[str]) -> list[list[bytes]]:
    batches: list[list[bytes]] = []
    size = _BATCH_BYTES
    for line in lines:
        encoded = line.encode("utf-8", "replace").replace(b"\n", b" ")
        if size >= _BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(encoded)
        size += len(encoded)
    return batches


def count_character_ngrams(
    lines: Sequence[str], labels: np.ndarray, n_labels: int, shape: tuple[int, int, int]
) -> np.ndarray:
    """How often each bucket's character n-grams stand in lines of each label, [buckets, labels].

    `shape` holds the buckets and the shortest and longest n-gram; labels are int64.
    """
    text, n_lines = _lines_of([line.encode("utf-8", "replace") for line in lines])
    found, line_ends = _find(_Words([]), text, n_lines)
    counts = np.zeros((shape[0], n_labels), np.float32)
    hashes = np.empty((int(found[:, 3].max(initial=0)) + 2) * shape[2], np.int64)
    kernels.count_buckets(text, found, line_ends, labels, (*shape, 1), hashes, counts)
    return counts
