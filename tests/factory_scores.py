"""Scores of documents that every rule of curation passes, and documents near its thresholds."""

import random
from collections.abc import Mapping

from warehouse.schemas import TABLES

_ZERO: Mapping[str, object] = {"text": "", "int": 0, "float": 0.0, "bool": False}
_GOOD: Mapping[str, object] = {
    "doc_id": "good",
    "language": "en",
    "language_score": 0.99,
    "quality": 0.99,
    "style": 0.99,
    "educational": None,
    "hate": None,
    "nsfw": None,
    "reference": None,
    "perplexity": None,
    "n_chars": 6000,
    "n_lines": 50,
    "n_words": 1000,
    "mean_word_length": 5.0,
    "alphabetic_words": 0.99,
    "n_stop_words": 90,
    "n_stop_word_occurrences": 900,
    "n_sentences": 90,
    "terminal_punctuation_lines": 0.99,
}


def passing(**given: object) -> dict[str, object]:
    """A row of scores that no rule rejects, but for the values given."""
    empty = {column.name: _ZERO[column.type] for column in TABLES["scores"].columns}
    return {**empty, **_GOOD, **given}


def near_thresholds(doc_id: str, chance: random.Random) -> dict[str, object]:
    """A row of scores that one or two rules may reject, under other thresholds others."""
    drawn = {
        "language": chance.choice(["en", "de", "zh"]),
        "language_score": chance.choice([0.65, chance.uniform(0.4, 1.0)]),
        "n_words": chance.randrange(30, 90),
        "mean_word_length": chance.uniform(2.5, 11.0),
        "duplicate_lines": chance.uniform(0.0, 0.4),
        "top_3gram_chars": chance.uniform(0.0, 0.25),
        "duplicate_10gram_chars": chance.choice([0.10, chance.uniform(0.0, 0.2)]),
        "n_stop_words": chance.choice([-1, 0, 1, 2, 3]),
        "has_curly_bracket": chance.random() < 0.3,
        "n_sentences": chance.randrange(2, 9),
        "toxicity": chance.uniform(0.0, 1.0),
        "hate": chance.choice([None, chance.uniform(0.0, 1.0)]),
        "quality": chance.choice([0.2, chance.uniform(0.0, 1.0)]),
        "perplexity": chance.choice([None, chance.uniform(50.0, 2000.0)]),
    }
    moved = chance.sample(sorted(drawn), chance.randrange(4))
    return passing(doc_id=doc_id, **{name: drawn[name] for name in moved})
