"""The arithmetic by itself; test_equality holds it against counted bytes."""

import pytest

from lmcore.model.config import ModelConfig
from lmcore.model.transformer import Transformer
from lmcore.parallel.config import ParallelConfig
from lmcore.train.config import TrainConfig
from lmcore.train.traffic import parameter_shapes, predicted_bytes

MODEL = ModelConfig(d_model=32, n_layers=2, n_heads=4, context_length=64)
VOCAB_SIZE = 512


def predicted(world_size, **parallel):
    config = ParallelConfig(**parallel)
    train = TrainConfig(world_size=world_size, batch_size=8, parallel=config)
    return predicted_bytes(MODEL, VOCAB_SIZE, train)


@pytest.mark.parametrize("fields", [{}, {"tied_embeddings": False, "qk_norm": True}])
def test_shapes_are_those_of_the_model(fields):
    config = ModelConfig(d_model=32, n_layers=2, n_heads=4, **fields)
    model = Transformer(config, VOCAB_SIZE)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert parameter_shapes(config, VOCAB_SIZE) == shapes


def test_traffic_of_one_process_is_none():
    assert predicted(1).total == 0


def test_traffic_of_data_parallelism_is_the_textbook_formula():
    n_bytes = 4 * MODEL.n_parameters(VOCAB_SIZE)
    assert predicted(4, data="ddp").gradients == 2 * 3 * n_bytes
    zero = predicted(4, data="zero1")
    assert zero.gradients == zero.weights == 3 * n_bytes
    sharded = predicted(4)
    assert sharded.gradients == 3 * n_bytes
    # blocks are gathered twice, the embedding and the last gain once
    outside = 4 * (VOCAB_SIZE * 32 + 32)
    assert sharded.weights == 3 * (2 * n_bytes - outside)
    hybrid = predicted(4, replicate=2)
    assert hybrid.gradients == 2 * n_bytes + 2 * n_bytes
    assert hybrid.weights == 2 * (2 * n_bytes - outside)


def test_traffic_of_sequence_parallelism_is_that_of_tensor_parallelism():
    plain, positions = predicted(2, tensor=2), predicted(2, tensor=2, sequence_parallel=True)
    assert positions.tensor == plain.tensor
    assert positions.gradients > plain.gradients == 0  # gains see a part of the positions


def test_traffic_of_microbatches_is_that_of_one():
    one = predicted(2, pipeline=2, data="ddp")
    assert predicted(2, pipeline=2, data="ddp", microbatches=8) == one
    assert one.pipeline == 2 * (8 * 64 * 32) * 4 + 2 * (VOCAB_SIZE * 32) * 4
