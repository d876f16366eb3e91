"""Turns: exact shares, each rank of a source once and in order, caps that hold."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcore.errors import InputError
from lmcore.tokens.data_config import DataConfig
from lmcore.tokens.turns import Turn, plan_turns

MIXTURES = [
    (0.5, 0.5),
    (0.7, 0.2, 0.1),
    (1.0, 0.0, 3.0),
    (0.001, 0.999),
    tuple(float(k) for k in range(1, 21)),
]
NAMES = "abcdefghijklmnopqrstuvwxyz"


def turns_of(*, n_windows=10**6, steps=100, batch_size=8, seed=0, **fields):
    n_sources = len(fields["weights"]) if "weights" in fields else len(fields["schedule"][0]) - 1
    config = DataConfig(sources=tuple(NAMES[:n_sources]), **fields)
    sizes = n_windows if isinstance(n_windows, list) else [n_windows] * n_sources
    return plan_turns(config, sizes, steps=steps, batch_size=batch_size, seed=seed)


@pytest.mark.parametrize("weights", MIXTURES)
@pytest.mark.parametrize("seed", [0, 1, 99])
def test_turns_keep_every_share_exact_after_any_number_of_draws(weights, seed):
    turns, notes = turns_of(weights=weights, seed=seed)
    counts, total = Counter(), sum(weights)
    for index in range(3000):
        assert turns.counts(index) == tuple(counts[k] for k in range(len(weights)))
        turn = turns.turn(index)
        assert turn.rank == counts[turn.source]  # no rank is left out, none comes twice
        counts[turn.source] += 1
        for source, weight in enumerate(weights):
            assert abs(counts[source] - weight / total * (index + 1)) < 2.5
    assert notes == ()


def test_turns_far_away_are_as_cheap_and_exact():
    turns, _ = turns_of(weights=(0.7, 0.2, 0.1))
    counts = turns.counts(10**15)
    assert sum(counts) == 10**15
    assert abs(counts[1] - 2 * 10**14) < 10**4  # shares are 40-bit fractions
    assert turns.turn(10**15).rank in counts


def test_turns_of_another_seed_come_in_another_order():
    orders = {
        tuple(turns_of(weights=(0.7, 0.3), seed=seed)[0].turn(i).source for i in range(50))
        for seed in range(6)
    }
    assert len(orders) > 1


def test_turns_of_one_source_are_the_draws_themselves():
    turns, _ = plan_turns(DataConfig(), [7], steps=10, batch_size=4, seed=3)
    assert [turns.turn(i) for i in range(50)] == [Turn(0, i) for i in range(50)]


SCHEDULES = {
    "ramp": ((0.0, 1.0, 0.0), (1.0, 0.0, 1.0)),
    "late": ((0.0, 1.0, 0.0), (0.8, 1.0, 0.0), (1.0, 0.5, 0.5)),
    "jump": ((0.0, 1.0, 0.0), (0.5, 1.0, 0.0), (0.5, 0.0, 1.0), (1.0, 0.0, 1.0)),
    "one row": ((0.3, 0.25, 0.75),),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_gives_each_step_the_weights_of_its_place(name):
    rows, steps, batch_size = SCHEDULES[name], 200, 16
    turns, _ = turns_of(schedule=rows, steps=steps, batch_size=batch_size)
    counts, expected = [0, 0], 0.0
    for step in range(steps):
        for index in range(step * batch_size, (step + 1) * batch_size):
            turn = turns.turn(index)
            assert turn.rank == counts[turn.source]
            counts[turn.source] += 1
        expected += batch_size * weight_at(rows, (step + 0.5) / steps)
        # a stage of a ramp is 1/64 of it, 3 or 4 steps here: half-way it is a quarter of a draw off
        assert abs(counts[1] - expected) < 1.5
    assert turns.counts(steps * batch_size) == tuple(counts)
    assert turns.turn(10 * steps * batch_size).rank > counts[1]  # the last weights go on


def weight_at(rows, share):
    """The second source's weight by linear interpolation, the slow way."""
    before = [row for row in rows if row[0] <= share] or [rows[0]]
    after = [row for row in rows if row[0] > share] or [rows[-1]]
    low, high = before[-1], after[0]
    if high[0] <= low[0]:
        return low[2]
    return low[2] + (high[2] - low[2]) * (share - low[0]) / (high[0] - low[0])


