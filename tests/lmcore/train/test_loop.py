import functools
import json
import math

import pyarrow.parquet as pq
import pytest
import torch

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.files import load_model
from lmcore.model.loss import token_logps
from lmcore.tokens.batches import BatchOrder, count_windows, read_batch
from lmcore.tokens.data_config import DataConfig
from lmcore.tokens.shards import TokenShards
from lmcore.train.checkpoint import checkpoint_dir, load_checkpoint, newest
from lmcore.train.config import OPTIMIZERS
from lmcore.train.loop import run
from lmcore.train.metrics import SCHEMA, read_metrics
from lmcore.train.step import Trainer, numerics
from lmcore.train.updates import learning_rate, weight_decay
from lmcore.train.world import World

EDGY = {"spike_sigmas": 3.0, "spike_window": 6, "max_spikes": 100, "lr": 0.1, "steps": 26}
FINAL_FILES = ("model.safetensors", "model.json", "metrics.parquet")


def final_bytes(spec):
    return [(spec.out_dir / "final" / name).read_bytes() for name in FINAL_FILES]


def stop_after(n_steps):
    calls = iter(range(1, 10**6))
    return lambda: next(calls) >= n_steps


def rows_of(spec, split):
    rows = read_metrics(spec.out_dir / "final" / "metrics.parquet")
    return [row for row in rows if row.split == split]


def test_run_whole_writes_final_model_that_has_learnt(make_spec):
    spec = make_spec(steps=30, lr=1e-2)
    assert run(spec)
    validation = [row.loss for row in rows_of(spec, "validation")]
    assert math.log(280) < validation[0] < math.log(280) + 1.5
    assert validation[-1] < validation[0] - 1.0
    assert newest(spec.out_dir) == checkpoint_dir(spec.out_dir, 30)


def test_run_repeated_makes_equal_bytes(make_spec):
    first, second = make_spec("first"), make_spec("second")
    run(first)
    run(second)
    assert final_bytes(first) == final_bytes(second)


def test_run_other_seed_makes_another_model(make_spec):
    first, second = make_spec("first", steps=3), make_spec("second", steps=3, seed=1)
    run(first)
    run(second)
    assert final_bytes(first)[0] != final_bytes(second)[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"precision": "float32"},
        {"precision": "bfloat16"},
        *({"optimizer": name} for name in OPTIMIZERS[1:]),
        *({"schedule": name} for name in ("linear", "inverse_sqrt", "wsd")),
        {"precision": "float16", "loss_scale": 2.0**40, "loss_scale_interval": 2},
        {"precision": "float8_emulated"},
        {"ema_decay": 0.9, "decay_end_ratio": 0.2},
        {"micro_batch_size": 1, "noise_scale_every": 2},
        {"recompute": "selective", "micro_batch_size": 3},
        {"on_spike": "skip", **EDGY},
        {"on_spike": "roll_back", "ema_decay": 0.9, **EDGY},
        {"on_spike": "roll_back", "optimizer": "muon", **EDGY},
        {"data": DataConfig(packing="split", curriculum="rarity")},
    ],
    ids=lambda fields: "-".join(map(str, fields.values()))[:24],
)
def test_run_stopped_and_resumed_makes_the_bytes_of_one_never_stopped(make_spec, fields):
    make_spec = functools.partial(make_spec, **fields)
    whole = make_spec("whole")
    run(whole)
    stopped = make_spec("stopped")
    assert not run(stopped, is_stopped=stop_after(fields.get("steps", 9) - 2))
    assert not (stopped.out_dir / "final").exists()
    resumed = make_spec("resumed", resume_dir=newest(stopped.out_dir))
    assert run(resumed)
    assert final_bytes(resumed) == final_bytes(whole)
    if "on_spike" in fields:  # there was one, or nothing was shown
        rows = read_metrics(whole.out_dir / "final" / "metrics.parquet")
        assert any(row.event for row in rows)


def test_run_resumed_in_its_own_directory_publishes_every_row_once(make_spec):
    spec = make_spec()
    run(spec, is_stopped=stop_after(7))
    run(make_spec(resume_dir=newest(spec.out_dir)))
    parts = sorted((spec.out_dir / "metrics").glob("part-*.parquet"))
    published = [row for part in parts for row in read_metrics(part)]
    assert published == read_metrics(spec.out_dir / "final" / "metrics.parquet")


def test_run_resumed_from_the_last_step_only_finishes(make_spec):
    whole = make_spec("whole")
    run(whole)
    again = make_spec("again", resume_dir=newest(whole.out_dir))
    assert run(again)
    assert final_bytes(again) == final_bytes(whole)


def test_averaged_weights_are_evaluated_and_saved_beside(make_spec):
    spec = make_spec(ema_decay=0.5)
    run(spec)
    ema, validation = rows_of(spec, "ema"), rows_of(spec, "validation")
    assert [row.step for row in ema] == [5, 10, 12]
    assert [row.loss for row in ema] != [row.loss for row in validation[1:]]
    final, average = load_model(spec.out_dir / "final"), load_model(spec.out_dir / "average")
    assert not torch.equal(final.head_weight, average.head_weight)
    trainer = Trainer(spec, World())
    trainer.model.load_state_dict(average.state_dict())
    assert math.isclose(trainer.evaluate(), ema[-1].loss, rel_tol=1e-6)


