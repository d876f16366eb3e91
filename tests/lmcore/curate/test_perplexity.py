"""Perplexity: models of the reference's languages, pages in head, middle and tail."""

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.curate.buckets import BUCKETS, bucket_of, count_buckets, with_cutoffs
from lmcore.curate.config import CurateConfig
from lmcore.curate.labels import LabelledText
from lmcore.curate.language import detect
from lmcore.curate.perplexity import (
    DESCRIPTION,
    PerplexityModels,
    ReferenceText,
    read_reference,
    sentences_of,
    train_models,
)
from lmcore.errors import InputError
from lmcore.ngram.arpa import write_arpa
from lmcore.ngram.backoff import estimate
from lmcore.ngram.reference import ReferenceScorer

CONFIG = CurateConfig(perplexity_min_words=300, perplexity_order=3)
ENGLISH = [
    "the",
    "fox",
    "ran",
    "over",
    "the",
    "hill",
    "and",
    "the",
    "dog",
    "went",
    "with",
    "it",
    "to",
    "the",
    "river",
    "that",
    "day",
]
GERMAN = [
    "der",
    "Fuchs",
    "lief",
    "über",
    "den",
    "Hügel",
    "und",
    "die",
    "Hündin",
    "ging",
    "mit",
    "ihm",
    "an",
    "den",
    "Fluß",
]


def reference_texts(seed=0, n=60):
    chance = random.Random(seed)
    texts = []
    for at in range(n):
        words = GERMAN if at % 3 == 0 else ENGLISH
        start = chance.randrange(5)
        lines = [" ".join(words[start:] + chance.choices(words, k=6)) + "." for _ in range(4)]
        texts.append(ReferenceText("\n".join(lines), "", at % 5 == 0))
    return texts


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    train_models(reference_texts(), detect, folder, CONFIG)
    return folder


def test_sentences_lower_case_without_digits_and_edges():
    text = 'The 42 Foxes,\n\n  "Ran!" (in 1999)\n -- \nvoilà 东西 <s>'
    assert sentences_of(text) == [
        ["the", "00", "foxes"],
        ["ran", "in", "0000"],
        ["voilà", "东", "西", "s"],
    ]


def test_models_are_made_of_each_language_with_words_enough(models):
    described = json.loads((models / DESCRIPTION).read_text())
    assert sorted(described) == ["de", "en"]
    assert described["en"]["n_texts"] == 32
    assert described["en"]["n_held_out"] == 8
    quantiles = described["en"]["held_out_quantiles"]
    assert quantiles == sorted(quantiles)


def test_language_with_too_few_words_has_no_model_and_no_perplexity(tmp_path):
    config = CurateConfig(perplexity_min_words=1500, perplexity_order=3)
    assert [*train_models(reference_texts(), detect, tmp_path, config)] == ["en"]
    found = PerplexityModels(tmp_path).perplexities([" ".join(GERMAN)] * 2, ["de", "en"])
    assert found[0] is None
    assert found[1] > 1


def test_references_in_any_order_give_the_same_bytes(models, tmp_path):
    texts = reference_texts()
    random.Random(1).shuffle(texts)
    train_models(texts, detect, tmp_path, CONFIG)
    for path in sorted(models.iterdir()):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_perplexity_equals_the_definition_over_words_and_line_ends(models):
    text = "The fox ran.\nThe zebra went to the river!"
    (found,) = PerplexityModels(models).perplexities([text], ["en"])
    sentences = [s for t in reference_texts() if not t.is_test for s in sentences_of(t.text)]
    english = [s for s in sentences if "der" not in s and "die" not in s and "den" not in s]
    scorer = ReferenceScorer(estimate(english, 3))
    total = sum(scorer.log10_probability(sentence) for sentence in sentences_of(text))
    assert found == pytest.approx(10 ** (-total / (9 + 2)), rel=1e-9)


