import pytest

from lmcore.errors import InputError
from lmcore.model.attention import _WRITTEN_OUT as ATTENTION_WRITTEN_OUT
from lmcore.model.config import ModelConfig
from lmcore.model.loss import _CHUNK_BYTES as LOSS_CHUNK_BYTES
from lmcore.train import estimate as module
from lmcore.train.config import TrainConfig
from lmcore.train.estimate import (
    available_memory,
    estimate_flops,
    estimate_memory,
    estimate_seconds,
    refuse_unless_it_fits,
)

MODEL = ModelConfig(d_model=64, n_layers=2, n_heads=2, context_length=32)


def test_chunk_is_that_of_the_loss():
    assert module._CHUNK_BYTES == LOSS_CHUNK_BYTES


def test_longest_written_out_sequence_is_that_of_attention():
    assert module._WRITTEN_OUT == ATTENTION_WRITTEN_OUT


def test_written_out_scores_count_in_bfloat16_up_to_the_longest():
    def activations(context_length, precision):
        shape = ModelConfig(d_model=64, n_layers=2, n_heads=2, context_length=context_length)
        train = TrainConfig(batch_size=2048 // context_length, precision=precision)
        return estimate_memory(shape, 100, train).activations

    assert activations(1024, "bfloat16") > activations(512, "bfloat16")
    assert activations(2048, "bfloat16") < activations(1024, "bfloat16")
    assert activations(1024, "float32") == activations(512, "float32")


def test_memory_of_a_checkpoint_is_twelve_bytes_a_parameter():
    estimate = estimate_memory(MODEL, 100, TrainConfig())
    assert estimate.checkpoint == 12 * MODEL.n_parameters(100)
    assert estimate.total > estimate.checkpoint + estimate.parameters


def test_memory_of_weights_is_sixteen_bytes_a_parameter():
    estimate = estimate_memory(MODEL, 100, TrainConfig())
    assert estimate.parameters == 16 * MODEL.n_parameters(100)


def test_memory_of_activations_grows_with_the_batch_and_not_with_the_vocabulary():
    small = estimate_memory(MODEL, 100, TrainConfig(batch_size=4))
    large = estimate_memory(MODEL, 200, TrainConfig(batch_size=8))
    assert large.activations == 2 * small.activations


def test_memory_of_bfloat16_is_less():
    wide, narrow = (
        estimate_memory(MODEL, 100, TrainConfig(precision=precision))
        for precision in ("float32", "bfloat16")
    )
    assert narrow.total < wide.total


def test_memory_of_gpt2_is_less_than_of_llama_of_equal_width():
    shape = {"d_model": 64, "d_ff": 256, "n_layers": 2, "n_heads": 2, "context_length": 32}
    gpt2 = {"norm": "layer", "activation": "gelu", "positions": "learned", "biases": True}
    llama, other = (
        estimate_memory(ModelConfig(**shape, **changes), 100, TrainConfig())
        for changes in ({}, gpt2)
    )
    tokens, d_ff = 16 * 32, 256
    saved = module._HOLES["float32"] * tokens * 4 * (2 * d_ff + d_ff)
    assert llama.activations - other.activations == pytest.approx(saved, abs=2)


def test_seconds_follow_from_operations():
    flops = estimate_flops(MODEL, 100, TrainConfig(steps=100, batch_size=4))
    assert flops == 100 * 4 * 32 * MODEL.training_flops_per_token(100)
    assert 1.0 < estimate_seconds(flops, float(flops)) < 2.0


def test_run_that_cannot_fit_is_refused_with_numbers():
    estimate = estimate_memory(MODEL, 100, TrainConfig())
    refuse_unless_it_fits(estimate, estimate.total)
    with pytest.raises(
        InputError, match=rf"needs about {estimate.total:,d} .*lower pretrain.batch_size"
    ):
        refuse_unless_it_fits(estimate, estimate.total - 1)


@pytest.mark.parametrize(
    ("limit", "expected"), [("max", 8 * 2**20), ("4194304", 4194304 - 2097152 + 1048576)]
)
def test_available_memory_is_the_containers(tmp_path, limit, expected):
    (tmp_path / "meminfo").write_text("MemTotal: 16384 kB\nMemAvailable: 8192 kB\n")
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text("2097152\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 1048576\n")
    assert available_memory(tmp_path / "meminfo", tmp_path) == expected


def test_estimate_knows_what_is_computed_again_and_what_is_kept_beside():
    model = ModelConfig(d_model=256, n_layers=8, n_heads=4, context_length=256)
    n_parameters = model.n_parameters(4096)

    def of(**fields):
        return estimate_memory(model, 4096, TrainConfig(batch_size=32, world_size=1, **fields))

    plain = of()
    modes = [of(recompute=mode).activations for mode in ("full", "selective", "none")]
    assert modes == sorted(modes)
    # measured in float32: 1,506 MiB and 952 MiB of 2,053 (tests/benchmarks/RESULTS.md)
    for mode, measured in (("selective", 547), ("full", 1101)):
        spared = (plain.activations - of(recompute=mode).activations) / 2**20
        assert spared == pytest.approx(measured, rel=0.1)
    assert of(micro_batch_size=8).activations == pytest.approx(plain.activations / 4)
    averaged, rolled = of(ema_decay=0.9), of(on_spike="roll_back")
    assert averaged.parameters - plain.parameters == 4 * n_parameters
    assert rolled.parameters - plain.parameters == 12 * n_parameters
    assert rolled.checkpoint == 2 * plain.checkpoint
