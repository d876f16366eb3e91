"""Checkpoints as artifacts: found again, passed over when damaged or of another run, kept once."""

import dataclasses
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from lmcore.model.config import ModelConfig
from lmcore.sections import to_section
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.batches import BatchOrder, count_windows, read_batch
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.data_config import DataConfig
from lmcore.tokens.shards import TokenShards, encode_to_shards
from lmcore.train import loop
from lmcore.train.config import TrainConfig
from lmcore.train.spec import TrainSpec
from tasks import training
from tasks.job import Job, JobInput, JobSpec
from tasks.resources import Resources
from warehouse.artifact import MANIFEST
from warehouse.parquet import read_rows

VOCAB_SIZE = 280
MODEL = ModelConfig(d_model=16, n_layers=1, n_heads=2, context_length=16)
TRAIN = TrainConfig(
    steps=6,
    batch_size=4,
    warmup_steps=2,
    eval_every=6,
    eval_batches=1,
    checkpoint_every=2,
    threads=1,
)
STEPS = (2, 4, 6)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of a micro model, with its three checkpoints."""
    folder = tmp_path_factory.mktemp("run")
    words = ["crawl", "page", "token", "shard", "batch", "loss", "model", "step"]
    rng = random.Random(0)
    texts = [" ".join(rng.choices(words, k=60)) + f" {i}." for i in range(40)]
    tokenizer = train_bpe(texts, TokenizerConfig(vocab_size=VOCAB_SIZE))
    documents = [(str(i), text) for i, text in enumerate(texts)]
    encode_to_shards(documents, tokenizer, folder, TokensConfig(validation_fraction=0.2))
    spec = TrainSpec(
        model=MODEL,
        train=TRAIN,
        vocab_size=VOCAB_SIZE,
        shards_dir=folder,
        out_dir=folder / "out",
    )
    assert loop.run(spec)
    return spec


@pytest.fixture
def spec(finished, tmp_path):
    """That run with a folder of its own: what is committed leaves it."""
    copy = dataclasses.replace(finished, out_dir=tmp_path / "training")
    shutil.copytree(finished.out_dir, copy.out_dir)
    return copy


@pytest.fixture
def job(bench, spec):
    return make_job(bench, spec)


def make_job(bench, spec, *, model=MODEL, train=TRAIN, tokens="the tokens", **resources):
    """The job of a pretraining; the first keywords change what enters its identity."""
    entries = {"tokens": tokens, "tokenizer": "the tokenizer"}
    return Job(
        JobSpec(
            step="pretrain",
            stage="pretrain",
            body="tasks.pretraining:pretrain",
            key="0" * 64,
            config={"model": to_section(model), "pretrain": to_section(train)},
            inputs=[
                JobInput(name, name, "", content, "", str(spec.shards_dir))
                for name, content in entries.items()
            ],
            out=str(bench.path / "out"),
            work=str(bench.path / "work"),
            store=str(bench.store.root),
            run_id=bench.run_id,
            workers=1,
            **resources,
        )
    )


def commit_all(job, spec):
    training._commit_new(job, spec, set())


def step_of(artifact):
    return json.loads((artifact.path / "state.json").read_text())["step"]


def test_every_checkpoint_is_committed_and_the_newest_is_found(job, spec, finished):
    assert training.newest_checkpoint(job, TRAIN) is None
    commit_all(job, spec)
    committed = sorted(artifact.manifest.name for artifact in job.store.artifacts())
    assert committed == [f"pretrain/step-{step:06d}" for step in STEPS]
    newest = training.newest_checkpoint(job, TRAIN)
    assert step_of(newest) == STEPS[-1]
    for path in (finished.out_dir / "checkpoints" / "step-000006").iterdir():
        assert (newest.path / path.name).read_bytes() == path.read_bytes()
    left = sorted(path.name for path in (spec.out_dir / "checkpoints").glob("step-*"))
    assert left == ["step-000004", "step-000006"]


def test_last_step_off_the_interval_is_found_too(bench, spec):
    uneven = dataclasses.replace(TRAIN, checkpoint_every=4)
    job = make_job(bench, spec, train=uneven)
    commit_all(job, spec)
    assert step_of(training.newest_checkpoint(job, uneven)) == STEPS[-1]


@pytest.mark.parametrize(
    "changes",
    [
        {"train": dataclasses.replace(TRAIN, lr=TRAIN.lr / 2)},
        {"train": dataclasses.replace(TRAIN, seed=TRAIN.seed + 1)},
        {"model": dataclasses.replace(MODEL, rope_theta=MODEL.rope_theta * 2)},
        {"tokens": "other tokens"},
    ],
    ids=["lr", "seed", "model", "tokens"],
)
def test_checkpoint_of_another_configuration_is_not_used(bench, job, spec, changes):
    commit_all(job, spec)
    other = make_job(bench, spec, **changes)
    assert training.newest_checkpoint(other, changes.get("train", TRAIN)) is None
    assert training.newest_checkpoint(job, TRAIN) is not None


def test_checkpoint_of_a_step_told_to_stop_at_is_found(bench, finished, tmp_path):
    stopped = dataclasses.replace(finished, out_dir=tmp_path / "stopped")
    calls = iter(range(1, 100))
    assert not loop.run(stopped, is_stopped=lambda: next(calls) >= 3)
    job = make_job(bench, stopped)
    commit_all(job, stopped)
    assert step_of(training.newest_checkpoint(job, TRAIN)) == 3


STABLE = dataclasses.replace(TRAIN, schedule="wsd", decay_share=0.5)
"""Two steps of warm-up, one at the highest rate, three of decay."""


@pytest.fixture(scope="module")
def finished_trunk(finished):
    spec = dataclasses.replace(
        finished,
        train=dataclasses.replace(STABLE, checkpoint_every=1),
        out_dir=finished.out_dir.with_name("trunk"),
    )
    assert loop.run(spec)
    return spec


@pytest.fixture
def trunk(finished_trunk, tmp_path):
    copy = dataclasses.replace(finished_trunk, out_dir=tmp_path / "trunk")
    shutil.copytree(finished_trunk.out_dir, copy.out_dir)
    return copy


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"steps": 9}, 3),
        ({"steps": 4, "decay_share": 0.25}, 3),
        ({"steps": 4}, 2),
        ({"decay_share": 0.2}, 3),
        ({"checkpoint_every": 3}, 6),
    ],
    ids=["longer", "shorter", "decays-sooner", "decays-later", "the-same"],
)
def test_run_branches_from_the_newest_stable_checkpoint_and_makes_the_bytes_of_one_alone(
    bench, trunk, tmp_path, changes, step
):
    commit_all(make_job(bench, trunk, train=trunk.train), trunk)
    config = dataclasses.replace(STABLE, **changes)
    job = make_job(bench, trunk, train=config)
    found = training.newest_checkpoint(job, config)
    assert step_of(found) == step
    alone = dataclasses.replace(trunk, train=config, out_dir=tmp_path / "alone")
    branch = dataclasses.replace(alone, out_dir=tmp_path / "branch", resume_dir=found.path)
    assert loop.run(alone)
    assert loop.run(branch)
    for name in ("model.safetensors", "metrics.parquet"):
        expected = (alone.out_dir / "final" / name).read_bytes()
        assert (branch.out_dir / "final" / name).read_bytes() == expected


@pytest.mark.parametrize(
    "changes", [{"threads": 2}, {"lr": 1e-3}, {"schedule": "cosine"}, {"warmup_steps": 1}]
)
def test_run_with_other_bits_does_not_branch(bench, trunk, changes):
    commit_all(make_job(bench, trunk, train=trunk.train), trunk)
    config = dataclasses.replace(STABLE, **({"steps": 9} | changes))
    found = training.newest_checkpoint(make_job(bench, trunk, train=config), config)
    # warm-up is of the schedule: cosine shares it
    assert found is None if changes.get("schedule") != "cosine" else step_of(found) == 2


@pytest.mark.parametrize(
    ("resources", "kept"),
    [({}, [2, 4, 6]), ({"keep_last": 1}, [6]), ({"keep_last": 1, "keep_every": 4}, [4, 6])],
    ids=["all", "last", "last-and-multiples"],
)
def test_store_keeps_the_checkpoints_that_the_resources_spare(bench, spec, resources, kept):
    job = make_job(bench, spec, **resources)
    commit_all(job, spec)
    steps = sorted(step_of(artifact) for artifact in job.store.artifacts())
    assert steps == kept
    assert step_of(training.newest_checkpoint(job, TRAIN)) == 6


def test_retention_spares_the_checkpoints_of_other_runs(bench, spec, trunk):
    commit_all(make_job(bench, trunk, train=trunk.train), trunk)
    commit_all(make_job(bench, spec, keep_last=1), spec)
    assert len(list(bench.store.artifacts())) == 6 + 1


@pytest.mark.parametrize("name", ["shard-00000.safetensors", "metrics.parquet", "state.json"])
def test_damaged_checkpoint_is_passed_over_for_the_one_before(job, spec, name):
    commit_all(job, spec)
    damaged = training.newest_checkpoint(job, TRAIN)
    content = bytearray((damaged.path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (damaged.path / name).write_bytes(content)
    assert step_of(training.newest_checkpoint(job, TRAIN)) == STEPS[-2]
    assert not damaged.path.exists()


def test_checkpoint_with_a_file_missing_is_passed_over_for_the_one_before(job, spec):
    commit_all(job, spec)
    (training.newest_checkpoint(job, TRAIN).path / "shard-00000.safetensors").unlink()
    assert step_of(training.newest_checkpoint(job, TRAIN)) == STEPS[-2]


def test_all_checkpoints_damaged_means_training_from_the_start(job, spec):
    commit_all(job, spec)
    for artifact in list(job.store.artifacts()):
        (artifact.path / "shard-00000.safetensors").write_bytes(b"")
    assert training.newest_checkpoint(job, TRAIN) is None


def test_draws_of_the_checkpoints_are_the_windows_that_every_step_read(job, spec):
    commit_all(job, spec)
    shards = TokenShards(spec.shards_dir, "train")
    order = BatchOrder(count_windows(shards.n_tokens, MODEL.context_length), TRAIN.seed)
    drawn = {}
    for artifact in job.store.artifacts():
        for row in read_rows(artifact.path / "draws.parquet"):
            assert (row["training_key"], row["source"]) == (job.spec.key, "all")
            assert row["first_token"] == row["window_id"] * MODEL.context_length
            assert (row["n_tokens"], row["n_targets"]) == (17, 16)
            tokens = shards.read(row["first_token"], row["n_tokens"])
            drawn.setdefault(row["step"], []).append(tokens)
    assert sorted(drawn) == list(range(1, TRAIN.steps + 1))
    for step, windows in drawn.items():
        first = (step - 1) * TRAIN.batch_size
        batch = read_batch(shards, order, first, TRAIN.batch_size, MODEL.context_length)
        assert (np.stack(windows) == batch).all()


def test_committing_a_step_twice_keeps_the_first(job, spec):
    commit_all(job, spec)
    first = {artifact.key: stamp(artifact) for artifact in job.store.artifacts()}
    commit_all(job, spec)
    assert {artifact.key: stamp(artifact) for artifact in job.store.artifacts()} == first
    assert list(job.store.staging.iterdir()) == []


def stamp(artifact):
    stat = (artifact.path / MANIFEST).stat()
    return stat.st_ino, stat.st_mtime_ns, artifact.content


@pytest.mark.parametrize("step", STEPS)
def test_run_from_a_committed_checkpoint_ends_in_the_same_bytes(job, spec, tmp_path, step):
    commit_all(job, spec)
    config = dataclasses.replace(TRAIN, checkpoint_every=step)
    newest = next(a for a in job.store.artifacts() if step_of(a) == step)
    resumed = dataclasses.replace(
        spec, train=config, out_dir=tmp_path / "resumed", resume_dir=newest.path
    )
    assert loop.run(resumed)
    for name in ("model.safetensors", "metrics.parquet"):
        expected = (spec.out_dir / "final" / name).read_bytes()
        assert (resumed.out_dir / "final" / name).read_bytes() == expected


def test_draws_of_a_packed_run_name_pieces_of_documents_and_all_that_was_predicted(spec, tmp_path):
    train = dataclasses.replace(TRAIN, data=DataConfig(packing="split", curriculum="length"))
    packed = dataclasses.replace(spec, train=train, out_dir=tmp_path / "packed")
    assert loop.run(packed)
    shards = TokenShards(spec.shards_dir, "train")
    stream = shards.read(0, shards.n_tokens)
    n_targets = dict.fromkeys(range(TRAIN.steps + 1), 0)
    positions = training.positions_of(packed.out_dir / "final" / "metrics.parquet")
    for row in training.draws("key", packed, positions):
        tokens = stream[row["first_token"] :][: row["n_tokens"]]
        assert shards.eot_id not in tokens[:-1]
        assert row["n_targets"] == row["n_tokens"]
        n_targets[row["step"]] += row["n_targets"]
    metrics = read_rows(packed.out_dir / "final" / "metrics.parquet")
    seen = {row["step"]: row["tokens"] for row in metrics if row["split"] == "train"}
    assert seen == {step: sum(n_targets[s] for s in range(step + 1)) for step in seen}
    later = [*training.draws("key", packed, {step: positions[step] for step in (4, 5)})]
    assert later == [r for r in training.draws("key", packed, positions) if r["step"] in (4, 5)]


def test_draws_of_a_run_that_went_back_are_what_its_steps_read(spec, tmp_path):
    train = dataclasses.replace(
        TRAIN,
        steps=40,
        lr=0.1,
        on_spike="roll_back",
        spike_sigmas=2.0,
        spike_window=4,
        max_spikes=200,
    )
    edgy = dataclasses.replace(spec, train=train, out_dir=tmp_path / "edgy")
    assert loop.run(edgy)
    metrics = edgy.out_dir / "final" / "metrics.parquet"
    positions = training.positions_of(metrics)
    assert any(row["split"] == "spike" for row in read_rows(metrics))
    assert list(positions) == list(range(1, 41))
    assert positions[40] > 39 * train.batch_size
    shards = TokenShards(spec.shards_dir, "train")
    order = BatchOrder(count_windows(shards.n_tokens, MODEL.context_length), train.seed)
    for row in training.draws("key", edgy, positions):
        first = positions[row["step"]]
        windows = [order.window(index) for index in range(first, first + train.batch_size)]
        assert row["window_id"] in windows


def test_training_is_followed_where_the_resources_say(job):
    resources = Resources(tensorboard_dir="events", wandb_project="c2m")
    spec = dataclasses.replace(job.spec, tracking=resources.tracking())
    tracking = training.tracking_of(Job(spec))
    assert tracking.name == "pretrain"
    assert tracking.tensorboard_dir == str(Path("events").absolute())
    assert tracking.wandb_project == "c2m"
    assert Path(tracking.wandb_dir).is_relative_to(job.store.runs)
    with pytest.raises(ValueError, match="wandb_mode"):
        Resources(wandb_mode="sometimes")
