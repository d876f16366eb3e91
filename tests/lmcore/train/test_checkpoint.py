"""The format: what a checkpoint holds, which runs may go on from it, what is refused, what stays."""

import dataclasses
import json
import shutil

import pytest
import torch

from lmcore.errors import ConfigError, InputError
from lmcore.model.config import ModelConfig
from lmcore.model.files import load_model
from lmcore.train.checkpoint import (
    checkpoint_dir,
    export_model,
    load_checkpoint,
    newest,
    steps_of,
    verify,
)
from lmcore.train.durable import write_directory, write_json
from lmcore.train.loop import run
from lmcore.train.retention import superseded
from lmcore.train.step import Trainer
from lmcore.train.world import World

SHARD = "shard-00000.safetensors"


@pytest.fixture
def trained(make_spec):
    spec = make_spec(steps=4, checkpoint_every=2, eval_every=4)
    run(spec)
    return spec


def load(spec, directory):
    tensors = Trainer(spec, World()).state()
    return load_checkpoint(directory, spec, tensors), tensors


def test_checkpoint_holds_the_final_model_and_its_moments(trained):
    restored, tensors = load(trained, newest(trained.out_dir))
    model = load_model(trained.out_dir / "final")
    assert restored.step == 4
    names = [name for name, _ in model.named_parameters()]
    for name, parameter in model.named_parameters():
        assert torch.equal(tensors[f"model.{name}"], parameter)
        assert tensors[f"optimizer.v.{name}"].min() >= 0
    assert len(tensors) == 3 * len(names)


def test_exported_checkpoint_is_the_final_model(trained, tmp_path):
    export_model(newest(trained.out_dir), tmp_path / "model")
    for name in ("model.safetensors", "model.json"):
        expected = (trained.out_dir / "final" / name).read_bytes()
        assert (tmp_path / "model" / name).read_bytes() == expected


@pytest.mark.parametrize("name", [SHARD, "metrics.parquet"])
def test_checkpoint_one_flipped_bit_is_refused(trained, name):
    directory = newest(trained.out_dir)
    content = bytearray((directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        load(trained, directory)


def test_checkpoint_missing_file_is_refused(trained):
    directory = newest(trained.out_dir)
    (directory / SHARD).unlink()
    with pytest.raises(InputError, match="no file"):
        verify(directory)


def test_checkpoint_truncated_is_refused_and_the_one_before_is_the_newest(trained):
    directory = newest(trained.out_dir)
    content = (directory / SHARD).read_bytes()
    (directory / SHARD).write_bytes(content[:-1])
    with pytest.raises(InputError, match="damaged"):
        load(trained, directory)
    assert newest(trained.out_dir) == checkpoint_dir(trained.out_dir, 2)
    assert load(trained, newest(trained.out_dir))[0].step == 2


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"format": 2}', '{"format": 3, "files": {}}'])
def test_checkpoint_unreadable_manifest_is_refused(trained, state):
    directory = newest(trained.out_dir)
    (directory / "state.json").write_text(state)
    with pytest.raises(InputError, match="found no checkpoint"):
        verify(directory)


def change(directory, **fields):
    state = json.loads((directory / "state.json").read_text())
    (directory / "state.json").write_text(json.dumps(state | fields))
    return state


def test_manifest_that_names_a_file_elsewhere_is_refused(trained):
    directory = newest(trained.out_dir)
    files = change(directory)["files"]
    change(directory, files=files | {"../../final/model.json": files[SHARD]})
    with pytest.raises(InputError, match="no file of a checkpoint"):
        verify(directory)


def test_manifest_that_leaves_out_a_piece_is_refused(trained):
    directory = newest(trained.out_dir)
    tensors = change(directory)["tensors"]
    tensors["model.embedding.weight"]["pieces"] = []
    change(directory, tensors=tensors)
    with pytest.raises(InputError, match="0 of 4,480 numbers of model.embedding.weight"):
        verify(directory)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"lr": 1e-3}, "train.lr"),
        ({"batch_size": 8}, "train.batch_size"),
        ({"steps": 8}, "train.steps"),
        ({"model": ModelConfig(d_model=16, n_heads=4, n_layers=2, context_length=16)}, "n_heads"),
    ],
)
def test_checkpoint_of_another_run_is_refused(trained, make_spec, changes, name):
    other = make_spec("other", **({"steps": 4, "eval_every": 4} | changes))
    with pytest.raises(InputError, match=name):
        load(other, newest(trained.out_dir))


