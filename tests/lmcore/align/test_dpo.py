import math
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import torch

from lmcore.align import dpo
from lmcore.align.arithmetic import Grade, grade
from lmcore.align.config import DPOConfig, ProblemConfig
from lmcore.errors import ConfigError
from lmcore.model.files import load_model, save_model

PROBLEMS = ProblemConfig(max_operand=12)
CONFIG = DPOConfig(steps=6, batch_size=8, malformed_fraction=0.5, threads=1)


def gradient(model, pairs, reference, microbatch_size):
    model.zero_grad()
    dpo.accumulate(model, pairs, reference, DPOConfig(microbatch_size=microbatch_size))
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.fixture
def preferences(chatty, template):
    return dpo.list_preferences(chatty, template, CONFIG, PROBLEMS)


@pytest.fixture
def pairs(template, preferences):
    return [dpo.encode_pair(template, p) for p in preferences[:7]]


def test_rejected_answers_are_wrong_and_of_every_kind(preferences):
    assert {grade(p.rejected, p.problem.answer) for p in preferences} == {Grade.WRONG}
    assert {p.kind for p in preferences} == {"sampled", "near_miss", "malformed"}


def test_pair_log_probabilities_are_sums_over_the_completions(make_model, pairs):
    model = make_model()
    found = dpo.pair_logps(model, pairs)
    for i, (prompt, both) in enumerate(pairs):
        for j, completion in enumerate(both):
            table = model(torch.tensor([prompt + completion]))[0].log_softmax(-1)
            total = sum(table[len(prompt) + k - 1, t].item() for k, t in enumerate(completion))
            assert found[i, j].item() == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("microbatch_size", range(1, 7))
def test_gradient_is_the_same_for_every_split(make_model, pairs, microbatch_size):
    model, reference = make_model(), dpo.reference_logps(make_model(seed=1), pairs)
    whole = gradient(model, pairs, reference, 0)
    split = gradient(model, pairs, reference, microbatch_size)
    torch.testing.assert_close(split, whole, rtol=0, atol=1e-6)


def test_first_loss_is_log_two_because_policy_is_reference(chatty, template, preferences):
    plain = replace(CONFIG, nll_coefficient=0.0)
    rows, _ = dpo.train(chatty, template, plain, preferences)
    assert rows[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert rows[0]["margin"] == pytest.approx(0.0, abs=1e-4)


def test_loss_adds_the_right_answers_loss_a_token(make_model, pairs):
    model = make_model()
    reference = dpo.reference_logps(model, pairs)
    nll = 0.0
    for prompt, (chosen, _) in pairs:
        table = model(torch.tensor([prompt + chosen]))[0].log_softmax(-1)
        logps = [table[len(prompt) + k - 1, token].item() for k, token in enumerate(chosen)]
        nll -= sum(logps) / len(chosen) / len(pairs)
    for coefficient in (0.0, 0.5, 2.0):
        config = DPOConfig(nll_coefficient=coefficient, microbatch_size=3)
        loss, _ = dpo.accumulate(model, pairs, reference, config)
        assert loss == pytest.approx(math.log(2) + coefficient * nll, abs=1e-4)


def test_right_answers_become_more_likely_with_their_loss_and_more_than_without(
    make_model, template, preferences
):
    pairs = [dpo.encode_pair(template, p) for p in preferences]
    gains = []
    for coefficient in (0.0, 1.0):
        config = DPOConfig(steps=20, batch_size=8, lr=3e-3, threads=1, nll_coefficient=coefficient)
        model = make_model()
        _, reference = dpo.train(model, template, config, preferences)
        gains.append((dpo.reference_logps(model, pairs) - reference)[:, 0].mean().item())
    assert gains[1] > 0
    assert gains[1] > gains[0]


def test_training_raises_the_margin(chatty, template):
    config = DPOConfig(steps=30, batch_size=16, lr=3e-3, malformed_fraction=0.5, threads=1)
    preferences = dpo.list_preferences(chatty, template, config, PROBLEMS)
    rows, _ = dpo.train(chatty, template, config, preferences)
    assert sum(row["margin"] for row in rows[-5:]) / 5 > 1.0
    assert sum(row["accuracy"] for row in rows[-5:]) / 5 > 0.6


def test_reference_is_the_model_before_the_first_update(make_model, template, preferences):
    _, reference = dpo.train(make_model(), template, CONFIG, preferences)
    encoded = [dpo.encode_pair(template, p) for p in preferences]
    torch.testing.assert_close(
        reference, dpo.reference_logps(make_model(), encoded), rtol=0, atol=0
    )
    assert not reference.requires_grad


def test_beta_changes_the_numbers(make_model, template, preferences):
    losses = []
    for beta in (0.1, 0.5):
        config = DPOConfig(steps=3, batch_size=8, beta=beta, threads=1)
        losses.append(dpo.train(make_model(), template, config, preferences)[0][-1]["loss"])
    assert losses[0] != losses[1]


def test_optimise_preferences_writes_model_metrics_and_preferences(make_model, tokenizer, tmp_path):
    save_model(tmp_path / "base", make_model())
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(tmp_path / "tokenizer")
    for out in ("a", "b"):
        dpo.optimise_preferences(
            tmp_path / "base", tmp_path / "tokenizer", tmp_path / out, CONFIG, PROBLEMS
        )
    names = {"model.safetensors", "model.json", "metrics.parquet", "preferences.parquet"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert pq.read_table(tmp_path / "a" / "metrics.parquet")["step"].to_pylist() == [*range(1, 7)]
    assert pq.read_table(tmp_path / "a" / "preferences.parquet").num_rows == 48
    assert not torch.equal(
        load_model(tmp_path / "a").embedding.weight, make_model().embedding.weight
    )


def test_dpo_config_without_a_pull_is_refused():
    with pytest.raises(ConfigError, match="beta"):
        DPOConfig(beta=0.0)
