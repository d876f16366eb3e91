"""Kneser-Ney: equal to the formulas written out over dictionaries, and a distribution."""

import math
import random
from collections import Counter, defaultdict

import numpy as np
import pytest

from lmcore.errors import InputError
from lmcore.ngram.kneser_ney import FALLBACK_DISCOUNTS, KneserNey, estimate_discounts


def reference_counts(tokens: list[int], order: int) -> list[dict[tuple[int, ...], int]]:
    """Counts of the longest n-grams; below, how many different tokens come before each."""
    order = min(order, len(tokens))
    grams = [
        {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)} for n in range(1, order + 1)
    ]
    counts = [Counter(gram[1:] for gram in longer) for longer in grams[1:]]
    longest = Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))
    return [*counts, longest]


def reference_discounts(counts: dict[tuple[int, ...], int]) -> tuple[float, float, float]:
    n = Counter(counts.values())
    if 0 in (n[1], n[2], n[3], n[4]):
        return (0.5, 1.0, 1.5)
    y = n[1] / (n[1] + 2 * n[2])
    d = tuple(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))
    return d if all(0 <= d[k - 1] <= k for k in (1, 2, 3)) else (0.5, 1.0, 1.5)


class ReferenceKneserNey:
    def __init__(self, tokens: list[int], vocab_size: int, order: int) -> None:
        self.vocab_size = vocab_size
        self.counts = reference_counts(tokens, order)
        self.discounts = [reference_discounts(counts) for counts in self.counts]
        self.followers = [defaultdict(list) for _ in self.counts]
        for n, counts in enumerate(self.counts):
            for gram, count in counts.items():
                self.followers[n][gram[:-1]].append(count)

    def probability(self, context: tuple[int, ...], token: int) -> float:
        lower = self.probability(context[1:], token) if context else 1 / self.vocab_size
        n = len(context)
        followers = self.followers[n].get(context, []) if n < len(self.counts) else []
        total = sum(followers)
        if not total:
            return lower
        discount = lambda count: self.discounts[n][min(count, 3) - 1] if count else 0.0  # noqa: E731 - one line of the formula
        count = self.counts[n].get((*context, token), 0)
        gamma = sum(discount(follower) for follower in followers) / total
        return max(count - discount(count), 0) / total + gamma * lower


def zipf_tokens(seed: int, n_tokens: int, vocab_size: int) -> list[int]:
    """Tokens with repeats at every order: a random walk that often takes the same step."""
    random_state = random.Random(seed)
    tokens = [0]
    while len(tokens) < n_tokens:
        step = min(int(random_state.paretovariate(1.0)) - 1, vocab_size - 1)
        tokens.append((tokens[-1] * 3 + step) % vocab_size)
    return tokens[:n_tokens]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("n_tokens", "vocab_size"), [(1, 3), (4, 3), (60, 4), (600, 30), (2000, 9)]
)
def test_kneser_ney_random_corpora_equal_reference(n_tokens, vocab_size, order):
    for seed in range(3):
        training = zipf_tokens(seed, n_tokens, vocab_size)
        held_out = zipf_tokens(seed + 100, 120, vocab_size)
        model = KneserNey(vocab_size, order)
        model.fit(np.array(training))
        reference = ReferenceKneserNey(training, vocab_size, order)
        expected = [
            reference.probability(tuple(held_out[max(i - order + 1, 0) : i]), token)
            for i, token in enumerate(held_out)
        ]
        found = model.probabilities(np.array(held_out))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=0)
        loss = -sum(math.log(probability) for probability in expected)
        assert model.nll(np.array(held_out)) == pytest.approx(loss, rel=1e-9)


def test_kneser_ney_reference_corpora_reach_estimated_and_fallback_discounts():
    # Otherwise the comparison above would never leave one branch.
    many = reference_counts(zipf_tokens(0, 2000, 9), 5)
    assert any(reference_discounts(counts) != FALLBACK_DISCOUNTS for counts in many)
    few = reference_counts(zipf_tokens(0, 60, 4), 5)
    assert any(reference_discounts(counts) == FALLBACK_DISCOUNTS for counts in few)


