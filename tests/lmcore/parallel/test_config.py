import subprocess
import sys

import pytest

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig
from lmcore.parallel.config import ParallelConfig
from lmcore.train.config import TrainConfig
from lmcore.train.spec import TrainSpec

MODEL = ModelConfig(d_model=24, n_layers=2, n_heads=3, d_ff=64, context_length=32)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"data": "zero2"}, "one of"),
        ({"schedule": "zigzag"}, "one of"),
        ({"tensor": 0}, "at least 1"),
        ({"replicate": 2, "data": "ddp"}, "replicas"),
        ({"sequence_parallel": True}, "raise tensor"),
        ({"microbatches": 4}, "raise pipeline"),
        ({"pipeline": 2}, "set data to ddp or zero1"),
    ],
)
def test_config_impossible_mesh_is_refused(fields, word):
    with pytest.raises(ConfigError, match=word):
        ParallelConfig(**fields)


@pytest.mark.parametrize(
    ("train", "parallel", "word"),
    [
        ({"world_size": 3}, {"tensor": 2}, "expected a divisor"),
        ({"world_size": 2}, {"tensor": 2, "context": 2}, "expected a divisor"),
        ({"world_size": 4}, {"tensor": 2, "replicate": 4}, "expected a divisor"),
        ({"world_size": 4, "batch_size": 6}, {}, "expected a multiple"),
        (
            {"world_size": 4, "batch_size": 8},
            {"pipeline": 2, "data": "ddp", "microbatches": 5},
            "one row each",
        ),
    ],
)
def test_config_processes_that_do_not_divide_are_refused(train, parallel, word):
    with pytest.raises(ConfigError, match=word):
        TrainConfig(**train, parallel=ParallelConfig(**parallel))


def test_config_rows_are_shared_by_the_data_dimension_only():
    config = TrainConfig(world_size=8, batch_size=2, parallel=ParallelConfig(tensor=2, context=2))
    assert config.parallel.data_size(8) == 2


@pytest.mark.parametrize(
    ("parallel", "word"),
    [
        ({"tensor": 2}, "n_heads 3"),
        ({"context": 3}, "context_length 32"),
        ({"pipeline": 3, "data": "ddp"}, "n_layers 2"),
    ],
)
def test_spec_model_that_the_mesh_cannot_cut_is_refused(tmp_path, parallel, word):
    config = ParallelConfig(**parallel)
    size = config.tensor * config.context * config.pipeline
    train = TrainConfig(world_size=size, batch_size=6, parallel=config)
    with pytest.raises(ConfigError, match=word):
        TrainSpec(model=MODEL, train=train, vocab_size=280, shards_dir=tmp_path, out_dir=tmp_path)


def test_spec_written_and_read_keeps_the_mesh(tmp_path):
    parallel = ParallelConfig(data="zero1", tensor=3, sequence_parallel=True)
    train = TrainConfig(world_size=6, parallel=parallel)
    model = ModelConfig(d_model=24, n_layers=2, n_heads=3, d_ff=66, context_length=33)
    spec = TrainSpec(
        model=model, train=train, vocab_size=280, shards_dir=tmp_path, out_dir=tmp_path
    )
    spec.write(tmp_path / "spec.json")
    assert TrainSpec.read(tmp_path / "spec.json") == spec


def test_config_and_traffic_import_no_torch():
    code = (
        "import sys, lmcore.parallel.config, lmcore.train.traffic; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
