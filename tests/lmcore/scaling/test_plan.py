import pytest

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig
from lmcore.scaling.config import ScalingConfig
from lmcore.scaling.plan import plan, skipped

CONFIG = ScalingConfig(budgets=(1e12, 4e12), sizes=((32, 2), (64, 2), (96, 3)))


def test_plan_points_meet_their_budget_within_half_a_step() -> None:
    points = plan(CONFIG, 4096, 10_000_000)
    assert len(points) == 6
    for point in points:
        step = 6 * point.n_params * point.batch_size * point.context_length
        assert abs(point.flops - point.budget_flops) <= step / 2
        assert point.flops == 6 * point.n_params * point.n_tokens
        assert point.n_tokens == point.steps * point.batch_size * point.context_length


def test_plan_counts_the_parameters_of_the_models_it_names() -> None:
    for point in plan(CONFIG, 1000, 100_000_000):
        model = ModelConfig(d_model=point.d_model, n_layers=point.n_layers, n_heads=point.n_heads)
        assert point.n_params == model.n_parameters(1000)
        assert point.n_params - point.n_params_non_embedding == 1000 * point.d_model
        assert point.d_model // point.n_heads == CONFIG.head_dim


def test_plan_names_are_distinct_and_order_is_by_budget_then_size() -> None:
    shuffled = ScalingConfig(budgets=CONFIG.budgets[::-1], sizes=CONFIG.sizes[::-1])
    points = plan(shuffled, 4096, 10_000_000)
    assert points == plan(CONFIG, 4096, 10_000_000)
    assert len({point.name for point in points}) == 6
    keys = [(point.budget_flops, point.d_model) for point in points]
    assert keys == sorted(keys)


def test_points_beyond_the_epochs_allowed_are_skipped_with_their_numbers() -> None:
    available = 500_000
    kept, left_out = plan(CONFIG, 4096, available), skipped(CONFIG, 4096, available)
    assert len(kept) + len(left_out) == 6
    assert all(point.epochs <= CONFIG.max_epochs for point in kept)
    assert [point.name for point in left_out] == ["c4e+12-d32-l2"]
    assert "4 epochs of 500,000" in left_out[0].reason


def test_points_of_too_few_steps_are_skipped() -> None:
    config = ScalingConfig(budgets=(1e10,), sizes=((32, 1), (256, 8)), min_steps=4)
    assert [point.d_model for point in plan(config, 512, 10**9)] == [32]
    assert "fewer than 4" in skipped(config, 512, 10**9)[0].reason


def test_plan_without_tokens_skips_everything() -> None:
    assert plan(CONFIG, 4096, 0) == []
    assert len(skipped(CONFIG, 4096, 0)) == 6


def test_learning_rate_falls_with_width_and_is_capped() -> None:
    config = ScalingConfig(
        budgets=(1e12,), sizes=((32, 2), (128, 2), (256, 2)), lr=4e-3, lr_width=128, max_lr=1e-2
    )
    assert [point.lr for point in plan(config, 512, 10**9)] == [1e-2, 4e-3, 2e-3]


@pytest.mark.parametrize(
    "fields",
    [
        {"budgets": ()},
        {"budgets": (1e12, 1e12)},
        {"budgets": (-1.0,)},
        {"sizes": ((48, 2),)},
        {"sizes": ((64, 0),)},
        {"head_dim": 1, "sizes": ((3, 1),)},
        {"batch_size": 0},
        {"lr": 0.0},
        {"warmup_share": 1.0},
        {"max_epochs": 0.0},
        {"seed": -1},
    ],
)
def test_config_that_cannot_work_is_refused(fields: dict) -> None:
    with pytest.raises(ConfigError):
        ScalingConfig(**fields)