@pytest.mark.parametrize("context", [[], [3], [3, 1, 4, 1], [29, 29, 29, 29], [0, 0, 1, 2]])
def test_kneser_ney_every_context_sums_to_one(context):
    model = KneserNey(30)
    model.fit(np.array(zipf_tokens(1, 3000, 25)))  # five tokens are never seen
    last = [model.probabilities(np.array([*context, token]))[-1] for token in range(30)]
    assert min(last) > 0
    assert sum(last) == pytest.approx(1.0, abs=1e-12)


def test_kneser_ney_worked_example():
    # abab b: bigrams ab ab ba bb. Continuations: a after {b} = 1, b after {a, b} = 2.
    # Too little for estimated discounts: 0.5, 1, 1.5. Two unigram types of mass 3, vocabulary 4.
    model = KneserNey(4, order=2)
    model.fit(np.array([0, 1, 0, 1, 1]))
    b = (2 - 1.0) / 3 + (0.5 + 1.0) / 3 * 0.25
    b_after_a = (2 - 1.0) / 2 + 1.0 / 2 * b
    assert model.probabilities(np.array([0, 1]))[1] == pytest.approx(b_after_a, rel=1e-12)


def test_kneser_ney_continuations_not_frequencies_decide_unseen_contexts():
    # "7" is frequent but only ever after "6"; "5" follows many tokens.
    training = [6, 7] * 50 + [1, 5, 2, 5, 3, 5, 4, 5]
    model = KneserNey(10, order=2)
    model.fit(np.array(training))
    after_unseen = [model.probabilities(np.array([9, token]))[1] for token in (5, 7)]
    assert after_unseen[0] > after_unseen[1]


def test_kneser_ney_longer_context_predicts_repeating_text_better():
    tokens = np.array(([1, 2, 3, 1, 2, 4, 1, 5] * 40)[:300])
    losses = []
    for order in (1, 2, 3, 5):
        model = KneserNey(6, order)
        model.fit(tokens)
        losses.append(model.nll(tokens))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.2 * losses[0]


def test_kneser_ney_unsigned_tokens_and_large_vocabulary_do_not_overflow():
    tokens = np.array([65_535, 0, 65_535, 0, 1], np.uint16)
    model = KneserNey(65_536)
    model.fit(tokens)
    wide = KneserNey(65_536)
    wide.fit(tokens.astype(np.int64))
    assert model.nll(tokens) == wide.nll(tokens.astype(np.int64))


def test_kneser_ney_refit_forgets_what_was_counted():
    model, fresh = KneserNey(5), KneserNey(5)
    model.fit(np.array([0, 1, 2, 3, 4] * 3))
    for each in (model, fresh):
        each.fit(np.array([4, 3, 2, 1]))
    assert model.nll(np.array([4, 3, 0])) == fresh.nll(np.array([4, 3, 0]))


def test_kneser_ney_nothing_to_score_is_zero():
    model = KneserNey(5)
    model.fit(np.array([1, 2]))
    assert model.nll(np.array([], np.int64)) == 0.0


def test_estimate_discounts_follow_chen_and_goodman():
    counts = np.repeat([1, 2, 3, 4, 9], [40, 12, 6, 3, 5])
    y = 40 / 64
    expected = (1 - 2 * y * 12 / 40, 2 - 3 * y * 6 / 12, 3 - 4 * y * 3 / 6)
    assert estimate_discounts(counts) == pytest.approx(expected)


@pytest.mark.parametrize(
    "repeats", [[0, 5, 5, 5], [5, 0, 5, 5], [5, 5, 5, 0], [100, 1, 100, 1], [0, 0, 0, 0]]
)
def test_estimate_discounts_degenerate_counts_fall_back(repeats):
    assert estimate_discounts(np.repeat([1, 2, 3, 4], repeats)) == FALLBACK_DISCOUNTS


def test_kneser_ney_bad_input_refused():
    model = KneserNey(5)
    with pytest.raises(InputError, match="call fit first"):
        model.nll(np.array([1]))
    with pytest.raises(InputError, match="found no tokens"):
        model.fit(np.array([], np.int64))
    for tokens in ([5], [-1]):
        with pytest.raises(InputError, match="expected 0 to 4"):
            model.fit(np.array(tokens))
    with pytest.raises(InputError, match="expected at least 1"):
        KneserNey(5, order=0)