def test_checkpoint_of_other_tensors_is_refused(trained):
    tensors = Trainer(trained, World()).state()
    del tensors["optimizer.m.embedding.weight"]
    with pytest.raises(InputError, match=r"1 other tensors .*optimizer.m.embedding.weight"):
        load_checkpoint(newest(trained.out_dir), trained, tensors)


def test_checkpoint_of_another_tokenizers_shards_is_refused(trained, other_shards_dir):
    other = dataclasses.replace(trained, shards_dir=other_shards_dir)
    with pytest.raises(InputError, match="same tokenizer"):
        load(other, newest(trained.out_dir))
    assert verify(newest(trained.out_dir))["step"] == 4


@pytest.mark.parametrize("change", ["missing", "truncated"])
def test_token_shard_that_is_damaged_is_refused_and_the_checkpoint_stays(trained, tmp_path, change):
    shards_dir = tmp_path / "damaged"
    shutil.copytree(trained.shards_dir, shards_dir)
    (shard,) = shards_dir.glob("train-*.bin")
    content = shard.read_bytes()
    shard.unlink()
    if change == "truncated":
        shard.write_bytes(content[:-2])
    last = newest(trained.out_dir)
    with pytest.raises(InputError, match=r"train-00000.bin; expected"):
        run(dataclasses.replace(trained, shards_dir=shards_dir, resume_dir=last))
    assert newest(trained.out_dir) == last
    assert load(trained, last)[0].step == 4


def test_processes_that_do_not_divide_the_batch_are_refused_and_the_checkpoint_stays(
    trained, make_spec
):
    with pytest.raises(ConfigError, match="batch_size 4 for 3 processes"):
        make_spec(world_size=3, resume_dir=newest(trained.out_dir))
    assert verify(newest(trained.out_dir))["step"] == 4


def test_newest_run_without_checkpoint_is_none(tmp_path):
    assert newest(tmp_path) is None


def test_newest_is_the_one_that_latest_names(trained):
    latest = trained.out_dir / "checkpoints" / "latest"
    assert latest.read_text() == "step-000004\n"
    latest.write_text("step-000002\n")
    assert newest(trained.out_dir) == checkpoint_dir(trained.out_dir, 2)


@pytest.mark.parametrize("content", [b"", b"step-000099\n", b"../..\n", b"\xff\x00"])
def test_newest_latest_that_names_nothing_is_passed_over(trained, content):
    (trained.out_dir / "checkpoints" / "latest").write_bytes(content)
    assert newest(trained.out_dir) == checkpoint_dir(trained.out_dir, 4)


def test_steps_are_compared_as_numbers(tmp_path):
    for name in ("step-999999", "step-1000000", ".step-2000000.partial"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert steps_of(tmp_path) == [999999, 1000000]


@pytest.mark.parametrize(
    ("keep_last", "keep_every", "gone"),
    [(0, 0, []), (1, 0, [10, 20, 30, 40]), (2, 0, [10, 20, 30]), (2, 20, [10, 30]), (9, 20, [])],
)
def test_superseded_spares_the_last_and_the_multiples(keep_last, keep_every, gone):
    steps = [30, 10, 50, 20, 40]
    assert superseded(steps, keep_last=keep_last, keep_every=keep_every) == gone


def test_run_with_retention_keeps_what_it_says(make_spec):
    spec = dataclasses.replace(make_spec(checkpoint_every=2), keep_last=2, keep_every=6)
    run(spec)
    assert steps_of(spec.out_dir) == [6, 10, 12]
    assert [verify(checkpoint_dir(spec.out_dir, step))["step"] for step in (6, 10, 12)] == [
        6,
        10,
        12,
    ]
    names = {path.name for path in (spec.out_dir / "checkpoints").iterdir()}
    assert names == {"latest", "step-000006", "step-000010", "step-000012"}


def test_retention_below_zero_is_refused(make_spec):
    with pytest.raises(ConfigError, match="keep_last -1"):
        dataclasses.replace(make_spec(), keep_last=-1)


def test_write_directory_that_fails_leaves_the_old_one_and_nothing_beside(tmp_path):
    write_directory(tmp_path / "a", lambda partial: write_json(partial / "x.json", {"n": 1}))

    def fail(partial):
        write_json(partial / "x.json", {"n": 2})
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_directory(tmp_path / "a", fail)
    assert json.loads((tmp_path / "a" / "x.json").read_text()) == {"n": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_write_directory_replaces_and_leaves_nothing_beside(tmp_path):
    for n in (1, 2):
        write_directory(tmp_path / "a", lambda p, n=n: write_json(p / "x.json", {"n": n}))
    assert json.loads((tmp_path / "a" / "x.json").read_text()) == {"n": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