def test_cap_leaves_the_rest_to_the_others_by_their_weights():
    turns, notes = turns_of(
        weights=(0.5, 0.3, 0.2), n_windows=[20, 1000, 1000], max_epochs=2.0, steps=100
    )
    counts = turns.counts(800)
    assert counts[0] == pytest.approx(40, abs=1)
    assert counts[1] == pytest.approx(760 * 0.6, abs=2)
    assert sum(counts) == 800
    (note,) = notes
    assert "a asked for 20.00 epochs of 20 windows and gets 2" in note


def test_cap_that_spills_over_caps_the_next_source_too():
    turns, notes = turns_of(
        weights=(0.6, 0.3, 0.1), n_windows=[100, 150, 1000], max_epochs=1.0, steps=100
    )
    assert turns.counts(800) == pytest.approx((100, 150, 550), abs=2)
    assert [note[0] for note in notes] == ["a", "b"]


def test_cap_in_a_schedule_lowers_the_source_wherever_it_has_weight():
    turns, _ = turns_of(
        schedule=((0.0, 0.8, 0.2), (1.0, 0.2, 0.8)), n_windows=[100, 1000], max_epochs=2.0
    )
    halves = [turns.counts(400)[0], turns.counts(800)[0] - turns.counts(400)[0]]
    assert sum(halves) == pytest.approx(200, abs=3)
    assert halves[0] == pytest.approx(130, abs=3)  # 0.65 of it, as without the cap


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"over_cap": "refuse"}, "found that a would be read 20.00 times"),
        ({"max_epochs": 0.3}, "may give 606 in 0.3 epochs"),
    ],
)
def test_cap_that_cannot_be_kept_is_refused_with_numbers(fields, message):
    fields = {"max_epochs": 2.0} | fields
    with pytest.raises(InputError, match=message):
        turns_of(weights=(0.5, 0.3, 0.2), n_windows=[20, 1000, 1000], **fields)


def test_cap_on_the_whole_split_is_refused_because_nothing_can_take_over():
    with pytest.raises(InputError, match=r"the training split would be read 4\.00 times"):
        plan_turns(DataConfig(max_epochs=3.0), [100], steps=50, batch_size=8, seed=0)


WEIGHTS = st.lists(st.floats(0.0, 10.0), min_size=1, max_size=6).filter(lambda w: sum(w) > 0.01)


@settings(max_examples=60, deadline=None)
@given(st.data(), WEIGHTS, st.sampled_from([0.0, 0.5, 1.0, 4.0]), st.integers(0, 2**64 - 1))
def test_any_mixture_reads_each_rank_once_and_no_source_too_often(data, weights, max_epochs, seed):
    n_windows = data.draw(
        st.lists(st.integers(1, 200), min_size=len(weights), max_size=len(weights))
    )
    try:
        turns, notes = turns_of(
            weights=tuple(weights), n_windows=n_windows, max_epochs=max_epochs, steps=50, seed=seed
        )
    except InputError:
        # 400 draws are more than the sources with a weight may give
        given = zip(weights, n_windows, strict=True)
        assert sum(int(max_epochs * n) for weight, n in given if weight) < 400
        return
    ranks = [turns.turn(index) for index in range(400)]
    counts = Counter(turn.source for turn in ranks)
    for source in range(len(weights)):
        mine = [turn.rank for turn in ranks if turn.source == source]
        assert mine == list(range(counts[source]))
        assert turns.counts(400)[source] == counts[source]
        if max_epochs:
            assert counts[source] <= max_epochs * n_windows[source] + 2
    assert bool(notes) <= bool(max_epochs)
