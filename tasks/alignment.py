"""The pretrained model learns to answer: instructions, then preferences, then reinforcement."""

from collections.abc import Iterator
from pathlib import Path

from lmcore.align.config import DPOConfig, GRPOConfig, ProblemConfig, SFTConfig
from lmcore.align.dpo import optimise_preferences
from lmcore.align.grpo import reinforce
from lmcore.align.sft import finetune
from tasks.job import Job, Row
from warehouse.parquet import read_rows
from warehouse.schemas import TABLES

METRICS = "metrics.parquet"


def sft(job: Job) -> None:
    """Fine-tune on right answers."""
    finetune(
        job.path("model"),
        job.path("tokenizer"),
        job.out,
        job.config(SFTConfig, "sft"),
        job.config(ProblemConfig, "problems"),
        progress=job.progress,
    )
    _adopt(job, "train")


def dpo(job: Job) -> None:
    """Prefer right answers to wrong ones."""
    optimise_preferences(
        job.path("model"),
        job.path("tokenizer"),
        job.out,
        job.config(DPOConfig, "dpo"),
        job.config(ProblemConfig, "problems"),
        progress=job.progress,
    )
    _adopt(job, "train")
    rewrite(job, "preferences", job.out / "preferences.parquet")


def grpo(job: Job) -> None:
    """Reinforce answers that the verifier accepts; every rollout is kept."""
    reinforce(
        job.path("model"),
        job.path("tokenizer"),
        job.out,
        job.config(GRPOConfig, "grpo"),
        job.config(ProblemConfig, "problems"),
        progress=job.progress,
    )
    _adopt(job, "rollouts")
    rewrite(job, "rollouts", job.out / "rollouts.parquet")


def _adopt(job: Job, split: str) -> None:
    """Turn the trainer's own metrics into rows of the metrics table."""
    path = job.out / METRICS
    rows = [{"split": split, "tokens": None, **row} for row in read_rows(path)]
    job.write("metrics", METRICS, complete_metrics(job, rows))


def complete_metrics(job: Job, rows: list[dict[str, object]]) -> Iterator[Row]:
    """Fill the columns of the metrics table that a stage does not measure with null."""
    empty = dict.fromkeys(TABLES["metrics"].schema.names)
    for row in rows:
        if "validation_accuracy" in row:
            row["accuracy"] = row.pop("validation_accuracy")
        yield {**empty, "stage": job.spec.stage, "name": job.spec.step, **row}


def rewrite(job: Job, table: str, path: Path) -> None:
    """Register a file that lmcore wrote as a table of the warehouse, in the warehouse's form."""
    rows = list(read_rows(path))
    job.write(table, path.name, rows)
