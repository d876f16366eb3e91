import importlib
import math
from pathlib import Path

import pytest

LOSSES = {200: 4.8, 100: 5.0, 50: 5.4}


@pytest.fixture
def steps_to(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)  # as a benchmark that is run finds its own
    return importlib.import_module("bench_optimizers").steps_to


@pytest.mark.parametrize(
    ("target", "steps"),
    [
        (4.8, 200.0),
        (4.9, math.sqrt(200 * 100)),  # half-way, in the logarithm of the steps
        (5.0, 100.0),
        (5.1, 100 / 2**0.25),
        (6.0, 50.0),  # nothing is claimed below the shortest
        (4.7, math.inf),
    ],
)
def test_steps_to_a_loss_stand_between_the_lengths_that_were_run(target, steps, steps_to):
    assert steps_to(target, LOSSES) == pytest.approx(steps)


def test_shorter_length_that_is_better_by_chance_after_a_miss_counts_for_nothing(steps_to):
    assert steps_to(5.0, {200: 4.8, 100: 5.2, 50: 4.9}) > 100
