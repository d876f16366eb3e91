"""The slow twin of the n-gram models: counting, smoothing and scoring over dictionaries, as written.

For tests and for reading; 1,000 times slower than `lmcore.ngram.backoff` and its kernels.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from lmcore.ngram.backoff import SPECIAL_WORDS, BackoffModel
from lmcore.ngram.kneser_ney import estimate_discounts

Gram = tuple[str, ...]
UNKNOWN_WORD, START_WORD, END_WORD = SPECIAL_WORDS


class ReferenceModel:
    """Interpolated modified Kneser-Ney over sentences (see `lmcore.ngram.backoff`)."""

    def __init__(self, sentences: Sequence[Sequence[str]], order: int) -> None:
        padded = [(START_WORD, *sentence, END_WORD) for sentence in sentences]
        self._vocabulary = {word for sentence in padded for word in sentence} | {UNKNOWN_WORD}
        longest = min(order, max(map(len, padded)))
        raw = [
            Counter(s[i : i + n] for s in padded for i in range(len(s) - n + 1))
            for n in range(1, longest + 1)
        ]
        self.order = longest
        self.counts = [self._adjust(raw, n) for n in range(longest)]
        self.discounts = [estimate_discounts(np.array([*c.values()])) for c in self.counts]
        self.followers: list[defaultdict[Gram, list[int]]] = []
        for counts in self.counts:
            followers: defaultdict[Gram, list[int]] = defaultdict(list)
            for gram, count in counts.items():
                followers[gram[:-1]].append(count)
            self.followers.append(followers)

    @staticmethod
    def _adjust(raw: Sequence[Counter[Gram]], n: int) -> dict[Gram, int]:
        if n + 1 == len(raw):
            adjusted = dict(raw[n])
        else:
            continued = Counter(longer[1:] for longer in raw[n + 1])
            adjusted = {g: c if g[0] == START_WORD else continued[g] for g, c in raw[n].items()}
        return {gram: count for gram, count in adjusted.items() if gram != (START_WORD,)}

    def _discount(self, n: int, count: int) -> float:
        return self.discounts[n][min(count, 3) - 1] if count else 0.0

    def probability(self, context: Gram, word: str) -> float:
        """Return the probability of a word after the last order - 1 words."""
        context = context[max(len(context) - self.order + 1, 0) :]
        n = len(context)
        lower = self.probability(context[1:], word) if context else 1 / (len(self._vocabulary) - 1)
        followers = self.followers[n].get(context, [])
        total = sum(followers)
        if not total:
            return lower
        count = self.counts[n].get((*context, word), 0)
        gamma = sum(self._discount(n, follower) for follower in followers) / total
        return (count - self._discount(n, count)) / total + gamma * lower

    def log10_probability(self, sentence: Sequence[str]) -> float:
        """Return the log10 probability of a sentence and its end."""
        known = [word if word in self._vocabulary else UNKNOWN_WORD for word in sentence]
        words = (START_WORD, *known, END_WORD)
        return sum(math.log10(self.probability(words[:i], words[i])) for i in range(1, len(words)))


class ReferenceScorer:
    """A back-off model as a dictionary of n-grams, asked as ARPA files are defined."""

    def __init__(self, model: BackoffModel) -> None:
        grams: list[Gram] = []
        for context, word in zip(model.contexts.tolist(), model.last_words.tolist(), strict=True):
            grams.append((*(grams[context] if context >= 0 else ()), model.words[word]))
        logs = zip(model.log10_probabilities.tolist(), model.log10_backoffs.tolist(), strict=True)
        self._entries: dict[Gram, tuple[float, float]] = dict(zip(grams, logs, strict=True))
        self._order = model.order

    def log10_probability(self, sentence: Sequence[str]) -> float:
        """Return the log10 probability of a sentence and its end."""
        known = [
            word if (word,) in self._entries and word not in SPECIAL_WORDS else UNKNOWN_WORD
            for word in sentence
        ]
        words = (START_WORD, *known, END_WORD)
        total = 0.0
        for i in range(1, len(words)):
            total += self._of_word(words[max(i - self._order + 1, 0) : i], words[i])
        return total

    def _of_word(self, context: Gram, word: str) -> float:
        backoff = 0.0
        while (*context, word) not in self._entries:
            backoff += self._entries.get(context, (0.0, 0.0))[1]
            context = context[1:]
        return self._entries[*context, word][0] + backoff
