"""Planted items are found, all of them and no others; the fast search and the plain one agree."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmcore.dedup import contamination
from lmcore.dedup.contamination import Span, Uncheckable, find_contamination, index_items
from lmcore.dedup.contamination_reference import find_contamination_reference
from lmcore.dedup.normalize import normalize
from lmcore.dedup.shingles import words
from lmcore.errors import ConfigError, InputError

VOCABULARY = ["the", "Of", "x-y", "don't", "Café", "東京", "ที่", "1,000", "!", "a\u00adb"]
TEXTS = st.lists(st.sampled_from(VOCABULARY), max_size=25).map(" ".join)


def find(documents, items, n_words=(13, 8)):
    return list(find_contamination(documents, index_items(items, n_words)))


def named(texts, prefix):
    return [(f"{prefix}{at}", text) for at, text in enumerate(texts)]


@given(
    st.lists(TEXTS, max_size=4).map(lambda texts: named(texts, "document ")),
    st.lists(TEXTS, max_size=5).map(lambda texts: named(texts, "item ")),
    st.sampled_from([(2,), (3, 2), (1,), (5, 3, 2)]),
)
def test_search_agrees_with_the_reference(documents, items, n_words):
    assert find(documents, items, n_words) == find_contamination_reference(
        documents, items, n_words
    )


def test_search_with_hashes_that_collide_agrees_with_the_reference(monkeypatch):
    chance = random.Random(1)
    items = named([" ".join(chance.choices(VOCABULARY, k=12)) for _ in range(12)], "item ")
    documents = named([" ".join(chance.choices(VOCABULARY, k=40)) for _ in range(5)], "document ")
    expected = find_contamination_reference(documents, items, (3, 2))
    assert len(expected) > 50
    hashed = contamination._hash_windows
    for mask in (0, 1, 7):
        monkeypatch.setattr(
            contamination, "_hash_windows", lambda a, n, m=mask: hashed(a, n) & np.uint64(m)
        )
        assert find(documents, items, (3, 2)) == expected


class Planted:
    """Items of rare words, and documents that hold some of them, whole or in part, in disguise."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.items = [(f"item {at}", self.words(30)) for at in range(60)]
        self.documents = []
        self.truth = {13: set(), 8: set()}
        for at in range(100):
            text = self.words(self.chance.randrange(200))
            for item_id, item in self.chance.sample(self.items, self.chance.choice([0, 0, 1, 2])):
                n_words = self.chance.choice([7, 8, 12, 13, 20, 30])
                start = self.chance.randrange(31 - n_words)
                part = item.split()[start : start + n_words]
                text = f"{text} {self.disguise(part)} {self.words(5)}"
                for n, found in self.truth.items():
                    if n_words >= n:
                        found.add((f"document {at}", item_id))
            self.documents.append((f"document {at}", text))

    def words(self, n):
        return " ".join(f"w{self.chance.randrange(10**9)}" for _ in range(n))

    def disguise(self, part):
        between = self.chance.choice([" ", ", ", "\n\n", " -- ", "\u00a0"])
        letters = self.chance.choice([str.upper, str.lower, str.title])
        return letters(between.join(part))


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_items_are_found_with_recall_and_precision_of_one(seed):
    planted = Planted(seed)
    rows = find(planted.documents, planted.items)
    for n, truth in planted.truth.items():
        assert {(row.doc_id, row.item_id) for row in rows if row.n == n} == truth
        assert len(truth) > 20
    assert rows == find_contamination_reference(planted.documents, planted.items, (13, 8))


def test_row_states_ngrams_found_share_and_spans():
    item = "one two three four five six"
    text = "Zero. One, TWO three -- four! Nothing else. Three four FIVE; six."
    (row,) = find([("d", text)], [("i", item)], (3,))
    assert (row.doc_id, row.item_id, row.n, row.n_found, row.share) == ("d", "i", 3, 4, 1.0)
    assert row.spans == (Span(1, 5, 6, 28), Span(7, 11, 44, 64))
    assert [text[span.first_char : span.end_char] for span in row.spans] == [
        "One, TWO three -- four",
        "Three four FIVE; six",
    ]
    (row,) = find([("d", "four five six seven")], [("i", item)], (3,))
    assert (row.n_found, row.share) == (1, 0.25)


def test_share_counts_distinct_ngrams():
    (row,) = find([("d", "a b a b a b a b")], [("i", "a b a b a c")], (2,))
    assert (row.n_found, row.share) == (2, pytest.approx(2 / 3))
    assert row.spans == (Span(0, 8, 0, 15),)


def test_spans_hold_the_words_that_were_found():
    chance = random.Random(3)
    items = named([" ".join(chance.choices(VOCABULARY, k=9)) for _ in range(30)], "item ")
    documents = dict(
        named([" ".join(chance.choices(VOCABULARY, k=80)) for _ in range(10)], "document ")
    )
    rows = find(documents.items(), items, (4,))
    assert len(rows) > 30
    for row in rows:
        tokens = words(normalize(documents[row.doc_id]))
        for span in row.spans:
            text = documents[row.doc_id][span.first_char : span.end_char]
            found = " ".join(words(normalize(text)))
            assert " ".join(tokens[span.first_word : span.end_word]) in found


def test_item_shorter_than_an_ngram_is_uncheckable_not_clean():
    items = [("long", "w " * 13), ("middle", "a b c d e f g h"), ("short", "Paris!"), ("none", "?")]
    index = index_items(items)
    assert index.uncheckable == (
        Uncheckable("middle", 13, 8),
        Uncheckable("short", 13, 1),
        Uncheckable("short", 8, 1),
        Uncheckable("none", 13, 0),
        Uncheckable("none", 8, 0),
    )
    rows = list(find_contamination([("d", "Paris! a b c d e f g h i")], index))
    assert [(row.item_id, row.n) for row in rows] == [("middle", 8)]


def test_rows_come_by_document_then_length_then_item():
    text = " ".join(f"w{at}" for at in range(13))
    rows = find([("d2", text), ("d1", text)], [("b", text), ("a", text)])
    assert [(row.doc_id, row.n, row.item_id) for row in rows] == [
        (doc_id, n, item_id) for doc_id in ("d2", "d1") for n in (8, 13) for item_id in ("b", "a")
    ]


def test_documents_are_read_one_at_a_time():
    read = []

    def documents():
        for at in range(1000):
            read.append(at)
            yield f"d{at}", "a b c"

    rows = find_contamination(documents(), index_items([("i", "a b c")], (2,)))
    assert next(rows).doc_id == "d0"
    assert read == [0]


@pytest.mark.parametrize("items", [[], [("i", "")], [("i", "a b")]])
def test_nothing_to_find_gives_no_row(items):
    assert find([("d", "a b c d e"), ("e", "")], items, (3,)) == []


def test_lone_surrogates_do_not_raise():
    (row,) = find([("d", "x \ud800 y")], [("i", "x \ud800 y")], (2,))
    assert row.share == 1.0


def test_items_that_share_an_id_are_refused():
    with pytest.raises(InputError, match="two items with the id 'a'"):
        index_items([("a", "x"), ("a", "y")])


@pytest.mark.parametrize("n_words", [(), (0,), (8, -1)])
def test_lengths_that_cannot_work_are_refused(n_words):
    with pytest.raises(ConfigError, match="13 and 8"):
        index_items([("a", "x")], n_words)
