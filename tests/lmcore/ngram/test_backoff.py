"""Back-off models of sentences: equal to the formulas over dictionaries, and a distribution."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.errors import InputError
from lmcore.ngram.backoff import END, NEVER, START, estimate, load, save
from lmcore.ngram.kneser_ney import FALLBACK_DISCOUNTS, estimate_discounts
from lmcore.ngram.reference import ReferenceModel, ReferenceScorer
from lmcore.ngram.scorer import Scorer


def random_sentences(seed: int, n: int, letters: str) -> list[list[str]]:
    chance = random.Random(seed)
    return [
        [chance.choice(letters[: at % len(letters) + 1]) for _ in range(chance.randrange(9))]
        for at in range(n)
    ]


TRAINING = random_sentences(0, 400, "abcdefgh")
HELD_OUT = random_sentences(1, 80, "abcdefghxyz")


@pytest.mark.parametrize("order", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("sentences", [TRAINING, [*TRAINING[:3], ["a", "b", "a"]], [["a"]]])
def test_estimate_scored_by_kernel_equals_formulas_over_dictionaries(sentences, order):
    reference = ReferenceModel(sentences, order)
    found = Scorer(estimate(sentences, order)).log10_probabilities(HELD_OUT)
    expected = [reference.log10_probability(sentence) for sentence in HELD_OUT]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)  # stored as float32


def test_estimate_training_reaches_estimated_and_fallback_discounts():
    counts = [
        np.array([*c.values()]) for s in (TRAINING, [["a"]]) for c in ReferenceModel(s, 5).counts
    ]
    fallbacks = [estimate_discounts(c) == FALLBACK_DISCOUNTS for c in counts]
    assert any(fallbacks)
    assert not all(fallbacks)


@pytest.mark.parametrize("order", [1, 2, 5])
@settings(max_examples=40, deadline=None)
@given(
    sentences=st.lists(st.lists(st.sampled_from(["a", "b", "c", "d", "<unk>", "<s>"]), max_size=8))
)
def test_kernel_equals_definition_of_the_file_to_the_last_bit(order, sentences):
    model = estimate(TRAINING, order)
    expected = [ReferenceScorer(model).log10_probability(sentence) for sentence in sentences]
    assert Scorer(model).log10_probabilities(sentences).tolist() == expected


@pytest.mark.parametrize("context", [[], ["a"], ["a", "b", "a", "b"], ["zzz"], ["h", "h", "h"]])
def test_estimate_every_context_sums_to_one(context):
    model = estimate(TRAINING, 4)
    scorer = ReferenceScorer(model)
    before = tuple(["<s>", *context][-3:])
    before = tuple("<unk>" if word == "zzz" else word for word in before)
    logs = [scorer._of_word(before, word) for word in model.words if word != "<s>"]
    assert sum(10.0**log for log in logs) == pytest.approx(1.0, abs=1e-5)


def test_estimate_worked_example():
    # <s> a b </s>, <s> a </s>: bigrams <s>a a b b</s> a</s>; too few for estimated discounts.
    # Continuations of single words: a {<s>}, b {a}, </s> {b, a}; 4 in all; <unk>, a, b, </s> can come.
    model = estimate([["a", "b"], ["a"]], 2)
    a = (1 - 0.5) / 4 + (0.5 + 0.5 + 1.0) / 4 / 4
    a_first = (2 - 1.0) / 2 + 1.0 / 2 * a
    end = (2 - 1.0) / 4 + (0.5 + 0.5 + 1.0) / 4 / 4
    end_after_a = (1 - 0.5) / 2 + (0.5 + 0.5) / 2 * end
    (found,) = Scorer(model).log10_probabilities([["a"]])
    assert 10**found == pytest.approx(a_first * end_after_a, rel=1e-6)
    assert model.log10_probabilities[START] == NEVER


def test_estimate_order_of_sentences_changes_nothing():
    shuffled = random.Random(3).sample(TRAINING, len(TRAINING))
    one, other = estimate(TRAINING, 4), estimate(shuffled, 4)
    assert one.words == other.words
    for name in ("contexts", "last_words", "log10_probabilities", "log10_backoffs"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_estimate_gibberish_is_less_probable_than_words():
    known, unknown = Scorer(estimate(TRAINING, 3)).log10_probabilities([["a", "b"], ["qx", "zv"]])
    assert unknown < known


def test_save_and_load_give_the_same_model_and_bytes(tmp_path):
    model = estimate(TRAINING, 3)
    for name in ("one", "two"):
        save(model, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    again = load(tmp_path / "one")
    assert (again.words, again.order_ends) == (model.words, model.order_ends)
    expected = Scorer(model).log10_probabilities(HELD_OUT)
    np.testing.assert_array_equal(Scorer(again).log10_probabilities(HELD_OUT), expected)


def test_no_words_or_order_refused(tmp_path):
    for sentences in ([], [[]], [["<s>"]]):
        with pytest.raises(InputError, match="found no words"):
            estimate(sentences)
    with pytest.raises(InputError, match="expected at least 1"):
        estimate([["a"]], 0)
    (tmp_path / "x").write_text("no model")
    with pytest.raises(InputError, match="found that x is no n-gram model"):
        load(tmp_path / "x")


def test_nothing_to_score_is_nothing_and_an_empty_sentence_its_end():
    scorer = Scorer(estimate(TRAINING, 3))
    assert len(scorer.log10_probabilities([])) == 0
    (found,) = scorer.log10_probabilities([[]])
    model = estimate(TRAINING, 3)
    scored = ReferenceScorer(model)._of_word(("<s>",), model.words[END])
    assert found == scored
