import copy
import dataclasses

import pyarrow.parquet as pq
import pytest
import torch

from lmcore.align import grpo
from lmcore.align.arithmetic import Grade, grade, list_problems
from lmcore.align.config import GRPOConfig, ProblemConfig
from lmcore.align.rollouts import Answerer, judge
from lmcore.errors import ConfigError
from lmcore.model.files import save_model

PROBLEMS = ProblemConfig(max_operand=12)
CONFIG = GRPOConfig(steps=3, prompts_per_step=6, group_size=4, max_new_tokens=4, lr=1e-3, threads=1)


def ends_in_zero(completion: str, answer: str) -> Grade:
    """A verifier that every tenth number satisfies."""
    return Grade.RIGHT if completion.endswith("0") else Grade.WRONG


def down(completion: str, answer: str) -> Grade:
    raise TimeoutError(f"no grade for {completion} and {answer}")


def sample(model, template, verifier=ends_in_zero):
    problems = list_problems(PROBLEMS, "train")[:6]
    return Answerer(template, 4, verifier).sample(
        model,
        problems,
        n_each=4,
        temperature=1.0,
        generator=torch.Generator().manual_seed(3),
    )


def groups_of(model, template, config=CONFIG):
    return grpo.form_groups(template, sample(model, template), config)


def gradient(model, groups, n_rollouts, config=CONFIG, reference=None):
    model.zero_grad()
    tally = grpo.accumulate(model, reference, groups, n_rollouts, config)
    return torch.cat([p.grad.flatten() for p in model.parameters()]), tally


@pytest.mark.parametrize("microbatch_groups", range(1, 6))
def test_gradient_is_the_same_for_every_split(chatty, template, microbatch_groups):
    model = chatty
    groups = groups_of(model, template)
    split = dataclasses.replace(CONFIG, microbatch_groups=microbatch_groups)
    whole, _ = gradient(model, groups, 24)
    found, _ = gradient(model, groups, 24, split)
    assert whole.abs().max() > 1e-3
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-6)


def test_gradient_without_undecided_groups_is_the_same(chatty, template):
    model = chatty
    groups = groups_of(model, template)
    decided = [group for group in groups if group.is_decided]
    assert 0 < len(decided) < len(groups)
    whole, _ = gradient(model, groups, 24)
    found, _ = gradient(model, decided, 24)
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-6)


def test_gradient_agrees_with_a_loop_over_rollouts(chatty, template):
    model = chatty
    groups = groups_of(model, template)
    found, tally = gradient(model, groups, 24)
    model.zero_grad()
    loss = torch.zeros(())
    for group in groups:
        for rollout, advantage in zip(group.rollouts, group.advantages, strict=True):
            ids = [*group.prompt_ids, *rollout.ids]
            table = model(torch.tensor([ids]))[0].log_softmax(-1)
            new = [table[i - 1, ids[i]] for i in range(len(group.prompt_ids), len(ids))]
            terms = [
                torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
                for ratio in ((a - b).exp() for a, b in zip(new, rollout.logps, strict=True))
            ]
            loss = loss - torch.stack(terms).mean() / 24
    loss.backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters()])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert tally.loss == pytest.approx(loss.item(), abs=1e-5)


def test_sampler_and_trainer_agree_on_log_probabilities(chatty, template):
    model = chatty
    _, tally = gradient(model, groups_of(model, template), 24)
    assert tally.max_gap < 1e-5
    assert tally.n_clipped == 0


def test_divergence_at_the_first_step_is_exactly_zero(chatty, template):
    config = dataclasses.replace(CONFIG, steps=1, kl_coefficient=0.5)
    metrics, _ = grpo.train(chatty, template, config, PROBLEMS, verifier=ends_in_zero)
    assert metrics[0]["kl"] == 0.0


def test_divergence_after_updates_is_smaller_with_a_stronger_pull(chatty, template):
    distances = []
    for coefficient in (1e-9, 1.0):
        config = dataclasses.replace(CONFIG, steps=6, kl_coefficient=coefficient)
        model = copy.deepcopy(chatty)
        metrics, _ = grpo.train(model, template, config, PROBLEMS, verifier=ends_in_zero)
        distances.append(metrics[-1]["kl"])
    assert 0 < distances[1] < 0.8 * distances[0]


