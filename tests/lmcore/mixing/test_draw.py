"""Tokens become whole copies: as many as fit, whatever the order, and the rows say what was drawn."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.mixing.draw import draw_copies, mixture
from lmcore.mixing.groups import Document, group_tokens
from lmcore.mixing.reference import draw_reference
from lmcore.mixing.weights import ask_tokens, temperature_weights

FEW = settings(max_examples=60, deadline=None)
DOCUMENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(1, 50)), min_size=1, max_size=30
).map(lambda rows: [Document(f"d{n}", group, size) for n, (group, size) in enumerate(rows)])


def asked_of(documents, factor):
    sizes = group_tokens(documents)
    budget = int(factor * sum(sizes.values()))
    return budget, ask_tokens(temperature_weights(sizes, 3.0), sizes, budget, 4.0)


@FEW
@given(DOCUMENTS, st.floats(0, 5), st.integers(0, 3), st.randoms())
def test_copies_agree_with_the_reference_in_any_order(documents, factor, seed, chance):
    _, asked = asked_of(documents, factor)
    shuffled = [*documents]
    chance.shuffle(shuffled)
    found = draw_copies(shuffled, asked, seed)
    assert found == draw_reference(documents, asked, seed)


@FEW
@given(DOCUMENTS, st.floats(0, 5))
def test_tokens_drawn_are_those_asked_but_for_less_than_a_document(documents, factor):
    budget, asked = asked_of(documents, factor)
    copies = draw_copies(documents, asked, 0)
    weights = temperature_weights(group_tokens(documents), 3.0)
    for share in mixture(documents, weights, asked, copies, budget=budget):
        mine = [document for document in documents if document.group == share.group_name]
        assert share.n_tokens_drawn == sum(d.n_tokens * copies[d.doc_id] for d in mine)
        assert 0 <= share.n_tokens_asked - share.n_tokens_drawn < max(d.n_tokens for d in mine)
        assert share.epochs == pytest.approx(share.n_tokens_drawn / share.n_tokens)
        numbers = {copies[d.doc_id] for d in mine}
        assert max(numbers) - min(numbers) <= 1
        assert max(numbers) <= 4


def test_another_seed_draws_other_documents():
    documents = [Document(f"d{n}", "a", 1) for n in range(100)]
    drawn = [draw_copies(documents, {"a": 150}, seed) for seed in (0, 1)]
    assert drawn[0] != drawn[1]
    assert all(sum(copies.values()) == 150 for copies in drawn)


def test_mixture_says_which_groups_are_capped():
    documents = [Document("d0", "small", 10), *(Document(f"e{n}", "big", 10) for n in range(90))]
    weights = {"big": 0.5, "small": 0.5}
    asked = ask_tokens(weights, group_tokens(documents), 500, 2.0)
    copies = draw_copies(documents, asked, 0)
    shares = {s.group_name: s for s in mixture(documents, weights, asked, copies, budget=500)}
    assert (shares["small"].is_capped, shares["small"].epochs) == (True, 2.0)
    assert (shares["big"].is_capped, shares["big"].n_tokens_drawn) == (False, 480)


def test_copies_are_drawn_evenly_over_the_documents():
    chance = random.Random(1)
    documents = [Document(f"d{n}", "a", chance.randint(1, 9)) for n in range(4000)]
    total = sum(document.n_tokens for document in documents)
    copies = draw_copies(documents, {"a": total // 4}, 0)
    halves = (sum(copies[d.doc_id] for d in half) for half in (documents[:2000], documents[2000:]))
    first, second = halves
    assert 0.9 < first / second < 1.1
