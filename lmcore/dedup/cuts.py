"""What every cut of text gives back, and the two that need no file of their own.

A *cut* takes texts, the most preferred first, and returns them without some of their parts. A text
from which nothing goes comes back as it is, byte for byte. Each part that goes is counted.

Paragraphs (CCNet, Wenzek et al. 2019): one that an earlier text holds, in normal form, goes.
Cost: 20 us a paragraph of 60 words, 9 with kernels; 16 bytes of key a distinct paragraph and what a
set takes for it.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lmcore.dedup.compiled import is_worth_while, normal_forms
from lmcore.dedup.lines import remove_frequent_lines, split_lines

LINE, HOST_LINE, PARAGRAPH, SUBSTRING, NGRAM = (
    "line",
    "host_line",
    "paragraph",
    "substring",
    "ngram",
)
_SHOWN = 200


class RemovedText(NamedTuple):
    """A text that was cut out of documents.

    line: lines as they were compared; of other kinds, the first 200 characters of what went.
    kind: which cut it was: line, host_line, paragraph, substring or ngram.
    host: the host for which a line is too frequent; empty for other kinds.
    n_documents: distinct documents: that held the line, or from which the text was cut.
    n_removed: occurrences that were cut.
    """

    line: str
    kind: str
    host: str
    n_documents: int
    n_removed: int


Cut = tuple[list[str], list[RemovedText]]


def count_removed(kind: str, pieces: Iterable[tuple[int, str]]) -> list[RemovedText]:
    """Returns the rows of pieces (number of the text, what was cut), sorted."""
    n_removed: Counter[str] = Counter()
    documents: defaultdict[str, set[int]] = defaultdict(set)
    for number, piece in pieces:
        shown = piece.strip()[:_SHOWN]
        n_removed[shown] += 1
        documents[shown].add(number)
    return [
        RemovedText(shown, kind, "", len(documents[shown]), n_removed[shown])
        for shown in sorted(n_removed)
    ]


def cut_lines(texts: Sequence[str], *, rule: str, max_documents: int) -> Cut:
    """Removes the lines that too many texts share."""
    kept, lines = remove_frequent_lines(texts, rule=rule, max_documents=max_documents)
    return kept, [RemovedText(row.line, LINE, "", row.n_documents, row.n_removed) for row in lines]


def cut_host_lines(texts: Sequence[str], hosts: Sequence[str], *, max_documents: int) -> Cut:
    """Removes from the texts of each host the lines that too many of them share.

    A text without a host stays as it is.
    """
    kept = list(texts)
    members: defaultdict[str, list[int]] = defaultdict(list)
    for number, host in enumerate(hosts):
        if host:
            members[host].append(number)
    rows = []
    for host, numbers in members.items():
        if len(numbers) <= max_documents:
            continue
        own = [texts[number] for number in numbers]
        shorter, lines = remove_frequent_lines(own, rule="documents", max_documents=max_documents)
        for number, text in zip(numbers, shorter, strict=True):
            kept[number] = text
        rows += [RemovedText(r.line, HOST_LINE, host, r.n_documents, r.n_removed) for r in lines]
    return kept, sorted(rows)


def split_paragraphs(text: str) -> list[str]:
    """Splits behind each run of blank lines; joined, the paragraphs are the text."""
    paragraphs: list[str] = []
    is_over = True
    for line in split_lines(text):
        is_blank = not line.strip()
        if is_over and not is_blank:
            paragraphs.append("")
        if not paragraphs:
            paragraphs.append("")
        paragraphs[-1] += line
        is_over = is_blank
    return paragraphs


def cut_paragraphs(texts: Sequence[str], *, min_words: int) -> Cut:
    """Removes paragraphs of at least so many words that stand, in normal form, earlier."""
    split = [split_paragraphs(text) for text in texts]
    flat = (paragraph for paragraphs in split for paragraph in paragraphs)
    forms = normal_forms(flat, compiled=is_worth_while(texts))
    seen: set[bytes] = set()
    kept, removed = [], []
    for number, paragraphs in enumerate(split):
        staying = []
        for paragraph in paragraphs:
            form = next(forms)
            key = hashlib.blake2b(form, digest_size=16).digest()
            if form.count(b" ") + 1 < min_words or key not in seen:
                seen.add(key)
                staying.append(paragraph)
            else:
                removed.append((number, paragraph))
        kept.append("".join(staying))
    return kept, count_removed(PARAGRAPH, removed)
