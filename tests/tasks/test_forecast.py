"""What a plan says of the data, once its tokens are there."""

import random

import pytest

from flows import recipe as recipes
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import encode_to_shards
from tasks.forecast import forecast, own_ratio
from tasks.graph import Sources, journey
from tasks.planning import Planned
from warehouse.parquet import write_rows
from warehouse.store import Store

KEY = "0" * 64


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store in which the token shards of a recipe lie, and little else."""
    store = Store(tmp_path_factory.mktemp("store"))
    rng = random.Random(0)
    texts = [
        " ".join(rng.choices(["crawl", "page", "token"], k=rng.randint(9, 90))) for _ in range(60)
    ]
    tokenizer = train_bpe(texts, TokenizerConfig(vocab_size=270))
    documents = [(str(i), text) for i, text in enumerate(texts)]
    encode_to_shards(documents, tokenizer, store.path_of("tokens", KEY), TokensConfig())
    return store


def said(store, *overrides, state="cached"):
    steps = journey(recipes.load("smoke", overrides).sections(), Sources())
    planned = [Planned(step.name, state, "", KEY) for step in steps]
    return list(forecast(store, steps, planned))


def test_nothing_is_said_before_the_tokens_are_there(store):
    assert said(store, state="unknown") == []


def test_epochs_and_packing_are_said(store):
    (plain,) = said(store)
    assert plain.startswith("pretrain reads all: 480 windows, ")
    epochs, packing = said(store, "pretrain.data.packing=split")
    assert "epochs of" in epochs
    assert "0.00% of the tokens discarded; plain, " in packing


def test_run_that_would_read_too_often_is_said_to_be_refused(store):
    (refused,) = said(store, "pretrain.data.max_epochs=2", "pretrain.steps=6000")
    assert "pretrain would be refused: found that the training split would be read" in refused
    assert "expected at most pretrain.data.max_epochs = 2" in refused


@pytest.mark.parametrize(("is_interior", "n_said"), [(True, 1), (False, 0)])
def test_ratio_of_the_recipes_own_sweep_is_offered_to_the_dial(tmp_path, is_interior, n_said):
    store = Store(tmp_path)
    optima = [
        {
            "budget_flops": budget,
            "n_params": 1e5,
            "n_tokens": n_tokens,
            "loss": 3.0,
            "is_interior": inside,
        }
        for budget, n_tokens, inside in ((1e11, 3e5, True), (4e11, 9e5, True), (9e11, 5e6, False))
    ]
    rows = [row for row in optima if is_interior or not row["is_interior"]]
    write_rows(store.path_of("scaling", KEY) / "scaling_optima.parquet", "scaling_optima", rows)
    steps = journey(recipes.load("smoke").sections(), Sources())
    cached = [Planned(step.name, "cached", "", KEY) for step in steps]
    found = list(own_ratio(store, steps, cached))
    assert len(found) == n_said
    for sentence in found:
        assert sentence.startswith("the sweep's optimum at 4e+11 FLOPs is 9.0 tokens a parameter")
    assert list(own_ratio(store, steps, [Planned("scaling", "run", "", KEY)])) == []
