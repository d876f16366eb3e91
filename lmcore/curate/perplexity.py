"""How surprising a page is to an n-gram model of good text in its language, as CCNet asks it.

CCNet (arXiv 1911.00359, section 3.3) trains a 5-gram Kneser-Ney model a language on Wikipedia and splits
crawled pages by their perplexity into head, middle and tail. Here a model is made of the reference texts
that a run names: of files with `perplexity` in their name (columns text and, optionally, language), else
of the positives of the label set `reference`, else of those of `quality`; or it comes as an ARPA file.

A line is a sentence. As in CCNet it is lower-cased, its digits become 0 and marks at the edges of words go;
words are split as the rules split them, so that Chinese and Thai have words, too. The perplexity is that
of all words and line ends, unknown words included:  10 ** (-log10 p / (words + lines)). CCNet's units are
SentencePiece's, so its numbers are smaller; the buckets compare pages of one language with one another.

A page in a language without a model has no perplexity. Texts are taken in the order of their hashes, and
counting knows no order: equal references give equal bytes.
Measured on one core of a 2-core x86 box: 0.37 ms for a page of 400 words, half of it splitting.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from lmcore.curate.config import CurateConfig
from lmcore.curate.labels import LabelledText
from lmcore.curate.language import Detector
from lmcore.curate.words import EDGE_PUNCTUATION, split_words
from lmcore.errors import InputError
from lmcore.ngram.arpa import SUFFIXES, read_arpa
from lmcore.ngram.backoff import BackoffModel, estimate, load, save
from lmcore.ngram.scorer import Scorer

DESCRIPTION: Final = "perplexity.json"

_FILES: Final = "perplexity"
"""Part of the name of a file of reference texts."""
_PREFIX: Final = "ngrams_"
_LEAST_SCORE: Final = 0.5
"""A reference text whose language is less certain teaches none."""
_QUANTILES: Final = (0.1, 1 / 3, 0.5, 2 / 3, 0.9)
_DIGITS: Final = str.maketrans("0123456789", "0000000000")
_EDGES: Final = EDGE_PUNCTUATION + "<>|/\\*_#=~-\u2013\u2014"


class ReferenceText(NamedTuple):
    """A text of a language that models are made of, or held out from them."""

    text: str
    language: str
    """Empty where it is to be detected."""
    is_test: bool


def sentences_of(text: str) -> list[list[str]]:
    """The words of each line that has any, as the models know them."""
    found = []
    for line in text.lower().translate(_DIGITS).split("\n"):
        words = [word for part in split_words(line) if (word := part.strip(_EDGES))]
        if words:
            found.append(words)
    return found


def read_reference(
    files: Sequence[Path], labelled: Mapping[str, Sequence[LabelledText]], test_fraction: float
) -> list[ReferenceText]:
    """The reference texts of a run, by its files' names or by its label sets.

    Raises:
        InputError: a file with `perplexity` in its name is no Parquet file with a column text.
    """
    named = [path for path in files if _FILES in path.stem]
    if not named:
        texts = labelled.get("reference") or labelled["quality"]
        return [ReferenceText(text.text, "", text.is_test) for text in texts if text.label == 1]
    found: dict[str, ReferenceText] = {}
    for path in named:
        for text, language in _rows(path):
            share = int.from_bytes(hashlib.sha256(f"split\0{text}".encode()).digest()[:4], "big")
            is_test = share < test_fraction * 2**32
            found.setdefault(text, ReferenceText(text, language, is_test))
    return list(found.values())


def _rows(path: Path) -> Iterator[tuple[str, str]]:
    try:
        names = pq.read_schema(path).names
        columns = ["text", *(name for name in ("language",) if name in names)]
        rows = pq.read_table(path, columns=columns).to_pylist()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"found {path.name}, which is no readable Parquet file with the column text ({error});"
            " expected texts to take perplexities from: repair it or rename it"
        ) from error
    for row in rows:
        if row["text"] and row["text"].strip():
            yield str(row["text"]).encode("utf-8", "replace").decode(), row.get("language") or ""


def train_models(
    texts: Sequence[ReferenceText], detect: Detector, out_dir: Path, config: CurateConfig
) -> dict[str, dict[str, Any]]:  # JSON
    """Make a model of each language with words enough; returns, and writes, what each is made of."""
    described = {}
    for language, members in _by_language(texts, detect):
        taught = _limited([t for t in members if not t.is_test], config.perplexity_max_words)
        sentences = [sentence for text in taught for sentence in sentences_of(text.text)]
        n_words = sum(map(len, sentences))
        if not n_words or n_words < config.perplexity_min_words:
            continue
        model = estimate(sentences, config.perplexity_order)
        save(model, out_dir / f"{_PREFIX}{language}.parquet")
        held_out = [text.text for text in members if text.is_test]
        found = [p for p in _perplexities(Scorer(model), held_out) if p is not None]
        quantiles = np.quantile(found, _QUANTILES).tolist() if found else [None] * len(_QUANTILES)
        described[language] = {
            "n_texts": len(taught),
            "n_words": n_words,
            "n_ngrams": len(model.contexts),
            "n_held_out": len(found),
            "held_out_quantiles": quantiles,
        }
    content = json.dumps(described, indent=1, sort_keys=True) + "\n"
    (out_dir / DESCRIPTION).write_text(content, encoding="utf-8")
    return described


def _by_language(
    texts: Sequence[ReferenceText], detect: Detector
) -> Iterator[tuple[str, list[ReferenceText]]]:
    """Yield each language with its texts in the order of their hashes."""
    keyed = []
    for text in texts:
        language, score = (text.language, 1.0) if text.language else detect(text.text)
        if score >= _LEAST_SCORE and language.isalnum():
            digest = hashlib.sha256(text.text.encode("utf-8", "replace")).digest()
            keyed.append((language, digest, text))
    for language, members in groupby(sorted(keyed), key=lambda member: member[0]):
        yield language, [text for _, _, text in members]


def _limited(texts: Sequence[ReferenceText], max_words: int) -> list[ReferenceText]:
    """The first texts that hold so many words at most."""
    chosen: list[ReferenceText] = []
    n_words = 0
    for text in texts:
        n_words += len(text.text.split())
        if n_words > max_words and chosen:
            break
        chosen.append(text)
    return chosen


def _perplexities(scorer: Scorer, texts: Sequence[str]) -> list[float | None]:
    """The perplexity of each text, None for one without words."""
    split = [sentences_of(text) for text in texts]
    scores = scorer.log10_probabilities([sentence for text in split for sentence in text])
    found: list[float | None] = []
    start = 0
    for text in split:
        end = start + len(text)
        n_units = sum(map(len, text)) + len(text)
        found.append(10.0 ** (-float(scores[start:end].sum()) / n_units) if n_units else None)
        start = end
    return found


class PerplexityModels:
    """The models of a run, each loaded when a page first needs it."""

    def __init__(self, models_dir: Path, arpa: Sequence[Path] = ()) -> None:
        trained = {path.stem.removeprefix(_PREFIX): path for path in _trained(models_dir)}
        self._files = trained | {_language_of(path): path for path in arpa}
        self._scorers: dict[str, Scorer] = {}

    def perplexities(self, texts: Sequence[str], languages: Sequence[str]) -> list[float | None]:
        """The perplexity of each text in its language; None without a model or without words."""
        found: list[float | None] = [None] * len(texts)
        for language in sorted(set(languages) & set(self._files)):
            places = [place for place, name in enumerate(languages) if name == language]
            values = _perplexities(self._scorer(language), [texts[place] for place in places])
            for place, value in zip(places, values, strict=True):
                found[place] = value
        return found

    def _scorer(self, language: str) -> Scorer:
        if language not in self._scorers:
            self._scorers[language] = Scorer(_read(self._files[language]))
        return self._scorers[language]


def _trained(models_dir: Path) -> list[Path]:
    return sorted(models_dir.glob(f"{_PREFIX}*.parquet"))


def _language_of(path: Path) -> str:
    """The language that an ARPA file is named after.

    Raises:
        InputError: it is not named so.
    """
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
    if suffix is None:
        raise InputError(
            f"found {path.name} among curate.perplexity_models; expected ARPA files such as en.arpa or"
            " en.arpa.gz: rename it or name other files"
        )
    return path.name.removesuffix(suffix).rsplit(".", 1)[-1]


def _read(path: Path) -> BackoffModel:
    return load(path) if path.name.startswith(_PREFIX) else read_arpa(path)
