"""Finds what documents hold of evaluation items: shared word n-grams, with the spans they cover.

Brown et al. 2020 (GPT-3, appendix C) look for 13 words in a row that a document shares with an item,
Chowdhery et al. 2022 (PaLM) for 8. Both texts are compared in the normal form of deduplication, so case,
accents, punctuation and spacing hide nothing, and scripts without spaces are compared by character.

An item that is shorter than an n-gram cannot be checked with it: it is named in `uncheckable`, never
counted as clean.

The search is a join of hashes, exact in the end: the words of the items are numbered, a document becomes
the numbers of its words, windows with a word that no item has are left out, the others are hashed and
looked up, and what is found is compared number by number. A collision of hashes costs a comparison and
is never a match.

Memory: 40 bytes for each n-gram of the items and each n, 4 for each of their words, about 100 for each
distinct word; of the documents, one at a time. Cost, on one busy core: 40,430 items of twelve evaluation
sets (4.4 million n-grams of 13 and 8 words) are indexed in 7 s and searched in 800,000 words of web pages
a second, a third of it spent on the normal form.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt

from lmcore.dedup.normalize import normalize
from lmcore.dedup.offsets import Place, word_places
from lmcore.dedup.shingles import words
from lmcore.errors import ConfigError, InputError

N_WORDS: Final = (13, 8)
"""Lengths of n-gram in use: GPT-3's and PaLM's."""

_UNKNOWN = -1
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, so multiplying mod 2^64 is a bijection
_SLOTS_PER_NGRAM = 4
"""at least: at most 1 in 4 of the windows that match nothing passes on to the binary search"""

Text = tuple[str, str]
"""An id and a text."""


class Span(NamedTuple):
    """A run of a document's words that an item's n-grams cover: [first, end) in words and characters."""

    first_word: int
    end_word: int
    first_char: int
    end_char: int


class Contamination(NamedTuple):
    """What one document holds of one item: distinct n-grams, their share of the item's, and where."""

    doc_id: str
    item_id: str
    n: int
    n_found: int
    share: float
    spans: tuple[Span, ...]


class Uncheckable(NamedTuple):
    """An item with fewer words than an n-gram."""

    item_id: str
    n: int
    n_words: int


@dataclass(frozen=True, slots=True)
class _NgramTable:
    """The distinct n-grams of all items for one n, by hash, and the items that hold each."""

    n: int
    hashes: UInt[np.ndarray, " ngrams"]
    """ascending; equal only where hashes collide"""
    starts: Int[np.ndarray, " ngrams"]
    """where each stands in the words of all items"""
    cuts: Int[np.ndarray, " ngrams+1"]
    """n-gram g is held by items[cuts[g] : cuts[g + 1]]"""
    items: Int[np.ndarray, " holdings"]
    counts: Int[np.ndarray, " items"]
    """distinct n-grams of each item"""
    is_possible: Bool[np.ndarray, " slots"]
    """whether some n-gram's hash ends in these bits"""


@dataclass(frozen=True, slots=True)
class ItemIndex:
    """Evaluation items, made ready to be found in any number of documents."""

    item_ids: tuple[str, ...]
    vocabulary: Mapping[str, int]
    words: Int[np.ndarray, " words"]
    """numbers of the words of all items, one after the other"""
    tables: tuple[_NgramTable, ...]
    """shortest n-grams first"""
    uncheckable: tuple[Uncheckable, ...]
    """in the order of the items, longest n-grams first"""


def index_items(items: Iterable[Text], n_words: Sequence[int] = N_WORDS) -> ItemIndex:
    """Index items by their n-grams of each length.

    Raises:
        ConfigError: where no length is given, or one below 1.
        InputError: where two items share an id.
    """
    lengths = sorted(set(n_words))
    if not lengths or lengths[0] < 1:
        raise ConfigError(
            f"found n-grams of {list(n_words)} words; expected lengths of at least 1; 13 and 8 are usual"
        )
    vocabulary: dict[str, int] = {}
    numbers: dict[str, Int[np.ndarray, " words"]] = {}
    for item_id, text in items:
        if item_id in numbers:
            raise InputError(
                f"found two items with the id {item_id!r}; expected distinct ids; "
                "put the name of the set before them"
            )
        tokens = words(normalize(text))
        found = [vocabulary.setdefault(token, len(vocabulary)) for token in tokens]
        numbers[item_id] = np.array(found, dtype=np.int32)
    everything = np.concatenate([np.empty(0, np.int32), *numbers.values()])
    uncheckable = [
        Uncheckable(item_id, n, len(own))
        for item_id, own in numbers.items()
        for n in reversed(lengths)
        if len(own) < n
    ]
    tables = tuple(_table(list(numbers.values()), everything, n) for n in lengths)
    return ItemIndex(tuple(numbers), vocabulary, everything, tables, tuple(uncheckable))


