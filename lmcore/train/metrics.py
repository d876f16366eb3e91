"""What a run measures of its model: one row per step and split, the same in every repetition.

Seconds and tokens per second are not here, because they differ from run to run.

Bits per byte compare models across tokenizers: nats per token, times tokens per byte of the
split, over ln 2. The end-of-text tokens are among the tokens and their loss is paid; the bytes
are those of the texts alone.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lmcore.tokens.shards import TokenShards
from lmcore.train.durable import write_file

SCHEMA = pa.schema(
    [
        pa.field("step", pa.int64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("loss", pa.float64(), nullable=False),
        pa.field("bits_per_byte", pa.float64(), nullable=False),
        pa.field("lr", pa.float64(), nullable=False),
        pa.field("grad_norm", pa.float64(), nullable=True),
        pa.field("position", pa.int64(), nullable=True),
        pa.field("event", pa.string(), nullable=True),
        pa.field("loss_scale", pa.float64(), nullable=True),
        pa.field("gradient_signal", pa.float64(), nullable=True),
        pa.field("gradient_noise", pa.float64(), nullable=True),
        pa.field("critical_batch_tokens", pa.float64(), nullable=True),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One measurement."""

    step: int
    """Updates made when the row was written; a train row is measured before its update."""
    tokens: int
    """Tokens trained on by then."""
    split: str
    """The step's batch ("train"), the same windows always ("validation"), those under the average
    of the weights ("ema"), or the batch of a step that a roll-back has undone ("spike")."""
    loss: float
    """Nats per token."""
    bits_per_byte: float
    """The same per byte of text."""
    lr: float
    """Learning rate of the step; 0 before the first."""
    grad_norm: float | None
    """Norm of the gradient before clipping; null for validation."""
    position: int | None = None
    """Place of the batch's first window in the order of the data; null for validation."""
    event: str | None = None
    """Why the step made no update (an overflow, a skipped spike) or was undone; null otherwise."""
    loss_scale: float | None = None
    """Factor of the loss in the backward pass; null but under float16."""
    gradient_signal: float | None = None
    """Estimate of the true gradient's square, free of noise; null where it was not measured."""
    gradient_noise: float | None = None
    """Estimate of the trace of the covariance of one target's gradient; null likewise."""
    critical_batch_tokens: float | None = None
    """Running noise over running signal: the critical batch size; null likewise, or unknown."""


def bits_per_byte(nats_per_token: float, shards: TokenShards) -> float:
    """Turns nats per token into bits per byte with the split's tokens and bytes."""
    return nats_per_token * shards.n_tokens / max(shards.n_bytes, 1) / math.log(2.0)


def to_table(rows: Sequence[MetricRow]) -> pa.Table:
    """Turns rows into Arrow."""
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA)


def write_metrics(path: Path, rows: Sequence[MetricRow]) -> None:
    """Writes rows as Parquet, whole or not at all."""
    table = to_table(rows)
    write_file(path, lambda partial: pq.write_table(table, partial, compression="zstd"))


def read_metrics(path: Path) -> list[MetricRow]:
    """Reads the rows that `write_metrics` wrote."""
    return [MetricRow(**row) for row in pq.read_table(path).to_pylist()]


def without_undone(rows: Sequence[MetricRow], back_to: int) -> list[MetricRow]:
    """The rows that a return to a step leaves: those up to it, and what was undone before."""
    return [row for row in rows if row.step <= back_to or row.split == "spike"]


class LiveMetrics:
    """Rows published while the run goes on: closed Parquet parts, in the order of the steps."""

    def __init__(self, directory: Path, rows: Sequence[MetricRow]) -> None:
        """Starts afresh: parts of an earlier try go, rows restored from a checkpoint come."""
        self.directory = directory
        self.n_parts = 0
        for stale in sorted(directory.glob("part-*.parquet")):
            stale.unlink()
        self.n_published = 0
        self.publish(rows)

    def publish(self, rows: Sequence[MetricRow]) -> None:
        """Writes the rows that no part holds yet."""
        if len(rows) == self.n_published:
            return
        path = self.directory / f"part-{self.n_parts:05d}.parquet"
        write_metrics(path, rows[self.n_published :])
        self.n_parts += 1
        self.n_published = len(rows)
