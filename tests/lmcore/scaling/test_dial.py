"""One dial: budgets are met, stated keys stay, every value names its rule, and what cannot be is refused."""

import pytest

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig
from lmcore.scaling.dial import DialConfig, compute_of, derive
from lmcore.train.config import TrainConfig
from lmcore.train.estimate import estimate_flops, estimate_seconds

BUDGETS = [float(f"{digit}e{power}") for power in range(10, 23) for digit in (1, 3, 7)]


def run_of(dial, stated=None, vocab_size=4096):
    """The model and the training that a recipe with this dial gets, and its values by key."""
    stated = stated or {}
    values = stated | {one.key: one.value for one in derive(dial, stated, vocab_size)}
    parts = {"model": {}, "pretrain": {}}
    for key, value in values.items():
        section, _, name = key.partition(".")
        if not name.startswith("data."):
            parts[section][name] = value
    return ModelConfig(**parts["model"]), TrainConfig(**parts["pretrain"]), values


@pytest.mark.parametrize("vocab_size", [1024, 32768])
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_budget_is_met_within_a_tenth_at_every_scale(vocab_size, optimizer):
    widths = []
    for compute in BUDGETS:
        if compute < 3e10 * vocab_size / 1024:
            continue
        dial = DialConfig(compute=compute)
        model, train, _ = run_of(dial, {"pretrain.optimizer": optimizer}, vocab_size)
        assert estimate_flops(model, vocab_size, train) == pytest.approx(compute, rel=0.1)
        widths.append(model.d_model)
    assert widths == sorted(widths)
    assert len(set(widths)) > 15


@pytest.mark.parametrize("compute", [1e14, 1e17, 1e20])
def test_budget_takes_nearly_the_optimal_tokens(compute):
    model, train, _ = run_of(DialConfig(compute=compute))
    tokens = train.steps * train.batch_size * model.context_length
    assert tokens / model.n_parameters(4096) == pytest.approx(20.0, rel=0.4)
    best_batch = 0.58 * tokens**0.571
    assert train.batch_size * model.context_length == pytest.approx(best_batch, rel=0.05)


def test_values_of_one_budget_by_hand():
    # d_model 64, 2 layers: n = 2 (4 64^2 + 3 64 192 + 128) + 64, head 2,048 x 64
    n_params = 2 * (4 * 64**2 + 3 * 64 * 192 + 128) + 64
    per_token = 6 * (2 * (4 * 64**2 + 3 * 64 * 192) + 2048 * 64) + 6 * 2 * 64 * 256
    tokens = 6e12 / per_token
    model, train, values = run_of(DialConfig(compute=6e12), vocab_size=2048)
    assert (model.d_model, model.n_layers, model.n_heads, model.context_length) == (64, 2, 2, 256)
    assert train.batch_size == round(0.58 * tokens**0.571 / 256)
    assert train.steps == round(tokens / (256 * train.batch_size))
    assert 1.79 * n_params**-0.713 * tokens**0.307 > 0.02
    assert train.lr == 0.02
    assert run_of(DialConfig(depth=2))[1].lr == 0.01
    assert train.warmup_steps == round(0.1 * train.steps)
    assert values["pretrain.data.max_epochs"] == 4.0


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 12, 20, 32])
def test_depth_gives_sixty_four_times_the_width_and_the_optimal_tokens(depth):
    model, train, _ = run_of(DialConfig(depth=depth), vocab_size=8192)
    assert (model.n_layers, model.d_model) == (depth, 64 * depth)
    tokens = train.steps * train.batch_size * model.context_length
    assert tokens == pytest.approx(20 * model.n_parameters(8192), rel=0.01)
    muon = run_of(DialConfig(depth=depth), {"pretrain.optimizer": "muon"}, 8192)[1]
    tokens = muon.steps * muon.batch_size * model.context_length
    assert tokens == pytest.approx(10.5 * model.n_non_embedding_parameters(), rel=0.02)


def test_learning_rate_falls_with_size_and_follows_a_stated_batch():
    small, large = (run_of(DialConfig(compute=c))[1] for c in (1e18, 1e20))
    assert large.lr < small.lr < 0.01
    stated = {"pretrain.batch_size": 4 * small.batch_size}
    scaled = run_of(DialConfig(compute=1e18), stated)[1]
    assert scaled.lr == pytest.approx(2 * small.lr, rel=0.01)


