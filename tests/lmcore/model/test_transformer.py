import math

import pytest
import torch

from lmcore.errors import ConfigError, InputError
from lmcore.model.cache import KVCache
from lmcore.model.config import ModelConfig
from lmcore.model.loss import linear_cross_entropy_reference
from lmcore.model.transformer import Transformer

SMALL = {"d_model": 16, "n_layers": 2, "n_heads": 2, "context_length": 12}


def fresh(vocab_size=20, seed=0, **changes):
    return Transformer(ModelConfig(**(SMALL | changes)), vocab_size, seed=seed)


def small(**changes):
    """A model whose every weight matters; a fresh one starts its projections at zero."""
    model = fresh(**changes)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
        else:
            torch.nn.init.uniform_(parameter, 0.5, 1.5, generator=generator)
    return model


def test_fresh_blocks_pass_the_stream_on_unchanged():
    model, ids = fresh(), some_ids()
    torch.testing.assert_close(model.features(ids), model.norm(model.embedding(ids)))


def some_ids(rows=3, length=12, vocab_size=20):
    return torch.randint(0, vocab_size, (rows, length), generator=torch.Generator().manual_seed(7))


GPT2 = {"norm": "layer", "activation": "gelu", "positions": "learned", "biases": True}
VARIANTS = [
    {},
    {"qk_norm": True},
    GPT2,
    {"norm": "layer"},
    {"tied_embeddings": False},
    {"d_ff": 40},
    {"activation": "gelu", "qk_norm": True},
    {"positions": "learned", "tied_embeddings": False},
    {"biases": True},
    {"norm": "layer", "biases": True, "positions": "learned"},
]


@pytest.mark.parametrize("changes", VARIANTS)
def test_parameter_count_any_variant_equals_the_config(changes):
    model = small(**changes)
    assert model.n_parameters() == model.config.n_parameters(20)
    tables = 20 * 16 * (1 if model.config.tied_embeddings else 2)
    tables += 12 * 16 if model.config.positions == "learned" else 0
    assert model.n_parameters(non_embedding=True) == model.n_parameters() - tables


def test_flops_default_model_equal_the_sum_by_hand():
    config = ModelConfig(d_model=128, n_layers=4, d_ff=384, context_length=256)
    matrices = 4 * (4 * 128 * 128 + 3 * 128 * 384) + 4096 * 128
    attention_forward = 4 * (2 * 2 * 128 * 256 / 2)
    assert config.training_flops_per_token(4096) == 6 * matrices + 3 * attention_forward


def test_flops_gelu_has_two_matrices_where_swiglu_has_three():
    shape = {"d_model": 128, "d_ff": 512, "n_layers": 4}
    swiglu, gelu = ModelConfig(**shape), ModelConfig(**shape, activation="gelu")
    lacking = 6 * 4 * 128 * 512
    assert gelu.training_flops_per_token(99) == swiglu.training_flops_per_token(99) - lacking


def test_d_ff_zero_is_eight_thirds_rounded_up():
    assert ModelConfig(d_model=128).hidden_dim == 384
    assert ModelConfig(d_model=512, n_heads=8).hidden_dim == 1408
    assert ModelConfig(d_model=24, n_heads=2).hidden_dim == 64
    assert ModelConfig(d_model=24, n_heads=2, activation="gelu").hidden_dim == 96


@pytest.mark.parametrize(
    "changes",
    [
        {"d_model": 0},
        {"n_heads": 3},
        {"d_model": 12, "n_heads": 4},
        {"d_ff": -1},
        {"norm_eps": 0.0},
        {"norm": "batch"},
        {"activation": "relu"},
        {"positions": "alibi"},
    ],
)
def test_config_impossible_shape_is_refused(changes):
    with pytest.raises(ConfigError):
        ModelConfig(**(SMALL | changes))


@pytest.mark.parametrize("changes", VARIANTS)
def test_logits_later_token_changes_nothing_before_it(changes):
    model, ids = small(**changes), some_ids()
    changed = ids.clone()
    changed[:, 8] = (ids[:, 8] + 1) % 20
    before, after = model(ids), model(changed)
    assert torch.equal(before[:, :8], after[:, :8])
    assert not torch.allclose(before[:, 8:], after[:, 8:])


def test_first_loss_of_random_tokens_is_little_above_a_uniform_guess():
    ids = some_ids(200)
    loss = fresh().loss(ids[:, :-1], ids[:, 1:]) / ids[:, 1:].numel()
    assert math.log(20) < loss.item() < math.log(20) + 2.0


@pytest.mark.parametrize("changes", VARIANTS)
def test_loss_and_gradients_equal_those_of_all_logits(changes):
    ids = some_ids()
    fast, slow = small(**changes), small(**changes)
    fast.loss(ids[:, :-1], ids[:, 1:]).backward()
    logits_weight = slow.head_weight
    features = slow.features(ids[:, :-1]).flatten(0, 1)
    linear_cross_entropy_reference(features, logits_weight, ids[:, 1:].flatten()).backward()
    for (name, a), b in zip(fast.named_parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name)


@pytest.mark.parametrize("cuts", [(12,), (1,) * 12, (5, 7), (5, 1, 3, 3)])
@pytest.mark.parametrize("changes", [*VARIANTS[:3], {"norm": "layer", "biases": True}])
def test_logits_with_cache_equal_those_without(cuts, changes):
    model, ids = small(**changes), some_ids()
    cache = KVCache(model.config, 3, 12)
    parts, start = [], 0
    with torch.inference_mode():
        for n in cuts:
            parts.append(model(ids[:, start : start + n], cache=cache))
            start += n
        torch.testing.assert_close(torch.cat(parts, dim=1), model(ids), rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, GPT2])
def test_logits_left_padding_and_mask_change_nothing(changes):
    model, ids = small(**changes), some_ids(1, 6)
    padded = torch.cat((torch.zeros(1, 3, dtype=torch.int64), ids), dim=1)
    positions = torch.tensor([[0, 0, 0, 0, 1, 2, 3, 4, 5]])
    visible = (torch.arange(9) >= 3) & torch.ones(9, 9).bool().tril() | torch.eye(9).bool()
    logits = model(padded, positions, visible[None, None])
    torch.testing.assert_close(logits[:, 3:], model(ids), rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("changes", [{}, GPT2])
def test_sequence_longer_than_the_context_is_refused(changes):
    with pytest.raises(InputError, match="13 tokens"):
        small(**changes)(some_ids(1, 13))


@pytest.mark.parametrize("changes", [{}, GPT2])
def test_cache_and_new_tokens_longer_than_the_context_are_refused(changes):
    model = small(**changes)
    cache = KVCache(model.config, 1, 20)
    model(some_ids(1, 12), cache=cache)
    with pytest.raises(InputError, match="13 tokens"):
        model(some_ids(1, 1), cache=cache)


def test_weights_same_seed_are_equal_and_other_seed_are_not():
    assert torch.equal(fresh().embedding.weight, fresh().embedding.weight)
    assert not torch.equal(fresh().embedding.weight, fresh(seed=1).embedding.weight)


def test_autocast_loss_is_near_float32():
    model, ids = small(), some_ids()
    exact = model.loss(ids[:, :-1], ids[:, 1:])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model.loss(ids[:, :-1], ids[:, 1:])
    torch.testing.assert_close(rough, exact, rtol=1e-2, atol=0.0)
