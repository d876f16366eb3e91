"""What a run costs while it goes on: speed, share of the peak, memory. It differs from run to run.

Model FLOPs utilisation (MFU, arXiv:2204.02311, appendix B) is

    tokens per second * FLOPs per token / peak FLOP/s

with 6 FLOPs a token and parameter of the matrices (blocks and head; the embedding is looked up) and,
for scores and values, 6 L d T when only the causal half is counted, 12 L d T when all of it is. The
two counts differ by 2 % at d = 768 and T = 1,024 and by a third at T = 16,384, so both are columns.
Recomputed activations are not counted: that would be hardware utilisation.

The peak is the maker's figure for a GPU by name, and on a CPU the measured rate of a matrix product
in the run's precision, times the processes: so there MFU says how far a step is from products alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from lmcore.memory import resident_bytes
from lmcore.model.config import ModelConfig
from lmcore.train.durable import write_file

PEAKS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "B200": 2250e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}
"""Dense bfloat16 FLOP/s of the makers' data sheets; the first name that a device's holds is it."""

SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("step_seconds", pa.float64(), nullable=False),
        pa.field("tokens_per_second", pa.float64(), nullable=False),
        pa.field("mfu_causal", pa.float64(), nullable=False),
        pa.field("mfu_full", pa.float64(), nullable=False),
        pa.field("rss_bytes", pa.int64(), nullable=False),
        pa.field("device_bytes", pa.int64(), nullable=True),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryRow:
    """The cost of one step."""

    step: int
    position: int
    """Place of the batch's first window in the order of the data."""
    seconds: float
    """From the start of the process's first step to the end of this one."""
    step_seconds: float
    """Of the step alone, without evaluation or checkpoint."""
    tokens_per_second: float
    """Targets of the step, over all processes, a second of it."""
    mfu_causal: float
    mfu_full: float
    rss_bytes: int
    """Resident memory of the first process."""
    device_bytes: int | None
    """Most memory that the accelerator has held so far; null without one."""


def peak_of(device_name: str) -> float | None:
    """The bfloat16 peak of an accelerator by its name, where it is known."""
    return next((peak for name, peak in PEAKS.items() if name in device_name), None)


def flops_per_token(model: ModelConfig, vocab_size: int) -> tuple[int, int]:
    """Training FLOPs of a token of a full context: attention counted by its causal half, and whole."""
    causal = model.training_flops_per_token(vocab_size)
    return causal, causal + 6 * model.n_layers * model.d_model * model.context_length


class Meter:
    """Measures the steps of one process of a run."""

    def __init__(self, model: ModelConfig, vocab_size: int, peak: float) -> None:
        self.flops = flops_per_token(model, vocab_size)
        self.peak = peak
        self.step_seconds = 0.0
        self.n_tokens = 0

    def measure(
        self, *, step: int, position: int, n_tokens: int, seconds: float, step_seconds: float
    ) -> TelemetryRow:
        """The row of a step that took so long and began so long after the first."""
        self.step_seconds += step_seconds
        self.n_tokens += n_tokens
        speed = n_tokens / max(step_seconds, 1e-9)
        causal, full = (speed * flops / self.peak for flops in self.flops)
        has_device = torch.cuda.is_available()
        return TelemetryRow(
            step=step,
            position=position,
            seconds=seconds,
            step_seconds=step_seconds,
            tokens_per_second=speed,
            mfu_causal=causal,
            mfu_full=full,
            rss_bytes=resident_bytes(),
            device_bytes=torch.cuda.max_memory_allocated() if has_device else None,
        )

    def summary(self) -> dict[str, float]:
        """Means over all steps so far, evaluations and checkpoints left out."""
        speed = self.n_tokens / max(self.step_seconds, 1e-9)
        causal, full = (speed * flops / self.peak for flops in self.flops)
        return {
            "step_tokens_per_second": speed,
            "mfu_causal": causal,
            "mfu_full": full,
            "peak_flops_per_second": self.peak,
        }


class LiveTelemetry:
    """Rows published while the run goes on: closed Parquet parts behind those of earlier tries."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.n_parts = len(list(directory.glob("part-*.parquet")))
        self.rows: list[TelemetryRow] = []

    def publish(self) -> None:
        """Writes the rows that no part holds yet."""
        if not self.rows:
            return
        write_telemetry(self.directory / f"part-{self.n_parts:05d}.parquet", self.rows)
        self.n_parts += 1
        self.rows = []

    def join(self, path: Path) -> None:
        """Writes all parts as one file."""
        self.publish()
        parts = sorted(self.directory.glob("part-*.parquet"))
        tables = [pq.read_table(part, schema=SCHEMA) for part in parts]
        table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
        write_file(path, lambda partial: pq.write_table(table, partial, compression="zstd"))


def write_telemetry(path: Path, rows: Sequence[TelemetryRow]) -> None:
    """Writes rows as Parquet, whole or not at all."""
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA)
    write_file(path, lambda partial: pq.write_table(table, partial, compression="zstd"))
