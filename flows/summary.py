"""The last page of a run: what a person wants to know before the next command."""

import shlex
from collections.abc import Iterator, Sequence
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
_FUNNEL = ("extract", "decide", "deduplicate", "decontaminate", "tokens", "mix")
_SAMPLE_CHARS = 320
_KEY_CHARS = 12
_MODELS = {"grpo": "grpo", "dpo": "dpo", "sft": "sft", "pretrain": "base"}
"""stage -> name of the model it makes, the last of the journey first"""


def show_summary(store: Store, run_id: str, console: Console) -> None:
    """Print funnel, bytes per token, curve, samples, accuracies, the report's place and the next commands."""
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
    _tokenizers(connection, console)
    _curve(connection, console)
    _accuracies(connection, console)
    _samples(connection, console)
    _farewell(store, run, steps, console)


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
    if table.row_count:
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


def _tokenizers(connection: duckdb.DuckDBPyConnection, console: Console) -> None:
    rows = _rows(
        connection,
        "SELECT tokenizer, bytes_per_token, unknown_share FROM compression "
        "WHERE text_set = 'validation' AND language = 'all' "
        "ORDER BY list_position(['bpe', 'word', 'character', 'byte'], tokenizer)",
    )
    parts = [
        f"{name} {size:.2f}{f' ({lost:.1%} unknown)' if lost else ''}" for name, size, lost in rows
    ]
    if parts:
        console.print(f"[bold]bytes per token[/bold] held out: {', '.join(parts)}")


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
    for predicted, low, high, measured, times in _rows(
        connection,
        "SELECT predicted_loss, low, high, measured_loss, extrapolation FROM scaling_predictions",
    ):
        if predicted is not None:
            outside = (
                "" if low <= measured <= high else " (outside: the law does not hold that far)"
            )
            console.print(
                f"  scaling law, at {times:.1f} times the sweep's largest compute: predicted "
                f"{predicted:.3f} nats per token (90% {low:.3f} to {high:.3f}), "
                f"measured {measured:.3f}{outside}"
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


def _farewell(
    store: Store, run: runs.Run, steps: Sequence[runs.StepRecord], console: Console
) -> None:
    for step in steps:
        if step.stage == "report":
            path = store.path_of("report", step.key) / "report.html"
            console.print(f"[bold]report[/bold] {escape(str(path))}", soft_wrap=True)
    console.print("[bold]try next[/bold]")
    where = [] if store.root == Path("store").resolve() else ["--store", str(store.root)]
    for words in next_commands(store, run, steps):
        command = shlex.join(["c2m", *words, *where])
        console.print(f"  .venv/bin/{escape(command)}", soft_wrap=True)


def next_commands(
    store: Store, run: runs.Run, steps: Sequence[runs.StepRecord]
) -> Iterator[list[str]]:
    """Commands that have an answer after this run: only what its own steps have made."""
    finished = {step.stage: step for step in steps if step.content}
    usual = runs.latest(store)
    chosen = [] if usual is None or usual.run_id == run.run_id else ["--run", run.run_id]
    if "extract" in finished:
        yield ["sql", "rejections_by_reason", *chosen]
    models = [stage for stage in _MODELS if stage in finished]
    if models and "tokenizer" in finished:
        prompt = "Once upon a time" if models == ["pretrain"] else "What is 2 + 3?"
        yield ["generate", prompt, "--model", _MODELS[models[0]]]
    made = [step for step in steps if step.content and step.stage != "report"]
    if models or made:
        step = finished[models[-1]] if models else made[-1]
        is_only = len({artifact.key for artifact in store.find(step.step)}) == 1
        yield ["lineage", step.step if is_only else step.key[:_KEY_CHARS]]
