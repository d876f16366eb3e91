import json
import time

import pyarrow.parquet as pq
import pytest
import torch

from lmcore.model.config import ModelConfig
from lmcore.train import step as stepping
from lmcore.train.checkpoint import newest
from lmcore.train.config import TrainConfig
from lmcore.train.loop import run
from lmcore.train.telemetry import (
    PEAKS,
    SCHEMA,
    LiveTelemetry,
    Meter,
    flops_per_token,
    peak_of,
)

GPT2 = ModelConfig(d_model=768, n_layers=12, n_heads=12, d_ff=2048, context_length=1024)


def measure(meter, step=1, n_tokens=1000, seconds=2.0):
    return meter.measure(
        step=step, position=0, n_tokens=n_tokens, seconds=seconds, step_seconds=seconds
    )


def test_mfu_is_the_formula_with_both_counts_of_attention():
    n_matmul = 12 * (4 * 768**2 + 3 * 768 * 2048) + 50257 * 768
    half = 6 * 12 * 768 * 1024
    assert flops_per_token(GPT2, 50257) == (6 * n_matmul + half, 6 * n_matmul + 2 * half)
    row = measure(Meter(GPT2, 50257, peak=1e12))
    assert row.tokens_per_second == 500.0
    assert row.mfu_causal == pytest.approx(500.0 * (6 * n_matmul + half) / 1e12)
    assert row.mfu_full == pytest.approx(500.0 * (6 * n_matmul + 2 * half) / 1e12)


def test_summary_is_the_mean_over_the_time_of_all_steps():
    meter = Meter(GPT2, 50257, peak=1e12)
    measure(meter, 1, 1000, 1.0)
    measure(meter, 2, 1000, 3.0)
    assert meter.summary()["step_tokens_per_second"] == 500.0


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", PEAKS["H200"]),
        ("NVIDIA H100 80GB HBM3", PEAKS["H100"]),
        ("NVIDIA H100 PCIe", PEAKS["H100 PCIe"]),
        ("NVIDIA A100-SXM4-80GB", PEAKS["A100"]),
        ("Some other device", None),
    ],
)
def test_peak_of_a_device_goes_by_its_name(name, peak):
    assert peak_of(name) == peak


def test_parts_of_two_tries_are_joined_in_their_order(tmp_path):
    meter = Meter(GPT2, 50257, peak=1e12)
    for steps in ((1, 2), (2, 3)):
        live = LiveTelemetry(tmp_path / "telemetry")
        for step in steps:
            live.rows.append(measure(meter, step))
            live.publish()
        live.publish()
    live.join(tmp_path / "telemetry.parquet")
    table = pq.read_table(tmp_path / "telemetry.parquet")
    assert table.schema.equals(SCHEMA)
    assert table["step"].to_pylist() == [1, 2, 2, 3]


def test_run_publishes_telemetry_of_every_step_and_says_it_in_its_progress(make_spec, caplog):
    caplog.set_level("INFO")
    spec = make_spec()
    run(spec, is_stopped=lambda: len(list((spec.out_dir / "telemetry").glob("*"))) > 0)
    run(make_spec(resume_dir=newest(spec.out_dir)), clock=time.monotonic)
    table = pq.read_table(spec.out_dir / "telemetry.parquet")
    assert table["step"].to_pylist() == list(range(1, 13))
    assert table["position"].to_pylist() == [4 * step for step in range(12)]
    for name in ("step_seconds", "tokens_per_second", "mfu_causal", "rss_bytes"):
        assert min(table[name].to_pylist()) > 0
    assert table["device_bytes"].null_count in (0, 12)
    progress = json.loads((spec.out_dir / "progress.json").read_text())
    assert progress["tokens_per_second"] == table["tokens_per_second"].to_pylist()[-1]
    assert progress["mfu"] == table["mfu_causal"].to_pylist()[-1]
    (line,) = [m for m in caplog.messages if m.startswith("progress step=12")]
    for word in (
        "loss=",
        "lr=",
        "grad_norm=",
        "tokens_per_second=",
        "mfu_full=",
        "rss_bytes=",
        "position=44",
    ):
        assert word in line
    summary = json.loads((spec.out_dir / "telemetry.json").read_text())
    assert 0 < summary["mfu_causal"] < summary["mfu_full"]


@pytest.mark.parametrize(
    ("flops_per_second", "sides"),
    [(1e9, [256]), (1e11, [256, 1024]), (1e12, [256, 1024, 2048])],
)
def test_rate_of_products_is_asked_of_sides_that_the_processor_can_do(
    flops_per_second, sides, monkeypatch
):
    asked = []

    def seconds(square):
        asked.append(square.shape[0])
        return 2.0 * square.shape[0] ** 3 / flops_per_second

    monkeypatch.setattr(stepping, "_product_seconds", seconds)
    assert stepping.product_rate(TrainConfig(precision="bfloat16")) == pytest.approx(
        flops_per_second
    )
    assert asked == sides


def test_seconds_of_a_product_grow_with_its_side():
    small, large = (stepping._product_seconds(torch.ones(side, side)) for side in (32, 1024))
    assert 0.0 < small < large
