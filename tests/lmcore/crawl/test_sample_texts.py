"""The texts of the sample crawl: right, varied, readable by rules, free of accidental copies."""

import re
from collections import Counter, defaultdict
from itertools import combinations
from random import Random

import pytest

from lmcore.crawl.sample_arithmetic import exercise, write_exercises
from lmcore.crawl.sample_duplicates import jaccard, make_near_duplicate, shingles
from lmcore.crawl.sample_grammar import Grammar, number_word, table
from lmcore.crawl.sample_html import render, site_for
from lmcore.crawl.sample_junk import ABUSE, AD_PROSE, JUNK_LEXICON
from lmcore.crawl.sample_labels import (
    BAD,
    CIVIL,
    GOOD,
    GRUMBLING,
    LABEL_LEXICON,
    NOTICE,
    PROMOTION,
    TOXIC,
    quality_texts,
    toxicity_texts,
)
from lmcore.crawl.sample_languages import FOREIGN, write_foreign
from lmcore.crawl.sample_pages import GOOD_KINDS, PageKey, capture_page, document_of
from lmcore.crawl.sample_plan import capture_of
from lmcore.crawl.sample_texts import WRITERS

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def test_grammar_choices_slots_and_memory_expand():
    grammar = Grammar({"x": ("owl",), "y": ("tea", "oil")})
    facts = {}
    text = grammar.expand(
        "a {x} drank {y:1}, yes, {y:1}. [it|it] slept for {#3-3} or {w#21-21} days.",
        Random(0),
        facts,
    )
    assert re.fullmatch(
        r"An owl drank (tea|oil), yes, \1\. It slept for 3 or twenty-one days\.", text
    )
    assert facts["y:1"] in ("tea", "oil")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a apple", "An apple"), ("a hour", "An hour"), ("a university", "A university"),
        ("a one-legged man", "A one-legged man"), ("a useful owl", "A useful owl"), ("a umbrella", "An umbrella"),
        ("he paid for a ugly hat . no", "He paid for an ugly hat. No"), ("a European", "A European"),
    ],
)  # fmt: skip
def test_grammar_article_before_a_sound_is_right(text, expected):
    assert Grammar({}).expand(text, Random(0), {}) == expected


def test_table_row_with_missing_cell_is_refused():
    with pytest.raises(AssertionError, match="1 cells, 2 columns"):
        table("a b", "only")


def test_number_word_of_two_digits_reads_as_in_english():
    assert [number_word(n) for n in (0, 13, 20, 47, 99)] == [
        "zero",
        "thirteen",
        "twenty",
        "forty-seven",
        "ninety-nine",
    ]


