"""Sentences to log-probabilities under a back-off model, compiled.

Words that a model does not have are `<unk>`, and so is a special word that stands in a text. Equal to
`lmcore.ngram.reference.ReferenceScorer` to the last bit: the same float32 numbers are added in the same
order. Memory: 32 bytes an n-gram.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from lmcore.kernels.compiling import announce
from lmcore.ngram.backoff import END, SPECIAL_WORDS, UNKNOWN, BackoffModel
from lmcore.ngram.kernels import lookup


class Scorer:
    """A model, loaded."""

    def __init__(self, model: BackoffModel) -> None:
        announce("the n-gram models' kernels: about 3 s", lookup.__name__)
        self._model = model
        n_special = len(SPECIAL_WORDS)
        self._numbers = dict(
            zip(model.words[n_special:], range(n_special, len(model.words)), strict=True)
        )
        n_longer = len(model.contexts) - len(model.words)
        self._table = np.zeros((1 << max(2 * n_longer, 1).bit_length(), 2), np.int64)
        lookup.fill_table(model.contexts, model.last_words, len(model.words), self._table)
        self._histories = np.zeros(model.order, np.int64)

    def log10_probabilities(
        self, sentences: Sequence[Sequence[str]]
    ) -> Float64[np.ndarray, " sentences"]:
        """Return the log10 probability of each sentence, its end included."""
        words: list[int] = []
        ends = np.empty(len(sentences), np.int64)
        known = self._numbers.get
        for place, sentence in enumerate(sentences):
            words += [known(word, UNKNOWN) for word in sentence]
            words.append(END)
            ends[place] = len(words)
        scores = np.zeros(len(sentences))
        lookup.score_sentences(
            np.array(words, np.int32),
            ends,
            self._table,
            self._model.log10_probabilities,
            self._model.log10_backoffs,
            self._histories,
            scores,
        )
        return scores
