import subprocess
import sys

import pytest
import torch

from lmcore.errors import ConfigError
from lmcore.model.config import ModelConfig
from lmcore.model.transformer import Block, Transformer
from lmcore.parallel.config import ParallelConfig
from lmcore.parallel.stage import refuse_other_layers
from lmcore.tokens.data_config import DataConfig
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
        ({"offload": True, "data": "zero1"}, "offload with data zero1; .*set data to fsdp"),
        ({"offload": True, "data": "ddp"}, "offload with data ddp; .*set data to fsdp"),
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
        ({"world_size": 1}, {"offload": True}, "no two processes .*raise world_size"),
        ({"world_size": 2}, {"offload": True, "tensor": 2}, "no two processes that share a weight"),
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


@pytest.mark.parametrize(
    "parallel", [{"tensor": 2}, {"context": 2}, {"pipeline": 2, "data": "ddp"}]
)
def test_spec_gpt2_is_sharded_but_not_cut(tmp_path, parallel):
    gpt2 = {"norm": "layer", "activation": "gelu", "positions": "learned", "biases": True}
    model = ModelConfig(d_model=32, n_layers=2, n_heads=2, context_length=32, **gpt2)
    files = {"vocab_size": 280, "shards_dir": tmp_path, "out_dir": tmp_path}
    TrainSpec(model=model, train=TrainConfig(world_size=2), **files)
    train = TrainConfig(world_size=2, parallel=ParallelConfig(**parallel))
    with pytest.raises(ConfigError, match="norm layer, activation gelu, positions learned"):
        TrainSpec(model=model, train=train, **files)


def test_spec_written_and_read_keeps_the_mesh(tmp_path):
    parallel = ParallelConfig(data="zero1", tensor=3, sequence_parallel=True)
    train = TrainConfig(world_size=6, parallel=parallel)
    model = ModelConfig(d_model=24, n_layers=2, n_heads=3, d_ff=66, context_length=33)
    spec = TrainSpec(
        model=model, train=train, vocab_size=280, shards_dir=tmp_path, out_dir=tmp_path
    )
    spec.write(tmp_path / "spec.json")
    assert TrainSpec.read(tmp_path / "spec.json") == spec


def test_model_of_other_layers_is_not_cut():
    class OtherBlock(Block):
        pass

    model = Transformer(MODEL, 280)
    refuse_other_layers(model)
    model.blocks[1] = OtherBlock(MODEL, 1, generator=torch.Generator())
    with pytest.raises(ConfigError, match="layer 1 of kind OtherBlock"):
        refuse_other_layers(model)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"noise_scale_every": 5, "micro_batch_size": 1}, "noise_scale_every"),
        ({"precision": "float8_emulated"}, "float8"),
    ],
)
def test_config_what_a_cut_model_cannot_do_is_refused(fields, word):
    with pytest.raises(ConfigError, match=word):
        TrainConfig(world_size=2, parallel=ParallelConfig(tensor=2), **fields)


def test_config_packed_documents_on_the_ring_are_refused():
    with pytest.raises(ConfigError, match="packing"):
        TrainConfig(
            world_size=2,
            parallel=ParallelConfig(context=2),
            data=DataConfig(packing="whole"),
        )


def test_config_microbatches_of_a_pipeline_are_said_once():
    with pytest.raises(ConfigError, match="microbatches"):
        TrainConfig(
            world_size=2,
            micro_batch_size=2,
            parallel=ParallelConfig(pipeline=2, data="ddp"),
        )


@pytest.mark.parametrize(
    ("fields", "copies"),
    [
        ({}, (1, 1, 1)),
        ({"replicate": 2}, (2, 2, 2)),
        ({"data": "ddp"}, (4, 8, 4)),
        ({"data": "zero1"}, (4, 8, 1)),
        ({"data": "zero1", "tensor": 2}, (2, 4, 1)),
        ({"data": "ddp", "tensor": 4}, (1, 1, 1)),
    ],
)
def test_config_says_how_often_weights_gradients_and_moments_are_held(fields, copies):
    assert ParallelConfig(**fields).copies(4) == copies


def test_config_and_traffic_import_no_torch():
    code = (
        "import sys, lmcore.parallel.config, lmcore.train.traffic; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