def test_shuffled_and_foreign_words_surprise_more_than_sentences(models):
    words = ENGLISH.copy()
    random.Random(7).shuffle(words)
    texts = [" ".join(ENGLISH), " ".join(words), "qwx zzv mnb ghj ptk", ""]
    found = PerplexityModels(models).perplexities(texts, ["en"] * 4)
    assert found[0] < found[1] < found[2]
    assert found[3] is None


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(8)), st.integers(1, 8))
def test_perplexity_of_a_page_depends_on_no_other(models, order, size):
    texts = [" ".join((ENGLISH * 2)[at : at + 9]) for at in range(8)]
    languages = ["en", "de", "en", "fr", "en", "de", "und", "en"]
    expected = PerplexityModels(models).perplexities(texts, languages)
    one = PerplexityModels(models)
    found = {}
    for start in range(0, 8, size):
        part = order[start : start + size]
        values = one.perplexities([texts[k] for k in part], [languages[k] for k in part])
        found |= dict(zip(part, values, strict=True))
    assert [found[k] for k in range(8)] == expected


def test_arpa_file_takes_the_place_of_the_trained_model(models, tmp_path):
    path = tmp_path / "wiki.en.arpa"
    write_arpa(estimate([["a", "b"], ["b"]], 2), path)
    trained, given_file = PerplexityModels(models), PerplexityModels(models, [path])
    texts, languages = ["a b", "der Fuchs"], ["en", "de"]
    (_, german), (english, same) = (
        each.perplexities(texts, languages) for each in (trained, given_file)
    )
    expected = ReferenceScorer(estimate([["a", "b"], ["b"]], 2)).log10_probability(["a", "b"])
    assert english == pytest.approx(10 ** (-expected / 3), rel=1e-9)
    assert same == german


def test_file_that_names_no_arpa_model_is_an_error(models, tmp_path):
    with pytest.raises(InputError, match=r"found model\.bin among curate\.perplexity_models"):
        PerplexityModels(models, [tmp_path / "model.bin"])


def labelled(*pairs):
    return [LabelledText(text, label, is_test=False) for text, label in pairs]


def test_reference_is_a_named_file_else_reference_labels_else_quality(tmp_path):
    sets = {
        "quality": labelled(("good", 1), ("bad", 0)),
        "reference": labelled(("wiki", 1), ("crawl", 0)),
    }
    path = tmp_path / "perplexity_wiki.parquet"
    pq.write_table(pa.table({"text": ["das", "", None], "language": ["de"] * 3}), path)
    (row,) = read_reference([path], sets, 0.2)
    assert (row.text, row.language) == ("das", "de")
    assert [row.text for row in read_reference([], sets, 0.2)] == ["wiki"]
    assert [r.text for r in read_reference([], {"quality": sets["quality"]}, 0.2)] == ["good"]
    pq.write_table(pa.table({"body": ["das"]}), path)
    with pytest.raises(InputError, match=r"perplexity_wiki\.parquet"):
        read_reference([path], sets, 0.2)


PAGES = st.lists(
    st.tuples(
        st.sampled_from(["en", "de", "xx"]),
        st.none() | st.floats(1.0, 1e6, allow_nan=False, width=32),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(PAGES, st.randoms(use_true_random=False))
def test_buckets_depend_on_no_order_and_rank_pages_of_a_language(pages, chance):
    config = with_cutoffs(CurateConfig(), pages)
    shuffled = pages.copy()
    chance.shuffle(shuffled)
    assert with_cutoffs(CurateConfig(), shuffled) == config
    assert with_cutoffs(config, pages) == config
    for language in ("en", "de", "xx"):
        scored = sorted(p for name, p in pages if name == language and p is not None)
        ranks = [BUCKETS.index(bucket_of(language, value, config)) for value in scored]
        assert ranks == sorted(ranks)
    assert bucket_of("en", None, config) is None


def test_buckets_of_distinct_pages_are_thirds():
    pages = [("en", float(k)) for k in range(1, 31)] + [("de", 7.0), ("xx", None)]
    config = with_cutoffs(CurateConfig(), pages)
    english = next(row for row in count_buckets(pages, config) if row.language == "en")
    assert (english.n_head, english.n_middle, english.n_tail) == (10, 10, 10)
    assert (english.head_limit, english.middle_limit) == (10.0, 20.0)
    unscored = next(row for row in count_buckets(pages, config) if row.language == "xx")
    assert (unscored.n_documents, unscored.n_unscored, unscored.head_limit) == (1, 1, None)


def test_cutoffs_given_come_before_those_of_the_pages():
    config = CurateConfig(perplexity_cutoffs=("en=5:50",))
    found = with_cutoffs(config, [("en", 6.0), ("de", 6.0)])
    assert found.perplexity_cutoffs == ("en=5:50", "de=6.0:6.0")
    assert bucket_of("en", 6.0, found) == "middle"
