import json

import pytest
import torch

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.model.files import load_model
from lmcore.train.checkpoint import load_checkpoint, newest, verify
from lmcore.train.durable import write_directory, write_json
from lmcore.train.loop import run
from lmcore.train.step import Trainer
from lmcore.train.world import World

N_FILES = 5


@pytest.fixture
def trained(make_spec):
    spec = make_spec(steps=4, checkpoint_every=2, eval_every=4)
    run(spec)
    return spec


def load(spec, directory):
    return load_checkpoint(directory, spec, Trainer(spec, World()).train_shards.n_tokens)


def test_checkpoint_holds_the_final_model_and_its_moments(trained):
    checkpoint = load(trained, newest(trained.out_dir))
    model = load_model(trained.out_dir / "final")
    assert checkpoint.step == 4
    for name, parameter in model.named_parameters():
        assert torch.equal(checkpoint.weights[name], parameter)
        assert checkpoint.moments[f"optimizer.v.{name}"].min() >= 0
    assert len(checkpoint.moments) == 2 * len(checkpoint.weights)


def test_checkpoint_is_a_model_folder_too(trained):
    assert load_model(newest(trained.out_dir)).config == trained.model


@pytest.mark.parametrize(
    "name", ["model.safetensors", "model.json", "optimizer.safetensors", "metrics.parquet"]
)
def test_checkpoint_one_flipped_bit_is_refused(trained, name):
    directory = newest(trained.out_dir)
    content = bytearray((directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        verify(directory)


def test_checkpoint_missing_file_is_refused(trained):
    directory = newest(trained.out_dir)
    (directory / "optimizer.safetensors").unlink()
    with pytest.raises(InputError, match="no file"):
        verify(directory)


@pytest.mark.parametrize("state", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "files": {}}'])
def test_checkpoint_unreadable_manifest_is_refused(trained, state):
    directory = newest(trained.out_dir)
    (directory / "state.json").write_text(state)
    with pytest.raises(InputError, match="found no checkpoint"):
        verify(directory)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"lr": 1e-3}, "train.lr"),
        ({"batch_size": 8}, "train.batch_size"),
        ({"model": ModelConfig(d_model=16, n_heads=4, n_layers=2, context_length=16)}, "n_heads"),
    ],
)
def test_checkpoint_of_another_run_is_refused(trained, make_spec, changes, name):
    other = make_spec("other", **({"steps": 4, "eval_every": 4} | changes))
    with pytest.raises(InputError, match=name):
        load(other, newest(trained.out_dir))


def test_checkpoint_of_other_data_is_refused(trained):
    with pytest.raises(InputError, match="n_train_tokens"):
        load_checkpoint(newest(trained.out_dir), trained, 17)


def test_newest_run_without_checkpoint_is_none(tmp_path):
    assert newest(tmp_path) is None


def test_newest_steps_are_compared_as_numbers(tmp_path):
    for name in ("step-999999", "step-1000000", ".step-2000000.partial"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    assert newest(tmp_path).name == "step-1000000"


def test_write_directory_that_fails_leaves_the_old_one(tmp_path):
    write_directory(tmp_path / "a", lambda partial: write_json(partial / "x.json", {"n": 1}))

    def fail(partial):
        write_json(partial / "x.json", {"n": 2})
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_directory(tmp_path / "a", fail)
    assert json.loads((tmp_path / "a" / "x.json").read_text()) == {"n": 1}


def test_write_directory_replaces_and_leaves_nothing_beside(tmp_path):
    for n in (1, 2):
        write_directory(tmp_path / "a", lambda p, n=n: write_json(p / "x.json", {"n": n}))
    assert json.loads((tmp_path / "a" / "x.json").read_text()) == {"n": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
