"""Weights become tokens: by the papers' rules, under the caps, to the last token."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.errors import ConfigError, InputError
from lmcore.mixing.config import MixConfig
from lmcore.mixing.groups import Document, bucket, gather, group_tokens
from lmcore.mixing.reference import unimax_reference
from lmcore.mixing.weights import ask_tokens, budget_of, temperature_weights, weights_of

FEW = settings(max_examples=60, deadline=None)
SIZES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 10**6), min_size=1)
EPOCHS = st.sampled_from([0.3, 1.0, 2.5, 4.0, 100.0])
BUDGET = st.integers(1, 10**7)


@FEW
@given(SIZES)
def test_temperature_of_one_is_proportional_and_a_great_one_uniform(sizes):
    total = sum(sizes.values())
    for group, weight in temperature_weights(sizes, 1.0).items():
        assert weight == pytest.approx(sizes[group] / total)
    for temperature in (1e9, math.inf):
        for weight in temperature_weights(sizes, temperature).values():
            assert weight == pytest.approx(1 / len(sizes), rel=1e-6)


def test_temperature_is_the_root_of_the_size():
    found = temperature_weights({"a": 16, "b": 1}, 2.0)
    assert found == pytest.approx({"a": 4 / 5, "b": 1 / 5})


@FEW
@given(SIZES, BUDGET, EPOCHS, st.floats(0.5, 10))
def test_tokens_add_up_to_the_budget_or_to_all_there_is_and_no_cap_is_broken(
    sizes, budget, max_epochs, temperature
):
    weights = temperature_weights(sizes, temperature)
    asked = ask_tokens(weights, sizes, budget, max_epochs)
    caps = {group: int(n * Fraction(str(max_epochs))) for group, n in sizes.items()}
    assert sum(asked.values()) == min(budget, sum(caps.values()))
    assert all(0 <= asked[group] <= caps[group] for group in sizes)


@FEW
@given(SIZES, BUDGET, EPOCHS)
def test_equal_weights_under_a_cap_are_unimax(sizes, budget, max_epochs):
    equal = weights_of(sizes, MixConfig(by=("language",), method="unimax"))
    asked = ask_tokens(equal, sizes, budget, max_epochs)
    expected = unimax_reference(sizes, budget, max_epochs)
    for group in sizes:
        # a cap is whole here, and what it leaves is shared among the others
        assert abs(asked[group] - expected[group]) <= len(sizes) + 1


@FEW
@given(SIZES, BUDGET, EPOCHS)
def test_tokens_do_not_depend_on_the_order_of_groups(sizes, budget, max_epochs):
    turned = dict(reversed(sizes.items()))
    weights = temperature_weights(sizes, 2.0)
    assert ask_tokens(weights, sizes, budget, max_epochs) == ask_tokens(
        dict(reversed(weights.items())), turned, budget, max_epochs
    )


def test_what_a_full_group_leaves_goes_to_the_others_by_weight():
    weights = {"small": 0.5, "a": 0.375, "b": 0.125}
    asked = ask_tokens(weights, {"small": 10, "a": 1000, "b": 1000}, 420, 2.0)
    assert asked == {"small": 20, "a": 300, "b": 100}


def test_group_without_weight_gets_nothing_even_where_others_are_full():
    assert ask_tokens({"a": 1.0, "b": 0.0}, {"a": 5, "b": 5}, 100, 2.0) == {"a": 10, "b": 0}


def test_factors_make_their_multiple_of_each_bucket():
    config = MixConfig(by=("quality",), method="factors", groups=("<0.5", ">=0.8", "other"),
                       weights=(0.0, 3.0, 1.0))  # fmt: skip
    sizes = {"<0.5": 400, ">=0.8": 100, "other": 200}
    budget = budget_of(sizes, config)
    assert budget == 500
    asked = ask_tokens(weights_of(sizes, config), sizes, budget, config.max_epochs)
    assert asked == {"<0.5": 0, ">=0.8": 300, "other": 200}


def test_stated_weights_are_divided_by_their_sum():
    config = MixConfig(by=("language",), method="weights", groups=("en", "de"), weights=(3.0, 1.0))
    sizes = {"de": 10, "en": 10}
    assert weights_of(sizes, config) == {"de": 0.25, "en": 0.75}
    assert budget_of(sizes, config) == 20
    with pytest.raises(InputError, match="add 'other'"):
        weights_of({**sizes, "other": 5}, config)


@pytest.mark.parametrize(
    ("value", "name"), [(0.1, "<0.5"), (0.5, "0.5-0.8"), (0.79, "0.5-0.8"), (0.8, ">=0.8")]
)
def test_bucket_ends_where_the_next_begins(value, name):
    assert bucket(value, (0.5, 0.8)) == name
    assert bucket(value, ()) == "all"


def documents_of(**sizes):
    return [Document(f"{group}{n}", group, 1) for group, size in sizes.items() for n in range(size)]


def test_gather_keeps_the_largest_groups_and_loses_no_token():
    documents = documents_of(a=5, b=3, c=2, d=2)
    assert group_tokens(gather(documents, max_groups=3)) == {"a": 5, "b": 3, "other": 4}
    assert group_tokens(gather(documents, max_groups=4)) == {"a": 5, "b": 3, "c": 2, "d": 2}
    assert group_tokens(gather(documents, named=("c",), max_groups=1)) == {"c": 2, "other": 10}


def test_gather_of_a_name_that_no_document_has_says_which_there_are():
    with pytest.raises(InputError, match="some of a, b"):
        gather(documents_of(a=1, b=1), named=("x", "other"), max_groups=3)


@pytest.mark.parametrize(
    "given",
    [
        {"by": ("colour",)},
        {"by": ("host", "host")},
        {"temperature": 0.0},
        {"max_epochs": 0.0},
        {"max_epochs": math.inf},
        {"n_tokens": -1},
        {"max_groups": 0},
        {"method": "weights"},
        {"method": "weights", "groups": ("a",), "weights": (0.0,)},
        {"method": "weights", "groups": ("a", "b"), "weights": (1.0, -1.0)},
        {"method": "weights", "groups": ("a", "a"), "weights": (1.0, 1.0)},
        {"groups": ("a",), "weights": (1.0,)},
        {"quality_edges": (0.8, 0.5)},
        {"method": "sources"},
        {"method": "sources", "by": ("language",), "n_tokens": 5},
        {"learn": True},
        {"learn": True, "by": ("host",), "method": "unimax"},
    ],
)
def test_mixture_that_makes_no_sense_is_refused(given):
    with pytest.raises(ConfigError):
        MixConfig(**given)
