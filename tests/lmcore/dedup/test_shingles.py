import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lmcore.dedup.shingles import ShingleHasher, jaccard, shingle_set

TEXTS = st.lists(st.sampled_from(["a", "b", "cc", "東京", "ไทย"]), max_size=30).map(" ".join)


def test_shingle_set_of_long_document_is_its_ngrams() -> None:
    assert shingle_set("a b c d", 3) == {"a b c", "b c d"}


def test_shingle_set_of_short_document_is_all_its_words() -> None:
    assert shingle_set("a b", 5) == {"a b"}
    assert shingle_set("", 5) == frozenset()


def test_shingle_set_of_chinese_is_character_ngrams() -> None:
    assert shingle_set("今天天气", 3) == {"今 天 天", "天 天 气"}


@given(TEXTS, st.integers(1, 6))
def test_shingle_hashes_are_as_many_as_exact_shingles(text: str, n: int) -> None:
    assert len(np.unique(ShingleHasher(n)(text))) == len(shingle_set(text, n))


@given(TEXTS, TEXTS, st.integers(1, 6))
def test_shingle_hashes_have_the_jaccard_of_exact_shingles(a: str, b: str, n: int) -> None:
    hasher = ShingleHasher(n)
    ha, hb = set(hasher(a).tolist()), set(hasher(b).tolist())
    union = len(ha | hb)
    expected = len(ha & hb) / union if union else 0.0
    assert jaccard(shingle_set(a, n), shingle_set(b, n)) == expected


def test_shingle_hashes_do_not_depend_on_words_met_before() -> None:
    warm = ShingleHasher(2)
    warm("x y z")
    assert warm("y q x y").tolist() == ShingleHasher(2)("y q x y").tolist()


def test_jaccard_of_empty_sets_is_zero() -> None:
    assert jaccard(set(), set()) == 0.0
    assert jaccard({"a"}, {"a"}) == 1.0
