"""What `make run` promises of the nano recipe, on the store that it has left (or on a new run)."""

import time
from pathlib import Path

import pytest
from commands import ask, c2m

from warehouse import runs
from warehouse.store import Store

STORE = Path(__file__).parents[2] / "store"
SECOND_RUN_SECONDS = 30

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def nano():
    done = c2m(STORE, "run", "nano")
    assert done.returncode == 0, done.stdout + done.stderr
    return STORE


def test_second_run_executes_nothing_and_is_quick(nano):
    started = time.monotonic()
    done = c2m(nano, "run", "nano")
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    store = Store(nano)
    last = runs.all_runs(store)[-1]
    assert {record.state for record in runs.steps(store, last.run_id)} == {"hit"}
    assert seconds < SECOND_RUN_SECONDS


def test_reinforcement_lies_above_fine_tuning(nano):
    found = {row["model"]: row for row in ask(nano, "select * from evaluations")}
    assert found["grpo"]["low"] > found["sft"]["high"]
    assert found["sft"]["low"] > found["base"]["high"]


def test_model_and_baseline_are_measured_on_the_same_bytes(nano):
    found = {
        row["model"]: row for row in ask(nano, "select * from bits_per_byte where source = 'all'")
    }
    assert found.keys() == {"base", "ngram5"}
    assert found["base"]["n_bytes"] == found["ngram5"]["n_bytes"] > 0


def test_training_lowers_the_validation_loss(nano):
    curve = ask(
        nano,
        "select step, bits_per_byte from metrics "
        "where stage = 'pretrain' and split = 'validation' order by step",
    )
    assert curve[-1]["bits_per_byte"] < curve[0]["bits_per_byte"] / 4
