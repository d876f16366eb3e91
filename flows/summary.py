"""The last page of a run: what a person wants to know before the next command."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from warehouse import catalog, runs
from warehouse.store import Store

_SAMPLES = 3
_FUNNEL = ("extract", "decide", "deduplicate", "tokens")
_SAMPLE_CHARS = 320


def show_summary(store: Store, run_id: str, console: Console) -> None:
    """Print funnel, curve, samples, accuracies, the report's place and three next commands."""
    connection = catalog.connect(store, run_id)
    run = runs.read_run(store, run_id)
    steps = list(runs.steps(store, run_id))
    hits = sum(step.state == "hit" for step in steps)
    console.print()
    console.print(
        f"[bold]run {run_id} {run.status}[/bold]: {len(steps)} steps, {hits} cached, "
        f"{len(steps) - hits} ran"
    )
    _funnel(connection, run_id, console)
    _curve(connection, console)
    _accuracies(connection, console)
    _samples(connection, console)
    _farewell(store, steps, console)


def _rows(
    connection: duckdb.DuckDBPyConnection, question: str, **parameters: object
) -> Sequence[tuple[Any, ...]]:  # columns of several types
    _, rows = catalog.query(connection, question, parameters)
    return rows


def _funnel(connection: duckdb.DuckDBPyConnection, run_id: str, console: Console) -> None:
    table = Table("stage", "in", "kept", "rejected", "most frequent reasons", title="funnel")
    reasons: dict[object, list[str]] = {}
    for stage, reason, n in _rows(
        connection,
        "SELECT stage, reason, count(*) AS n FROM rejections GROUP BY ALL ORDER BY n DESC, reason",
    ):
        reasons.setdefault(stage, []).append(f"{reason} {n:,d}")
    order = {stage: rank for rank, stage in enumerate(_FUNNEL)}
    counted = _rows(
        connection,
        "SELECT stage, rows_in, rows_kept, rows_rejected FROM accounting "
        "WHERE run_id = $run_id AND list_contains($stages, stage) ORDER BY stage",
        run_id=run_id,
        stages=list(_FUNNEL),
    )
    for stage, rows_in, kept, rejected in sorted(counted, key=lambda row: order[str(row[0])]):
        table.add_row(
            str(stage),
            f"{rows_in:,d}",
            f"{kept:,d}",
            f"{rejected:,d}",
            ", ".join(reasons.get(stage, [])[:5]),
        )
    console.print(table)
    split = _rows(
        connection,
        "SELECT split, count(*), sum(length), sum(n_bytes) FROM shards GROUP BY split ORDER BY split",
    )
    for name, documents, tokens, n_bytes in split:
        console.print(
            f"  {name}: {documents:,d} documents, {int(str(tokens)):,d} tokens, "
            f"{int(str(n_bytes)):,d} bytes"
        )


def _curve(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    curve = _rows(
        connection,
        "SELECT split, arg_min(bits_per_byte, step), arg_max(bits_per_byte, step), max(step) "
        "FROM metrics WHERE stage = 'pretrain' AND bits_per_byte IS NOT NULL "
        "GROUP BY split ORDER BY split",
    )
    for split, first, last, steps in curve:
        console.print(
            f"[bold]loss[/bold] {split}: {first:.3f} -> {last:.3f} bits per byte in {steps:,d} steps"
        )
    for model, value in _rows(
        connection,
        "SELECT model, bits_per_byte FROM bits_per_byte WHERE source = 'all' ORDER BY model",
    ):
        console.print(f"  held out, {model}: {value:.3f} bits per byte")
    for predicted, low, high, measured in _rows(
        connection, "SELECT predicted_loss, low, high, measured_loss FROM scaling_predictions"
    ):
        if predicted is not None:
            console.print(
                f"  scaling law predicted {predicted:.3f} nats per token "
                f"(90% {low:.3f} to {high:.3f}), measured {measured:.3f}"
            )


def _accuracies(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    rows = _rows(
        connection,
        "SELECT model, task, n, accuracy, low, high FROM evaluations ORDER BY task, "
        "list_position(['base', 'sft', 'dpo', 'grpo'], model)",
    )
    if not rows:
        return
    table = Table("model", "task", "n", "accuracy", "95% interval", title="held-out accuracy")
    for model, task, n, accuracy, low, high in rows:
        table.add_row(
            str(model), str(task), f"{n:,d}", f"{accuracy:.1%}", f"{low:.1%} to {high:.1%}"
        )
    console.print(table)


def _samples(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    for model in ("base", "grpo"):
        rows = _rows(
            connection,
            "SELECT prompt, completion FROM generations WHERE model = $model "
            "ORDER BY prompt, completion LIMIT $n",
            model=model,
            n=_SAMPLES,
        )
        for prompt, completion in rows:
            text = f"[bold]{escape(str(prompt))}[/bold]{escape(str(completion)[:_SAMPLE_CHARS])}"
            console.print(Panel(text, title=f"sample of {model}", title_align="left"))


def _farewell(store: Store, steps: Sequence[runs.StepRecord], console: Console) -> None:
    for step in steps:
        if step.stage == "report":
            path = store.path_of("report", step.key) / "report.html"
            console.print(f"[bold]report[/bold] {path}", soft_wrap=True)
    console.print("[bold]try next[/bold]")
    where = "" if store.root == Path("store").resolve() else f" --store {store.root}"
    for command in (
        f"c2m sql rejections_by_reason{where}",
        f"c2m generate 'Once upon a time'{where} --model base",
        f"c2m lineage pretrain{where}",
    ):
        console.print(f"  .venv/bin/{command}", soft_wrap=True)
