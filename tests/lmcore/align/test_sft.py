import pytest
import torch

from lmcore.align import sft
from lmcore.align.arithmetic import list_problems
from lmcore.align.chat import Chat
from lmcore.align.config import ProblemConfig, SFTConfig
from lmcore.errors import ConfigError, InputError
from lmcore.model.files import load_model, save_model

PROBLEMS = ProblemConfig(max_operand=12)
CONFIG = SFTConfig(steps=4, batch_size=8, check_every=2, threads=1)


def gradient(model, batch, microbatch_size):
    model.zero_grad()
    sft.accumulate(model, batch, microbatch_size)
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.fixture
def batch(template):
    return [sft.demonstrate(template, p) for p in list_problems(PROBLEMS, "train")[:9]]


@pytest.mark.parametrize("microbatch_size", range(1, 9))
def test_gradient_is_the_same_for_every_split(make_model, batch, microbatch_size):
    model = make_model()
    whole, split = gradient(model, batch, 0), gradient(model, batch, microbatch_size)
    torch.testing.assert_close(split, whole, rtol=0, atol=1e-6)


def test_gradient_is_the_same_for_every_order(make_model, batch):
    model = make_model()
    found = gradient(model, batch[::-1], 4)
    torch.testing.assert_close(found, gradient(model, batch, 0), rtol=0, atol=1e-6)


def test_split_with_a_part_without_supervised_tokens_is_the_same(make_model, batch):
    model = make_model()
    silent = [Chat([1, 2, 3], [False] * 3)]
    found = gradient(model, [*batch, *silent], len(batch))
    torch.testing.assert_close(found, gradient(model, batch, 0), rtol=0, atol=1e-6)


def test_batch_without_supervised_tokens_is_refused(make_model):
    with pytest.raises(InputError, match="0 supervised tokens"):
        sft.accumulate(make_model(), [Chat([1, 2, 3], [False] * 3)], 0)


def test_loss_is_the_mean_over_supervised_tokens(make_model, batch):
    model = make_model()
    loss, n_supervised = sft.accumulate(model, batch, 4)
    nll, n = 0.0, 0
    for chat in batch:
        table = model(torch.tensor([chat.ids]))[0].log_softmax(-1)
        for i, is_said in enumerate(chat.is_supervised):
            if is_said:
                nll, n = nll - table[i - 1, chat.ids[i]].item(), n + 1
    assert n_supervised == n
    assert loss == pytest.approx(nll / n, abs=1e-5)


def test_training_lowers_the_loss(make_model, template):
    config = SFTConfig(steps=30, batch_size=16, lr=3e-3, check_every=30, threads=1)
    rows = sft.train(make_model(), template, config, PROBLEMS)
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]


def test_training_stops_once_the_accuracy_exceeds_its_mark(make_model, template):
    # products below 9 with many zeros: some are soon right
    problems = ProblemConfig(operation="*", max_operand=8, validation_fraction=0.3)
    config = SFTConfig(
        steps=60, batch_size=16, lr=1e-2, check_every=5, stop_accuracy=0.05, threads=1
    )
    rows = sft.train(make_model(), template, config, problems)
    assert len(rows) < 60
    assert rows[-1]["validation_accuracy"] > 0.05
    checked = [row["validation_accuracy"] for row in rows[:-1]]
    assert all(accuracy is None or accuracy <= 0.05 for accuracy in checked)


def test_training_on_few_demonstrations_sees_no_others(make_model, template):
    config = SFTConfig(steps=3, batch_size=4, n_demonstrations=4, check_every=3, threads=1)
    rows = sft.train(make_model(), template, config, PROBLEMS)
    chats = [sft.demonstrate(template, p) for p in list_problems(PROBLEMS, "train")[:4]]
    n_supervised = sum(sum(chat.is_supervised) for chat in chats)
    assert [row["n_supervised"] for row in rows] == [n_supervised] * 3


def test_finetune_twice_writes_the_same_bytes(make_model, tokenizer, tmp_path):
    save_model(tmp_path / "base", make_model())
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(tmp_path / "tokenizer")
    seen = []
    for out in ("a", "b"):
        sft.finetune(
            tmp_path / "base",
            tmp_path / "tokenizer",
            tmp_path / out,
            CONFIG,
            PROBLEMS,
            progress=lambda *call: seen.append(call[:2]),
        )
    names = {"model.safetensors", "model.json", "metrics.parquet"}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert seen == [(i, 4) for i in range(1, 5)] * 2
    changed = load_model(tmp_path / "a").embedding.weight
    assert not torch.equal(changed, make_model().embedding.weight)


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"lr": 0.0}, {"beta1": 1.0}, {"stop_accuracy": 0.0}, {"threads": 0}]
)
def test_sft_config_that_cannot_work_is_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        SFTConfig(**change)