def _table(
    items: Sequence[Int[np.ndarray, " _"]], everything: Int[np.ndarray, " words"], n: int
) -> _NgramTable:
    starts: list[int] = []
    counts = np.zeros(len(items), dtype=np.int64)
    base = 0
    for item, own in enumerate(items):
        content, width = own.tobytes(), own.itemsize
        firsts: dict[bytes, int] = {}
        for at in range(len(own) - n + 1):
            firsts.setdefault(content[at * width : (at + n) * width], base + at)
        starts += firsts.values()
        counts[item] = len(firsts)
        base += len(own)
    owners = np.repeat(np.arange(len(items), dtype=np.int32), counts)
    begins = np.array(starts, dtype=np.int64)
    hashes = _hash_windows(everything, n)[begins]
    order = np.argsort(hashes, kind="stable")
    hashes, begins, owners = hashes[order], begins[order], owners[order]
    firsts_of = np.flatnonzero(_differ_from_last(hashes, begins, everything, n))
    n_slots = 1 << (_SLOTS_PER_NGRAM * len(firsts_of)).bit_length()
    is_possible = np.zeros(n_slots, dtype=np.bool_)
    is_possible[hashes & np.uint64(n_slots - 1)] = True
    cuts = np.append(firsts_of, len(owners))
    return _NgramTable(n, hashes[firsts_of], begins[firsts_of], cuts, owners, counts, is_possible)


def _differ_from_last(
    hashes: UInt[np.ndarray, " holdings"],
    begins: Int[np.ndarray, " holdings"],
    everything: Int[np.ndarray, " words"],
    n: int,
) -> Bool[np.ndarray, " holdings"]:
    """Return which n-grams, sorted by hash, are other words than the one before."""
    differs = np.ones(len(hashes), dtype=np.bool_)
    differs[1:] = hashes[1:] != hashes[:-1]
    for offset in range(n):
        numbers = everything[begins + offset]
        differs[1:] |= numbers[1:] != numbers[:-1]
    return differs


def _hash_windows(numbers: Int[np.ndarray, " words"], n: int) -> UInt[np.ndarray, " windows"]:
    """Return the hash of each n numbers in a row; none where there are fewer."""
    mixed = (numbers.astype(np.uint64) + np.uint64(1)) * _MULTIPLIER
    mixed ^= mixed >> np.uint64(32)
    n_windows = max(len(numbers) - n + 1, 0)
    hashes = np.zeros(n_windows, dtype=np.uint64)
    for offset in range(n):
        hashes = hashes * _MULTIPLIER + mixed[offset : offset + n_windows]
    return hashes ^ (hashes >> np.uint64(29))


def find_contamination(documents: Iterable[Text], index: ItemIndex) -> Iterator[Contamination]:
    """Yield a row for each document, n and item that share an n-gram of that length.

    Documents come in their order, each with its shortest n-grams first, items in theirs.
    """
    for doc_id, text in documents:
        yield from _find_in_document(doc_id, text, index)


def _find_in_document(doc_id: str, text: str, index: ItemIndex) -> Iterator[Contamination]:
    known = index.vocabulary
    tokens = words(normalize(text))
    numbers = np.array([known.get(token, _UNKNOWN) for token in tokens], dtype=np.int32)
    places: list[Place] = []
    for table in index.tables:
        starts_of = _matches(numbers, index.words, table)
        if not starts_of:
            return  # a longer n-gram of an item holds a shorter one of it
        places = places or word_places(text)
        ngrams_of: dict[int, list[int]] = {}
        for ngram in starts_of:
            for item in table.items[table.cuts[ngram] : table.cuts[ngram + 1]].tolist():
                ngrams_of.setdefault(item, []).append(ngram)
        for item, ngrams in sorted(ngrams_of.items()):
            starts = sorted(start for ngram in ngrams for start in starts_of[ngram])
            spans = tuple(
                Span(first, end, places[first][0], places[end - 1][1])
                for first, end in _merged(starts, table.n)
            )
            share = len(ngrams) / int(table.counts[item])
            item_id = index.item_ids[item]
            yield Contamination(doc_id, item_id, table.n, len(ngrams), share, spans)


def _matches(
    numbers: Int[np.ndarray, " words"],
    item_words: Int[np.ndarray, " item_words"],
    table: _NgramTable,
) -> dict[int, list[int]]:
    """Return the n-grams of the table that a document holds, and where in it they start."""
    n = table.n
    n_unknown = np.concatenate([[0], np.cumsum(numbers == _UNKNOWN)])
    starts = np.flatnonzero(n_unknown[n:] == n_unknown[:-n])
    if not len(starts):
        return {}
    hashes = _hash_windows(numbers, n)[starts]
    is_possible = table.is_possible[hashes & np.uint64(len(table.is_possible) - 1)]
    starts, hashes = starts[is_possible], hashes[is_possible]
    first = np.searchsorted(table.hashes, hashes, side="left")
    end = np.searchsorted(table.hashes, hashes, side="right")
    found: dict[int, list[int]] = {}
    for start, low, high in zip(starts.tolist(), first.tolist(), end.tolist(), strict=True):
        for ngram in range(low, high):
            there = int(table.starts[ngram])
            if np.array_equal(numbers[start : start + n], item_words[there : there + n]):
                found.setdefault(ngram, []).append(start)
    return found


def _merged(starts: Sequence[int], n: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of words that n-grams at ascending starts cover, touching ones as one."""
    first, end = starts[0], starts[0] + n
    for start in starts[1:]:
        if start > end:
            yield first, end
            first = start
        end = start + n
    yield first, end
