"""fastText's prediction in plain Python: the definition that the compiled one must equal.

A line's features are its words, their character n-grams, and hashed word n-grams; the mean of their
rows times the output matrix gives the logits. Hashes are FNV-1a over *signed* bytes, so a byte above
127 flips the upper 24 bits, and word n-grams multiply the hashes as signed 32-bit numbers: files are
defined by both. 2 ms for a page of 400 words.
"""

import numpy as np

from lmcore.curate.fasttext.format import LABEL_PREFIX, SEPARATORS, FastTextModel
from lmcore.curate.fasttext.losses import probabilities_of_means

END_OF_LINE = b"</s>"
_WORD_FACTOR = 116049371
_TO_BLANK = bytes.maketrans(SEPARATORS, b" " * len(SEPARATORS))


def hash_bytes(word: bytes) -> int:
    """FNV-1a, 32 bits, over signed bytes."""
    value = 2166136261
    for byte in word:
        signed = byte | 0xFFFFFF00 if byte >= 128 else byte
        value = (value ^ signed) * 16777619 & 0xFFFFFFFF
    return value


def character_ngrams(word: bytes, min_chars: int, max_chars: int) -> list[bytes]:
    """The n-grams of `<word>` in fastText's order; the bare `<` and `>` are none."""
    text = b"<" + word + b">"
    starts = [i for i, byte in enumerate(text) if byte & 0xC0 != 0x80]
    ends = [*starts[1:], len(text)]
    found = []
    for i in range(len(starts)):
        for n in range(1, min(max_chars, len(starts) - i) + 1):
            is_edge = n == 1 and (starts[i] == 0 or ends[i] == len(text))
            if n >= min_chars and not is_edge:
                found.append(text[starts[i] : ends[i + n - 1]])
    return found


def words_of_line(line: bytes) -> list[bytes]:
    """The words that fastText sees: labels are skipped, and a literal `</s>` ends the line."""
    words = line.translate(_TO_BLANK).split(b" ")
    known = [word for word in words if word and not word.startswith(LABEL_PREFIX.encode())]
    stop = known.index(END_OF_LINE) if END_OF_LINE in known else len(known)
    return [*known[:stop], END_OF_LINE]


class ReferencePredictor:
    """One model's predictions, the slow way."""

    def __init__(self, model: FastTextModel) -> None:
        self._model = model
        self._ids = {word: i for i, word in enumerate(model.words)}

    def rows_of_line(self, line: str) -> list[int]:
        """The rows of the input matrix that a line's mean is taken over."""
        words = words_of_line(line.encode("utf-8", "replace"))
        rows: list[int] = []
        for word in words:
            if word in self._ids:
                rows.append(self._ids[word])
            if word != END_OF_LINE:
                ngrams = character_ngrams(word, self._model.min_chars, self._model.max_chars)
                rows += self._bucket_rows([hash_bytes(ngram) for ngram in ngrams])
        hashes = [hash_bytes(word) for word in words]
        signed = [value - (1 << 32) if value >= 1 << 31 else value for value in hashes]
        for i in range(len(signed)):
            combined = signed[i]
            for following in signed[i + 1 : i + self._model.word_ngrams]:
                combined = (combined * _WORD_FACTOR + following) % (1 << 64)
                rows += self._bucket_rows([combined])
        return rows

    def _bucket_rows(self, hashes: list[int]) -> list[int]:
        model = self._model
        rows = [value % model.n_buckets for value in hashes]
        if model.bucket_rows is not None:
            rows = [int(model.bucket_rows[row]) for row in rows]
        return [len(model.words) + row for row in rows if row >= 0]

    def probabilities(self, line: str) -> np.ndarray:
        """The probability of each label; zeros where the line has no feature."""
        rows = self.rows_of_line(line)
        if not rows:
            return np.zeros(len(self._model.labels))
        mean = self._model.input_rows[rows].astype(np.float64).mean(axis=0)
        found: np.ndarray = probabilities_of_means(self._model, mean[None, :])[0]
        return found
