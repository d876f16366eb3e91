"""Cuts: what goes, what stays byte for byte, and the slow rules beside the fast ones."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.dedup.bloom import BloomFilter, cut_ngrams
from lmcore.dedup.cuts import cut_host_lines, cut_paragraphs, split_paragraphs
from lmcore.dedup.lines import split_lines
from lmcore.dedup.normalize import normalize
from lmcore.dedup.shingles import shingle_set, words
from lmcore.dedup.substrings import cut_substrings, marks_in_python

WORD = st.sampled_from(["a", "b", "B,", "cé", "東京", "ไทย", "la", "\n", "...", "x-y"])
TEXTS = st.lists(st.lists(WORD, max_size=25).map(" ".join), max_size=6)


@given(st.text(alphabet="ab \n\t\r", max_size=40))
def test_split_paragraphs_joined_are_the_text(text: str) -> None:
    paragraphs = split_paragraphs(text)
    assert "".join(paragraphs) == text
    for before, after in itertools.pairwise(paragraphs):
        assert not split_lines(before)[-1].strip()
        assert split_lines(after)[0].strip()


def test_paragraph_that_a_better_text_holds_goes_with_the_blank_lines_behind_it() -> None:
    shared = "One two three, four.\nStill the same one.\n\n"
    texts = [f"Mine.\n\n{shared}End.", f"{shared.upper()}Other.\n\n\nshort one\n\n", "short one"]
    kept, removed = cut_paragraphs(texts, min_words=4)
    assert kept == [texts[0], "Other.\n\n\nshort one\n\n", "short one"]
    assert [tuple(row) for row in removed] == [
        ("ONE TWO THREE, FOUR.\nSTILL THE SAME ONE.", "paragraph", "", 1, 1)
    ]


def test_paragraph_that_repeats_in_one_text_stays_once() -> None:
    kept, removed = cut_paragraphs(["a b c\n\nA b, c\n\na b c"], min_words=3)
    assert kept == ["a b c\n\n"]
    assert sum(row.n_removed for row in removed) == 2


def test_host_line_goes_from_that_host_alone() -> None:
    texts = [f"own {k}\nShop of X" for k in range(3)] + ["else\nShop of X", "no host\nShop of X"]
    hosts = ["x.example"] * 3 + ["y.example", ""]
    kept, removed = cut_host_lines(texts, hosts, max_documents=2)
    assert kept == [f"own {k}\n" for k in range(3)] + texts[3:]
    assert [tuple(row) for row in removed] == [("shop of x", "host_line", "x.example", 3, 3)]
    assert cut_host_lines(texts, hosts, max_documents=3) == (texts, [])


def marks_by_every_pair(documents: list[list[int]], n: int) -> list[list[bool]]:
    """The rule, word for word: every window against every window."""
    windows = [(d, k) for d, found in enumerate(documents) for k in range(len(found) - n + 1)]
    marks = [[False] * len(found) for found in documents]
    for (d, k), (e, j) in itertools.product(windows, windows):
        is_before = d < e or (d == e and k + n <= j)
        if is_before and documents[d][k : k + n] == documents[e][j : j + n]:
            marks[e][j : j + n] = [True] * n
    return marks


DOCUMENTS = st.lists(st.lists(st.integers(1, 3), max_size=25), max_size=5)


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS, st.integers(1, 7))
def test_marks_are_those_of_every_pair_of_windows(documents: list[list[int]], n: int) -> None:
    from lmcore.dedup.substrings import _marks_with_kernels

    arrays = [np.array(found, np.int32) for found in documents]
    expected = marks_by_every_pair(documents, n)
    assert [found.tolist() for found in marks_in_python(arrays, n)] == expected
    assert [found.tolist() for found in _marks_with_kernels(arrays, n)] == expected


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 8, 50])
def test_suffix_order_is_that_of_sorted_suffixes(depth: int) -> None:
    from lmcore.dedup.substrings import suffix_order

    state = random.Random(depth)
    documents = [[state.randint(1, 4) for _ in range(state.randrange(40))] for _ in range(20)]
    tokens = np.array(list(itertools.chain(*documents)), np.int32)
    lengths = [len(found) for found in documents]
    ends = np.repeat(np.cumsum(lengths), lengths).astype(np.int32)
    ranks, order = suffix_order(tokens, ends, depth)
    suffixes = [tokens[k : min(k + depth, ends[k])].tolist() for k in range(len(tokens))]
    assert order.tolist() == sorted(range(len(tokens)), key=lambda k: (suffixes[k], k))
    distinct = sorted(set(map(tuple, suffixes)))
    assert ranks.tolist() == [distinct.index(tuple(suffix)) + 1 for suffix in suffixes]


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(2, 6))
def test_cut_substrings_with_kernels_is_that_of_python(texts: list[str], n: int) -> None:
    plain = cut_substrings(texts, n_words=n, compiled=False)
    assert cut_substrings(texts, n_words=n, compiled=True) == plain
    for text, kept in zip(texts, plain[0], strict=True):
        if kept != text:
            assert len(kept) <= len(text)


def test_run_of_fifty_words_that_stands_earlier_goes_and_one_of_49_stays() -> None:
    run = [f"word{k}" for k in range(50)]
    first = f"Alpha. {' '.join(run)}. Omega."
    again = f"Before: {', '.join(run).upper()}! After."
    short = f"Before {' '.join(run[1:])} behind"
    kept, removed = cut_substrings([first, again, short], n_words=50)
    assert kept == [first, "Before: After.", short]
    (row,) = removed
    assert (row.kind, row.n_documents, row.n_removed) == ("substring", 1, 1)
    assert row.line.startswith("WORD0, WORD1, ")
    assert len(row.line) <= 200


def test_text_that_repeats_itself_keeps_its_first_run() -> None:
    kept, _ = cut_substrings(["la " * 30 + "end"], n_words=10)
    assert kept == ["la " * 10 + "end"]


def test_words_on_both_sides_of_a_cut_stay_apart() -> None:
    kept, _ = cut_substrings(["東京大阪", "abc東京大阪def"], n_words=4)
    assert kept[1] == "abc def"


def test_bloom_filter_has_everything_and_others_at_its_rate() -> None:
    rng = np.random.default_rng(1)
    keys, others = np.split(rng.integers(0, 2**64, 60_000, dtype=np.uint64), [20_000])
    for rate in (0.3, 0.01, 1e-4):
        seen = BloomFilter(len(keys), rate)
        assert not seen.has(keys).any()
        seen.add(keys)
        assert seen.has(keys).all()
        assert seen.false_positives() < 1.15 * rate
        # 40,000 draws: three deviations above the stated rate
        assert seen.has(others).mean() < rate * 1.15 + 3 * (rate / len(others)) ** 0.5


def test_bloom_filter_of_one_in_a_million_takes_29_bits_a_key() -> None:
    seen = BloomFilter(1_000_000, 1e-6)
    assert seen.n_bits / 1_000_000 == pytest.approx(28.755, abs=0.001)
    assert seen.n_hashes == 20


def cut_with_a_set(texts: list[str], n: int, share: float) -> list[str]:
    """The same rule with the n-grams themselves."""
    seen: set[str] = set()
    kept = []
    for text in texts:
        staying = []
        for line in split_lines(text):
            own = words(normalize(line))
            grams = [" ".join(own[k : k + n]) for k in range(len(own) - n + 1)]
            if grams and sum(gram in seen for gram in grams) / len(grams) >= share:
                continue
            seen.update(grams)
            staying.append(line)
        kept.append("".join(staying))
    return kept


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.integers(1, 4), st.sampled_from([0.3, 0.8, 1.0]))
def test_cut_ngrams_is_that_of_a_set(texts: list[str], n: int, share: float) -> None:
    kept, removed, rate = cut_ngrams(texts, n_words=n, share=share, false_positives=1e-9)
    assert kept == cut_with_a_set(texts, n, share)
    assert rate <= 1e-9
    n_before = sum(len(split_lines(text)) for text in texts)
    n_after = sum(len(split_lines(text)) for text in kept)
    assert sum(row.n_removed for row in removed) == n_before - n_after


def test_line_of_known_ngrams_goes_and_one_half_known_stays() -> None:
    run = " ".join(f"w{k}" for k in range(40))
    half = " ".join(f"w{k}" for k in range(20)) + " " + " ".join(f"v{k}" for k in range(20))
    assert len(shingle_set(run, 13) & shingle_set(half, 13)) == 8
    texts = [f"{run}\nfirst", f"{run.upper()}!\nsecond", half]
    kept, removed, _ = cut_ngrams(texts, n_words=13, share=0.8, false_positives=1e-6)
    assert kept == [texts[0], "second", half]
    assert [row.kind for row in removed] == ["ngram"]
