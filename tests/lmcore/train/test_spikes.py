import math
import statistics

import pytest
import torch

from lmcore.errors import InputError
from lmcore.train.config import TrainConfig
from lmcore.train.loop import run
from lmcore.train.metrics import read_metrics
from lmcore.train.spikes import SpikeGuard
from lmcore.train.step import Trainer
from lmcore.train.world import World

# a window this short and a bar this low make ordinary batches spikes
EDGY = {"spike_sigmas": 3.0, "spike_window": 6, "max_spikes": 100, "lr": 0.1}


def guard(**fields):
    return SpikeGuard(TrainConfig(**fields))


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_what_is_not_finite_is_a_spike_from_the_first_step(loss):
    assert "not finite" in guard().find(loss, 1.0)
    assert "not finite" in guard().find(1.0, loss)
    assert guard().find(1e9, 1e9) is None


def test_spike_is_what_lies_sigmas_above_the_mean_of_a_half_full_window():
    values = [3.0, 3.1, 2.9, 3.0, 3.05, 2.95, 3.0, 3.1]
    one = guard(spike_sigmas=6.0, spike_window=16)
    for value in values[:-1]:
        one.accept(value, 1.0)
    assert one.find(1e6, 1.0) is None  # fewer than half of the window
    one.accept(values[-1], 1.0 + 1e-9)
    limit = statistics.fmean(values) + 6.0 * statistics.stdev(values)
    assert one.find(limit - 1e-9, 1.0) is None
    assert "loss" in one.find(limit + 1e-9, 1.0)
    assert "gradient norm" in one.find(3.0, 2.0)


def test_window_forgets_what_is_older_and_comes_back_from_its_state():
    one = guard(spike_sigmas=2.0, spike_window=4)
    for value in range(10):
        one.accept(float(value), 0.0)
    assert list(one.losses) == [6.0, 7.0, 8.0, 9.0]
    other = guard(spike_sigmas=2.0, spike_window=4)
    other.restore(one.state())
    assert other.state() == one.state()


def everything(trainer):
    state = {name: tensor.clone() for name, tensor in trainer.state().items()}
    return state, [group["step"] for group, _ in trainer.updates.groups]


def test_skipped_step_leaves_every_tensor_as_it_was_to_the_bit(make_spec):
    spec = make_spec(on_spike="skip", lr=1e30, warmup_steps=0, clip_norm=1e30, ema_decay=0.9)
    trainer = Trainer(spec, World())
    assert trainer.train_step(1).verdict.is_update
    before, counts = everything(trainer)
    result = trainer.train_step(2)
    assert not math.isfinite(result.grad_norm)
    assert result.verdict.event.startswith("skip: loss")
    after, counts_after = everything(trainer)
    assert counts_after == counts == [1] * len(counts)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(p.grad is None for p in trainer.parameters.values())


def test_more_spikes_than_allowed_stop_the_run(make_spec):
    spec = make_spec(on_spike="skip", lr=1e30, warmup_steps=0, clip_norm=1e30, max_spikes=3)
    with pytest.raises(InputError, match=r"in step 5 of 12 .* after 3 spikes.*max_spikes \(now 3"):
        run(spec)


def test_policy_stop_refuses_a_spike_of_the_window(make_spec):
    with pytest.raises(InputError, match=r"above .* 3 sigma over the mean of \d updates in step"):
        run(make_spec(on_spike="stop", steps=30, **EDGY))


def rows_of(spec):
    return read_metrics(spec.out_dir / "final" / "metrics.parquet")


def test_skipped_steps_are_rows_with_a_reason(make_spec):
    spec = make_spec(on_spike="skip", steps=30, **EDGY)
    run(spec)
    train = [row for row in rows_of(spec) if row.split == "train"]
    assert [row.step for row in train] == list(range(1, 31))
    assert [row.position for row in train] == [4 * step for step in range(30)]
    skipped = [row for row in train if row.event]
    assert skipped
    assert all(row.event.startswith("skip: ") for row in skipped)


def test_roll_back_returns_to_the_checkpoint_and_passes_over_the_batches(make_spec):
    spec = make_spec(on_spike="roll_back", steps=26, checkpoint_every=6, **EDGY)
    run(spec)
    rows = rows_of(spec)
    undone = [row for row in rows if row.split == "spike"]
    assert undone
    train = [row for row in rows if row.split == "train"]
    assert [row.step for row in train] == list(range(1, 27))
    # every batch is read once or passed over once, in the order of the data
    positions = [row.position // 4 for row in train]
    assert positions == sorted(set(positions))
    passed_over = set(range(positions[-1] + 1)) - set(positions)
    expected = set()
    for row in undone:
        back_to = int(row.event.split("step ")[1].split(":")[0])
        assert back_to % 6 == 0
        last = row.position // 4
        expected |= set(range(last - (row.step - back_to) + 1, last + 1))
    assert passed_over == expected


def test_rolled_back_trainer_is_the_one_of_the_checkpoint(make_spec):
    spec = make_spec(on_spike="roll_back", steps=40, checkpoint_every=6, ema_decay=0.9, **EDGY)
    trainer = Trainer(spec, World())
    seen, step = {}, 0
    while True:
        result = trainer.train_step(step + 1)
        if result.verdict.back_to is not None:
            break
        step += 1
        seen[step] = everything(trainer), trainer.updates._numbers()
    back_to = result.verdict.back_to
    assert 0 < back_to <= step
    (state, counts), numbers = seen[back_to]
    now, counts_now = everything(trainer)
    assert counts_now == counts
    assert all(torch.equal(now[name], state[name]) for name in state)
    assert trainer.updates._numbers() == numbers
    assert trainer.position(back_to + 1) == 4 * (step + 1)