@pytest.mark.parametrize(
    "stated",
    [
        {"model.d_model": 128, "model.n_heads": 4},
        {"model.n_layers": 3},
        {"model.context_length": 128},
        {"pretrain.batch_size": 32},
        {"pretrain.steps": 500},
        {"pretrain.lr": 1e-3, "pretrain.optimizer": "lion"},
        {"pretrain.world_size": 4},
        {"model.tied_embeddings": False, "pretrain.warmup_steps": 5},
    ],
    ids="-".join,
)
def test_stated_keys_stay_and_the_rest_still_meets_the_budget(stated):
    dial = DialConfig(compute=3e13)
    model, train, values = run_of(dial, stated)
    assert {key: values[key] for key in stated} == stated
    assert not set(stated) & {one.key for one in derive(dial, stated, 4096)}
    assert estimate_flops(model, 4096, train) == pytest.approx(3e13, rel=0.1)


def test_steps_and_batch_stated_choose_the_model_that_spends_the_budget():
    stated = {"pretrain.steps": 400, "pretrain.batch_size": 16, "model.context_length": 256}
    # 400 x 16 x 256 tokens of d_model 128, 2 layers
    tokens = 400 * 16 * 256
    compute = tokens * ModelConfig(d_model=128, n_layers=2).training_flops_per_token(4096)
    model, _, _ = run_of(DialConfig(compute=float(compute)), stated)
    assert (model.d_model, model.n_layers) == (128, 2)


def test_every_value_names_a_rule_with_its_numbers():
    for dial in (DialConfig(compute=1e15), DialConfig(depth=6)):
        rules = {one.key: one.rule for one in derive(dial, {}, 4096)}
        assert len(rules) == 11
        assert all(rules.values())
        assert "64" in rules["model.d_model"] or "1e+15" in rules["model.d_model"]
        assert "parameters" in rules["pretrain.steps"]
        assert "0.58 D^0.571" in rules["pretrain.batch_size"]


def test_no_dial_derives_nothing():
    assert derive(DialConfig(), {}, 4096) == []


def test_own_ratio_replaces_the_published_one():
    stated = DialConfig(depth=4, tokens_per_parameter=5.0)
    model, train, _ = run_of(stated)
    tokens = train.steps * train.batch_size * model.context_length
    assert tokens == pytest.approx(5 * model.n_parameters(4096), rel=0.01)


def test_time_becomes_compute_and_is_estimated_back():
    compute = compute_of(600.0, 3.14e11, 0.7)
    assert compute == 1.3e14  # two digits
    model, train, _ = run_of(DialConfig(compute=compute))
    seconds = estimate_seconds(estimate_flops(model, 4096, train), 3.14e11)
    assert seconds == pytest.approx(600, rel=0.15)


@pytest.mark.parametrize(
    ("dial", "stated", "message"),
    [
        ({"compute": 1e7}, {}, r"leaves 1 steps .* at least 20, that is 5\.5e\+09 FLOPs; raise the dial"),
        ({"compute": 1e12}, {"pretrain.steps": 9000, "pretrain.batch_size": 64},
         r"make a run of 1\.\d+e\+14 FLOPs .* expected 1e\+12 within 10%"),
        ({"compute": 1e15}, {"pretrain.optimizer": "lion"}, "no pretrain.lr"),
        ({"compute": 1e15}, {"model.d_model": "wide"}, "model.d_model = 'wide'; expected a number"),
        ({"seconds": 60.0}, {}, "dial.seconds 60 and no rate"),
    ],
)  # fmt: skip
def test_dial_that_cannot_be_met_is_refused_with_numbers(dial, stated, message):
    with pytest.raises(ConfigError, match=message):
        derive(DialConfig(**dial), stated, 4096)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"compute": 1e12, "depth": 4}, "dial.compute and dial.depth; expected one number"),
        ({"depth": -1}, "dial.depth -1"),
        ({"compute": float("inf")}, "dial.compute inf"),
        ({"max_epochs": 0.0}, "dial.max_epochs 0"),
    ],
)
def test_dial_of_two_numbers_or_none_that_could_be_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        DialConfig(**fields)