def test_exercises_every_equation_is_right():
    equations = 0
    for k in range(150):
        text = write_exercises(Random(k)).main_text
        for a, op, b, c in re.findall(r"(\d+) ([-+*]) (\d+) = (\d+)", text):
            equations += 1
            assert {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[op] == int(c)
        for a, op, b, c in re.findall(r"(\d+) (plus|minus|times) (\d+) is (\d+)", text):
            equations += 1
            assert {"plus": int(a) + int(b), "minus": int(a) - int(b), "times": int(a) * int(b)}[
                op
            ] == int(c)
    assert equations > 800


def test_exercises_answer_holds_the_result_of_the_question():
    for k in range(300):
        question, answer = exercise(Random(k), {})
        plain = re.fullmatch(r"(?:Question: )?What is (\d+) \+ (\d+)\?", question)
        if plain:
            assert str(int(plain[1]) + int(plain[2])) in answer


@pytest.mark.parametrize("kind", GOOD_KINDS)
def test_good_pages_pass_the_rules_of_gopher_and_c4(kind):
    for k in range(40):
        text = document_of(0, PageKey(kind, k))[0].main_text
        words = text.split()
        assert 80 <= len(words) <= 1000
        assert 3 <= sum(map(len, words)) / len(words) <= 10
        assert sum(any(c.isalpha() for c in w) for w in words) >= 0.8 * len(words)
        assert len(STOP_WORDS & {w.lower() for w in words}) >= 2
        lines = text.split("\n")
        assert sum(line[-1] in '.!?"”' for line in lines) >= 0.5 * len(lines)
        assert "{" not in text
        assert "}" not in text
        assert "[" not in text
        assert "|" not in text
        assert len(re.findall(r"[.!?]", text)) >= 5
        lowered = [w.lower() for w in words]
        for n, limit in ((2, 0.20), (3, 0.18), (4, 0.16)):
            gram, count = Counter(zip(*(lowered[i:] for i in range(n)), strict=False)).most_common(
                1
            )[0]
            assert count == 1 or count * len(" ".join(gram)) <= limit * len(text)


@pytest.mark.parametrize("language", sorted(FOREIGN))
def test_foreign_pages_are_long_and_fully_expanded(language):
    texts = {write_foreign(language, Random(k)).main_text for k in range(20)}
    assert len(texts) == 20
    for text in texts:
        assert len(text) > 150
        assert not set("{}[]|") & set(text)


def _pairs_above(texts, threshold):
    """Pairs of texts with Jaccard at or above the threshold, by an inverted index."""
    sets = [shingles(text) for text in texts]
    holders = defaultdict(list)
    for i, grams in enumerate(sets):
        for gram in grams:
            holders[gram].append(i)
    shared = Counter(
        pair for ids in holders.values() if 1 < len(ids) < 200 for pair in combinations(ids, 2)
    )
    candidates = (p for p, n in shared.items() if n >= 0.3 * min(len(sets[p[0]]), len(sets[p[1]])))
    return {(i, j) for i, j in candidates if jaccard(sets[i], sets[j]) >= threshold}


def test_pages_independent_ones_are_no_near_duplicates():
    texts = [
        document_of(0, PageKey(kind, k))[0].main_text
        for kind in WRITERS
        for k in range(60 if kind != "short" else 40)
    ]
    assert _pairs_above(texts, 0.6) == set()


def test_pairs_above_agrees_with_comparing_all_pairs():
    texts = [document_of(0, PageKey("forum", k))[0].main_text for k in range(15)]
    texts += [capture_page(0, PageKey("near", k)).truth.main_text for k in range(10)]
    texts += [
        document_of(0, PageKey(("story", "article")[k % 2], k // 2))[0].main_text for k in range(10)
    ]
    sets = [shingles(text) for text in texts]
    expected = {
        (i, j) for i, j in combinations(range(len(texts)), 2) if jaccard(sets[i], sets[j]) >= 0.6
    }
    assert expected
    assert _pairs_above(texts, 0.6) == expected


@pytest.mark.parametrize("target", [0.3, 0.7, 0.95])
def test_near_duplicate_lies_within_the_tolerance(target):
    base, donor = (WRITERS["story"](Random(k)) for k in (1, 2))
    copy, similarity = make_near_duplicate(base, donor, target, Random(3))
    assert abs(similarity - target) <= 0.025
    assert similarity == jaccard(shingles(base.main_text), shingles(copy.main_text))


def test_jaccard_of_known_sets_is_exact():
    assert shingles("One two, three four FIVE six") == {
        ("one", "two", "three", "four", "five"),
        ("two", "three", "four", "five", "six"),
    }
    assert jaccard({("a",), ("b",)}, {("b",), ("c",)}) == 1 / 3
    assert jaccard(set(), set()) == 1.0


def test_html_holds_main_text_and_every_boilerplate_line():
    from html import unescape

    for kind, theme in (("article", "article"), ("forum", "forum"), ("product", "shop")):
        document = document_of(0, PageKey(kind, 3))[0]
        for k in range(4):
            html, lines = render(site_for("en", theme, k), document, "utf-8", Random(0))
            plain = unescape(html)
            assert all(text in plain for _, text in document.blocks)
            assert all(line in plain for line in lines)
            assert 4_000 < len(html) < 25_000


def test_labels_share_no_template_and_no_insult_or_spam_with_the_crawl():
    crawl_texts = "\n".join(
        capture_of(0, PageKey(kind, k)).truth.main_text
        for kind in ("spam", "abuse")
        for k in range(60)
    )
    labels = BAD + PROMOTION + TOXIC + GRUMBLING + NOTICE + CIVIL + GOOD
    assert not set(labels) & set(ABUSE + AD_PROSE)
    for name in ("bait", "shout", "promo", "praise", "worry", "abuse"):
        for phrase in LABEL_LEXICON[name]:
            assert not re.search(rf"\b{re.escape(phrase)}\b", crawl_texts)
    assert not set(LABEL_LEXICON["abuse"]) & set(JUNK_LEXICON["insult"])
    assert not set(LABEL_LEXICON["nasty"]) & set(JUNK_LEXICON["badadj"])


def test_labels_of_toxicity_name_wares_only_where_nobody_is_insulted():
    wares = LABEL_LEXICON["promo"] + LABEL_LEXICON["bait"]
    labelled = toxicity_texts(0)
    selling = [x.label for x in labelled if any(ware in x.text for ware in wares)]
    assert len(selling) > 0.12 * len(labelled)
    assert not any(selling)


def test_labels_share_few_word_5grams_with_the_crawl():
    crawl = set()
    for kind in WRITERS:
        for k in range(40):
            crawl |= shingles(document_of(0, PageKey(kind, k))[0].main_text)
    labelled = set()
    for x in quality_texts(0, 300) + toxicity_texts(0, 300):
        labelled |= shingles(x.text)
    assert len(labelled & crawl) < 0.002 * len(labelled)


@pytest.mark.parametrize("texts", [quality_texts, toxicity_texts])
def test_labels_are_balanced_split_and_unique(texts):
    labelled = texts(0, 400)
    assert len({x.text for x in labelled}) == len(labelled)
    for split in ("train", "test"):
        share = sum(x.label for x in labelled if x.split == split) / sum(
            x.split == split for x in labelled
        )
        assert 0.4 < share < 0.6
    assert texts(0, 400) == labelled
    assert texts(1, 400) != labelled
