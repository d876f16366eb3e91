"""Each word's place in the text: as many as there are words, and the words are there."""

import itertools
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmcore.dedup.normalize import normalize
from lmcore.dedup.offsets import word_places
from lmcore.dedup.shingles import words

TRICKY = "aA_9 .-'\n\tΣσéÉ東京かガ\u3099\u0301\u00ad\u200b\u200dที่\u0e48\u1025\u102eİß½\u0338=\u093e한ﬁ\ud800\U0001d15e"
TEXTS = st.text(alphabet=st.one_of(st.sampled_from(TRICKY), st.characters()), max_size=30)


def places_of(text):
    return [text[first:end] for first, end in word_places(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  Hello, World!\n", ["Hello", "World"]),
        ("a/b don't snake_case", ["a", "b", "don", "t", "snake_case"]),
        ("Café, Cafe\u0301.", ["Café", "Cafe\u0301"]),
        ("soft\u00adhyphen zero\u200bwidth", ["soft\u00adhyphen", "zero", "width"]),
        ("東京 is 東", ["東", "京", "is", "東"]),
        ("in東京at", ["in", "東", "京", "at"]),
        ("か\u3099き", ["か\u3099", "き"]),
        ("ที่", ["ที่", "ที่", "ที่"]),
        ("हिन्दी 한국어", ["हिन्दी", "한국어"]),
        ("x ≠ =\u0338 y", ["x", "y"]),
        ("\u0301 *** \u00ad", []),
        ("İstanbul ﬁn", ["İstanbul", "ﬁn"]),
    ],
)
def test_place_of_a_word_is_where_it_was_written(text, expected):
    assert places_of(text) == expected


@given(TEXTS)
@example("0\u00b2\u0e34")  # a word of two clusters, the second of which begins another
def test_places_are_as_many_as_words_and_in_order(text):
    places = word_places(text)
    assert len(places) == len(words(normalize(text)))
    for here, there in itertools.pairwise(places):
        is_last_cluster_shared = here[0] < there[0] and here[1] == there[1]
        assert here == there or here[1] <= there[0] or is_last_cluster_shared
    assert all(first < end for first, end in places)


@given(TEXTS, st.data())
def test_words_between_two_places_are_the_words_of_that_text(text, data):
    text = text.replace("Σ", "").replace("σ", "").replace("ς", "")  # lowered by their neighbours
    expected, places = words(normalize(text)), word_places(text)
    first, last = sorted(data.draw(st.integers(0, max(len(places) - 1, 0))) for _ in range(2))
    if not places:
        return
    found = words(normalize(text[places[first][0] : places[last][1]]))
    while first and places[first - 1] == places[first]:  # words of one cluster come together
        first -= 1
    while last + 1 < len(places) and places[last + 1] == places[last]:
        last += 1
    assert found == expected[first : last + 1]


@pytest.mark.parametrize("around", ["{0}", "x{0}y", "東{0}か{0}", "{0}{0} {0}"])
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_places_around_every_character_are_as_many_as_words(around):
    assigned = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in {"Cn", "Co"}]
    for character in assigned:
        text = around.format(character)
        assert len(word_places(text)) == len(words(normalize(text))), hex(ord(character))


def test_places_around_every_mark_are_as_many_as_words():
    marks = [c for c in map(chr, range(0x3100)) if unicodedata.category(c) in {"Mn", "Mc", "Cf"}]
    assert len(marks) > 500
    for mark in marks:
        for text in (f"x{mark}y", f"東{mark}か{mark}", f" {mark}a", f"={mark}"):
            assert len(word_places(text)) == len(words(normalize(text))), hex(ord(mark))