def test_frozen_reference_shares_no_storage_and_does_not_move(chatty, template):
    model = chatty
    reference = grpo.freeze(model)
    before = [p.clone() for p in reference.parameters()]
    pointers = {p.data_ptr() for p in model.parameters()}
    assert not pointers & {p.data_ptr() for p in reference.parameters()}
    config = dataclasses.replace(CONFIG, kl_coefficient=0.1)
    _, tally = gradient(model, groups_of(model, template), 24, config, reference)
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    assert tally.kl == 0.0
    assert all(torch.equal(a, b) for a, b in zip(before, reference.parameters(), strict=True))
    assert all(p.grad is None and not p.requires_grad for p in reference.parameters())


def test_judge_of_a_failing_verifier_is_an_error():
    assert judge(down, "1", "1") is Grade.ERROR


def test_rollouts_the_verifier_failed_on_change_no_gradient(chatty, template):
    model = chatty
    rollouts = sample(model, template)
    failed = {0, 5, 6, 13}
    marked = [
        dataclasses.replace(r, grade=Grade.ERROR) if i in failed else r
        for i, r in enumerate(rollouts)
    ]
    groups = grpo.form_groups(template, marked, CONFIG)
    found, _ = gradient(model, groups, 20)
    model.zero_grad()
    for k in range(6):  # each group by itself, as if the failed rollouts had not been sampled
        kept = [rollouts[i] for i in range(4 * k, 4 * k + 4) if i not in failed]
        alone = grpo.form_groups(template, kept, dataclasses.replace(CONFIG, group_size=len(kept)))
        grpo.accumulate(model, None, alone, 20, CONFIG)
    expected = torch.cat([p.grad.flatten() for p in model.parameters()])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_verifier_that_always_fails_is_counted_and_teaches_nothing(chatty, template):
    model = copy.deepcopy(chatty)
    metrics, rollouts = grpo.train(model, template, CONFIG, PROBLEMS, verifier=down)
    assert [row["n_errors"] for row in metrics] == [24, 24, 24]
    assert {row["reward"] for row in metrics} == {None}
    assert {(row["grade"], row["reward"], row["advantage"]) for row in rollouts} == {
        ("error", None, 0.0)
    }
    pairs = zip(model.parameters(), chatty.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_unfinished_completion_is_never_right(make_model, template):
    rollouts = sample(make_model(), template, verifier=lambda c, a: Grade.RIGHT)  # noqa: ARG005
    unfinished = [r for r in rollouts if not r.is_finished]
    assert unfinished
    assert {r.grade for r in unfinished} == {Grade.WRONG}


def test_training_raises_the_reward(chatty, template):
    config = GRPOConfig(
        steps=20, prompts_per_step=8, group_size=8, max_new_tokens=4, lr=3e-3, threads=1
    )
    metrics, _ = grpo.train(chatty, template, config, PROBLEMS, verifier=ends_in_zero)
    assert metrics[0]["reward"] < 0.3
    assert metrics[-1]["reward"] > 0.7


def test_reinforce_twice_writes_the_same_bytes_and_every_rollout(make_model, tokenizer, tmp_path):
    save_model(tmp_path / "base", make_model())
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(tmp_path / "tokenizer")
    for out in ("a", "b"):
        grpo.reinforce(tmp_path / "base", tmp_path / "tokenizer", tmp_path / out, CONFIG, PROBLEMS)
    names = {"model.safetensors", "model.json", "metrics.parquet", "rollouts.parquet"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rows = pq.read_table(tmp_path / "a" / "rollouts.parquet").to_pylist()
    assert len(rows) == 3 * 6 * 4
    assert all(
        row["grade"] == grade(row["completion"], row["answer"]) or not row["is_finished"]
        for row in rows
    )
    assert all(row["logp_old"] < 0 and 1 <= row["n_tokens"] <= 4 for row in rows)


@pytest.mark.parametrize(
    "change",
    [{"kl_estimator": "k1"}, {"group_size": 1}, {"temperature": 0.0}, {"clip_epsilon": 0.0}],
)
def test_grpo_config_that_cannot_work_is_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        GRPOConfig(**change)