def test_rates_after_a_resume_are_those_of_the_step(make_spec):
    """Nothing of the schedule is restored, so nothing can be stale."""
    fields = {"decay_end_ratio": 0.1, "weight_decay": 0.3, "optimizer": "muon"}
    spec = make_spec(**fields)
    run(spec, is_stopped=stop_after(7))
    resumed = make_spec("resumed", resume_dir=newest(spec.out_dir), **fields)
    trainer = Trainer(resumed, World())
    checkpoint = load_checkpoint(resumed.resume_dir, resumed, trainer.state())
    trainer.restore(checkpoint.step, checkpoint.scalars)
    for step in (8, 9):
        trainer.train_step(step)
        decays = set()
        for optimizer in trainer.updates.optimizers:
            for group in optimizer.param_groups:
                assert group["lr"] == learning_rate(spec.train, step)
                assert group["step"] == step
                decays.add(group["weight_decay"])
        assert decays == {0.0, weight_decay(spec.train, step)}
    assert weight_decay(spec.train, 12) == pytest.approx(0.03)


def test_metrics_have_a_row_a_step_and_evaluations_in_between(make_spec):
    spec = make_spec()
    run(spec)
    train, validation = rows_of(spec, "train"), rows_of(spec, "validation")
    assert [row.step for row in train] == list(range(1, 13))
    assert [row.tokens for row in train] == [64 * step for step in range(1, 13)]
    assert [row.step for row in validation] == [0, 5, 10, 12]
    assert all(row.grad_norm is None for row in validation)
    assert all(row.grad_norm > 0 for row in train)
    table = pq.read_table(spec.out_dir / "final" / "metrics.parquet")
    assert table.schema.equals(SCHEMA)


def test_validation_loss_equals_that_of_the_final_model_by_hand(make_spec, shards_dir):
    spec = make_spec(steps=4, eval_batches=1000)
    run(spec)
    model, shards = load_model(spec.out_dir / "final"), TokenShards(shards_dir, "validation")
    tokens = torch.from_numpy(shards.read(0, shards.n_tokens).astype("int64"))
    losses = []
    for start in range(0, len(tokens) - 16, 16):
        window = tokens[None, start : start + 17]
        losses.append(-token_logps(model(window[:, :-1]), window[:, 1:]))
    expected = torch.cat(losses).mean().item()
    last = rows_of(spec, "validation")[-1]
    assert math.isclose(last.loss, expected, rel_tol=1e-5)
    bits = expected / math.log(2) * shards.n_tokens / shards.n_bytes
    assert math.isclose(last.bits_per_byte, bits, rel_tol=1e-5)


def test_first_update_equals_one_by_hand(make_spec, shards_dir):
    spec = make_spec()
    trainer = Trainer(spec, World())
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    result = trainer.train_step(1)
    shards = TokenShards(shards_dir, "train")
    order = BatchOrder(count_windows(shards.n_tokens, 16), 0)
    windows = torch.from_numpy(read_batch(shards, order, 0, 4, 16))
    model = Trainer(spec, World()).model
    loss = -token_logps(model(windows[:, :-1]), windows[:, 1:]).mean()
    loss.backward()
    assert math.isclose(result.loss, loss.item(), rel_tol=1e-5)
    norm = torch.stack([p.grad.norm() for p in model.parameters()]).norm().item()
    assert math.isclose(result.grad_norm, norm, rel_tol=1e-4)
    assert math.isclose(result.lr, spec.train.lr / 3)
    # Adam's first update is lr * sign of the gradient, up to eps and decay
    name = "embedding.weight"
    step = (trainer.parameters[name].detach() - before[name] * (1 - result.lr * 0.1)) / -result.lr
    sure = model.embedding.weight.grad.abs() > 1e-4
    torch.testing.assert_close(
        step[sure], model.embedding.weight.grad.sign()[sure], rtol=0.0, atol=0.01
    )


def test_diverging_run_is_refused_with_step_and_rate(make_spec):
    spec = make_spec(lr=1e30, warmup_steps=0, clip_norm=1e30)
    with pytest.raises(InputError, match=r"loss .* in step \d+ of 12 at lr .*lower pretrain.lr"):
        run(spec)
    assert not (spec.out_dir / "final").exists()


def test_numerics_are_fixed_inside_and_put_back_after(make_spec):
    threads = torch.get_num_threads()
    with numerics(make_spec(threads=threads + 1).train):
        assert torch.get_num_threads() == threads + 1
        assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_validation_split_shorter_than_a_window_is_read_whole(make_spec, shards_dir):
    shards = TokenShards(shards_dir, "validation")
    length = shards.n_tokens + 5
    train_tokens = TokenShards(shards_dir, "train").n_tokens
    assert length < train_tokens
    model = ModelConfig(d_model=8, n_layers=1, n_heads=1, context_length=length)
    trainer = Trainer(make_spec(model=model), World())
    assert math.log(280) < trainer.evaluate() < math.log(280) + 1.5


def test_vocabulary_other_than_the_shards_is_refused(make_spec):
    spec = make_spec()
    other = type(spec)(
        model=spec.model,
        train=spec.train,
        vocab_size=281,
        shards_dir=spec.shards_dir,
        out_dir=spec.out_dir,
    )
    with pytest.raises(InputError, match="vocabulary"):
        run(other)


def test_process_alone_in_a_run_of_two_is_refused(make_spec):
    with pytest.raises(InputError, match="1 processes"):
        run(make_spec(world_size=2))


def test_progress_and_telemetry_are_written(make_spec):
    spec = make_spec()
    run(spec)
    assert json.loads((spec.out_dir / "progress.json").read_text())["step"] == 12
    telemetry = json.loads((spec.out_dir / "telemetry.json").read_text())
    assert telemetry["tokens"] == 12 * 64
    assert telemetry["max_rss_bytes"] > 0


def test_run_that_does_not_fit_into_memory_is_refused_before_it_starts(make_spec):
    model = ModelConfig(d_model=2**15, n_layers=1000, n_heads=2, context_length=16)
    spec = make_spec(model=model)
    with pytest.raises(InputError, match=r"bytes of memory available .* needs about"):
        run(spec)
    assert not spec.out_dir.exists()
