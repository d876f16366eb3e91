"""Runs that go on from another's checkpoint: the bytes of one that was alone, or a refusal."""

import dataclasses

import pytest

from lmcore.errors import InputError
from lmcore.optim.schedule import SCHEDULES
from lmcore.train.branching import is_same_up_to
from lmcore.train.checkpoint import checkpoint_dir
from lmcore.train.config import TrainConfig
from lmcore.train.loop import run

FINAL_FILES = ("model.safetensors", "model.json", "metrics.parquet")


def final_bytes(spec):
    return [(spec.out_dir / "final" / name).read_bytes() for name in FINAL_FILES]


@pytest.mark.parametrize(
    "changes",
    [{"steps": 14}, {"steps": 8, "decay_share": 0.25}, {"decay_share": 0.5, "min_lr_ratio": 0.0}],
    ids=["longer", "shorter", "other-decay"],
)
def test_branch_from_a_stable_checkpoint_makes_the_bytes_of_a_run_alone(make_spec, changes):
    trunk = make_spec("trunk", schedule="wsd", checkpoint_every=3)
    run(trunk)
    alone = make_spec("alone", **{"schedule": "wsd", "checkpoint_every": 3} | changes)
    run(alone)
    branch = dataclasses.replace(
        alone,
        out_dir=alone.out_dir.with_name("branch"),
        resume_dir=checkpoint_dir(trunk.out_dir, 6),
    )
    run(branch)
    assert final_bytes(branch) == final_bytes(alone)
    assert not checkpoint_dir(branch.out_dir, 3).exists()


def test_lengthened_run_of_inverse_sqrt_makes_the_bytes_of_a_run_alone(make_spec):
    short = make_spec("short", schedule="inverse_sqrt")
    run(short)
    alone = make_spec("alone", schedule="inverse_sqrt", steps=18)
    run(alone)
    longer = dataclasses.replace(
        alone,
        out_dir=alone.out_dir.with_name("longer"),
        resume_dir=checkpoint_dir(short.out_dir, 12),
    )
    run(longer)
    # the short run's last step was measured off the interval; that row is not of this run
    assert final_bytes(longer) == final_bytes(alone)


def test_branch_from_the_decay_is_refused_with_the_step(make_spec):
    trunk = make_spec("trunk", schedule="wsd", steps=10, decay_share=0.5, checkpoint_every=3)
    run(trunk)
    branch = make_spec(
        "branch", schedule="wsd", steps=20, resume_dir=checkpoint_dir(trunk.out_dir, 6)
    )
    with pytest.raises(InputError, match=r"train.steps 10 .*learning rates up to .* step 6"):
        run(branch)


def rates(config, step):
    extra = {"decay_share": config.decay_share} if config.schedule == "wsd" else {}
    return [
        SCHEDULES[config.schedule](
            n,
            steps=config.steps,
            lr=config.lr,
            min_lr_ratio=config.min_lr_ratio,
            warmup_steps=config.warmup_steps,
            **extra,
        )
        for n in range(1, step + 1)
    ]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_runs_are_the_same_just_as_long_as_their_learning_rates_are(schedule):
    one = TrainConfig(steps=50, warmup_steps=5, schedule=schedule)
    other = dataclasses.replace(one, steps=80)
    alike = [
        is_same_up_to(step, dataclasses.asdict(one), dataclasses.asdict(other))
        for step in range(1, 81)
    ]
    expected = [step <= 50 and rates(one, step) == rates(other, step) for step in range(1, 81)]
    assert alike == expected
    ends = {"cosine": 5, "linear": 5, "inverse_sqrt": 50, "wsd": 40}
    assert sum(alike) == ends[schedule]


@pytest.mark.parametrize("field", ["lr", "seed", "batch_size", "optimizer", "warmup_steps"])
def test_runs_that_differ_in_anything_else_are_not_the_same(field):
    values = {"lr": 1e-3, "seed": 1, "batch_size": 8, "optimizer": "lion", "warmup_steps": 6}
    one = dataclasses.asdict(TrainConfig(schedule="wsd"))
    assert not is_same_up_to(1, one, one | {field: values[field]})
    assert is_same_up_to(1, one, one | {"threads": 1, "checkpoint_every": 7})
