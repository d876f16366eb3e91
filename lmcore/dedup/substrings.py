"""Cuts out what stands, word for word, in an earlier text: runs of 50 words and more.

Lee et al. 2022, Deduplicating Training Data Makes Language Models Better. Words are those of
`lmcore.dedup.shingles`, so case, accents and punctuation do not count and characters of unspaced
scripts are words. A window of n words goes where the same window stands earlier, wholly before it
(so "la la la ..." keeps its first n words); what goes is the union of such windows. Every word that
goes stands in a window that stands earlier, too, so the first occurrence of everything stays.

Two ways to one result. `marks_in_python` remembers every window in a dict, 4 bytes a word of each.
The kernels sort a suffix array by prefix doubling (Manber & Myers 1993), and stop at n words, for
what lies deeper decides nothing: log2(n) + 1 rounds of two counting sorts, O(N log n) for N words.

Cost: 1.9 us a word in Python, 1.6 with kernels, of which splitting words takes 0.9. Beside the words,
windows of 50 words take 200 bytes and a dict's entry each in Python, and 24 bytes with kernels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lmcore.dedup.compiled import announce_substrings, is_worth_while
from lmcore.dedup.cuts import SUBSTRING, Cut, count_removed
from lmcore.dedup.normalize import normalize
from lmcore.dedup.offsets import word_places
from lmcore.dedup.shingles import words
from lmcore.errors import InputError

_MOST_WORDS = (1 << 31) - 2
Marks = NDArray[np.bool_]


def cut_substrings(texts: Sequence[str], *, n_words: int, compiled: bool | None = None) -> Cut:
    """Removes the runs of at least n words that stand earlier."""
    if compiled is None:
        compiled = is_worth_while(texts)
    documents = _numbered(texts)
    marks = (_marks_with_kernels if compiled else marks_in_python)(documents, n_words)
    kept, removed = [], []
    for number, (text, goes) in enumerate(zip(texts, marks, strict=True)):
        if goes.any():
            text, pieces = _without(text, goes)  # noqa: PLW2901 - from here on it is shorter
            removed += [(number, piece) for piece in pieces]
        kept.append(text)
    return kept, count_removed(SUBSTRING, removed)


def _numbered(texts: Sequence[str]) -> list[NDArray[np.int32]]:
    """Returns each text's words as numbers from 1, in the order in which they are met."""
    known: dict[str, int] = {}
    return [
        np.array([known.setdefault(w, len(known) + 1) for w in words(normalize(text))], np.int32)
        for text in texts
    ]


def marks_in_python(documents: Sequence[NDArray[np.int32]], n_words: int) -> list[Marks]:
    """Returns which words of each document go: the rule itself."""
    first: dict[bytes, int] = {}
    marks, base = [], 0
    for document in documents:
        goes = np.zeros(len(document), np.bool_)
        for start in range(len(document) - n_words + 1):
            window = document[start : start + n_words].tobytes()
            if first.setdefault(window, base + start) + n_words <= base + start:
                goes[start : start + n_words] = True
        marks.append(goes)
        base += len(document)
    return marks


def _marks_with_kernels(documents: Sequence[NDArray[np.int32]], n_words: int) -> list[Marks]:
    """The same, by a suffix array."""
    lengths = [len(document) for document in documents]
    n = sum(lengths)
    if n > _MOST_WORDS:
        raise InputError(
            f"found {n:,d} words, expected at most {_MOST_WORDS:,d} in one search for repeated "
            "runs; deduplicate the crawl in parts, or set substring_words = 0"
        )
    announce_substrings()
    from lmcore.dedup.kernels import suffixes  # loads kernels

    tokens = np.concatenate([np.empty(0, np.int32), *documents])
    ends = np.repeat(np.cumsum(lengths), lengths).astype(np.int32)
    ranks, suffix_array = suffix_order(tokens, ends, n_words)
    goes = np.zeros(n, np.uint8)
    suffixes.mark_repeated_windows(ranks, suffix_array, ends, n_words, goes)
    return np.split(goes.astype(np.bool_), np.cumsum(lengths)[:-1]) if lengths else []


def suffix_order(
    tokens: NDArray[np.int32], ends: NDArray[np.int32], depth: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Sorts suffixes by their first `depth` words, which end where their document does.

    tokens: words as numbers from 1, document after document.
    ends: for each word, the end of its document.
    Returns the rank of each suffix, equal where they agree so far, and the suffixes in order,
    ascending where ranks are equal.
    """
    from lmcore.dedup.kernels import suffixes  # loads kernels

    n = len(tokens)
    ranks, suffix_array = tokens.copy(), np.arange(n, dtype=np.int32)
    room, fresh = np.empty(n, np.int32), np.empty(n, np.int32)
    counts = np.empty(max(n, int(tokens.max(initial=0))) + 2, np.int32)
    reached, step = 1, 0
    while True:  # the first round, of step 0, sorts by the words themselves
        suffixes.sort_by_ranks(ranks, ends, step, suffix_array, room, counts)
        suffixes.rank_anew(ranks, ends, step, suffix_array, fresh)
        ranks, fresh = fresh, ranks
        reached += step
        if reached >= depth:
            return ranks, suffix_array
        step = min(reached, depth - reached)


def _without(text: str, goes: Marks) -> tuple[str, list[str]]:
    """Returns a text without some of its words and what follows them, and the pieces that went."""
    places = word_places(text)
    edges = np.flatnonzero(np.diff(goes, prepend=False, append=False)).reshape(-1, 2).tolist()
    kept, removed, at = [], [], 0
    for first, last in edges:
        # words of one cluster share its place: the one that stays keeps it
        start = max(places[first][0], places[first - 1][1] if first else 0)
        stop = places[last][0] if last < len(places) else len(text)
        if stop <= start:
            continue
        kept.append(text[at:start])
        removed.append(text[start:stop])
        if start and stop < len(text) and not text[start - 1].isspace():
            kept.append(" ")  # what stood apart stays apart
        at = stop
    return "".join([*kept, text[at:]]), removed
