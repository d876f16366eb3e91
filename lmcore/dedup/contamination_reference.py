"""What decontamination means, in the plainest words: sets of word tuples.

`find_contamination` must yield the same rows; tests hold the two together. Cost: every item against every
document.
"""

from collections.abc import Iterable, Sequence

from lmcore.dedup.contamination import Contamination, Span, Text
from lmcore.dedup.normalize import normalize
from lmcore.dedup.offsets import word_places
from lmcore.dedup.shingles import words


def find_contamination_reference(
    documents: Iterable[Text], items: Sequence[Text], n_words: Sequence[int]
) -> list[Contamination]:
    """Return a row for each document, n and item that share an n-gram of that length."""
    wanted_of = {
        (item_id, n): set(_ngrams(words(normalize(item)), n))
        for item_id, item in items
        for n in n_words
    }
    rows = []
    for doc_id, text in documents:
        tokens = words(normalize(text))
        places = word_places(text)
        for n in sorted(set(n_words)):
            ngrams = _ngrams(tokens, n)
            for item_id, _ in items:
                wanted = wanted_of[item_id, n]
                found = wanted.intersection(ngrams)
                if found:
                    starts = [at for at, ngram in enumerate(ngrams) if ngram in wanted]
                    covered = {at + offset for at in starts for offset in range(n)}
                    spans = tuple(
                        Span(first, end, places[first][0], places[end - 1][1])
                        for first, end in _runs(covered)
                    )
                    share = len(found) / len(wanted)
                    rows.append(Contamination(doc_id, item_id, n, len(found), share, spans))
    return rows


def _ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[at : at + n]) for at in range(len(tokens) - n + 1)]


def _runs(covered: set[int]) -> list[tuple[int, int]]:
    """Return the runs of consecutive numbers as [first, end)."""
    firsts = sorted(at for at in covered if at - 1 not in covered)
    ends = sorted(at + 1 for at in covered if at + 1 not in covered)
    return list(zip(firsts, ends, strict=True))
