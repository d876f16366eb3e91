"""The console script ``c2m``: run a recipe, plan it, ask the warehouse.

Only ``run`` imports Prefect. Mistakes of the user end with one paragraph and exit code 2.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from rich.console import Console
from rich.table import Table

from flows import engine
from lmcore.errors import LmcoreError
from tasks.errors import DeadlineError, StageError
from tasks.stage import INTERRUPTED
from warehouse import runs
from warehouse.errors import (
    CorruptArtifactError,
    QueryError,
    StoreError,
    UnknownArtifactError,
    WarehouseError,
)
from warehouse.store import Store, disk_errors

EXIT_FAILED, EXIT_USER, EXIT_INTERRUPTED = 1, 2, 130
_MIN_FREE_BYTES = 256 << 20


def _store(arguments: argparse.Namespace) -> Store:
    return Store(Path(arguments.store).resolve())


def _existing(arguments: argparse.Namespace) -> Store:
    store = _store(arguments)
    if not store.objects.is_dir():
        msg = (
            f"Found no store at {store.root}; expected one that a run has made; "
            "run `c2m run nano` first or name another with --store."
        )
        raise UnknownArtifactError(msg)
    return store


def _run(arguments: argparse.Namespace) -> int:
    from flows import recipe as recipes
    from flows.progress import ProgressBoard

    console = Console(highlight=False)
    sections = recipes.load(arguments.recipe, arguments.set).sections()
    store = _store(arguments)
    store.prepare()
    _require_room(store)
    from tasks.opening import plan_steps, read_lock
    from tasks.planning import plan

    steps = plan_steps(store, sections, arguments.until)  # mistakes show before the engine starts
    if arguments.locked:
        read_lock(store, arguments.recipe, steps)
    console.print(f"[bold]c2m run {arguments.recipe}[/bold]  store {store.root}")
    has_server = "PREFECT_API_URL" in os.environ
    with ProgressBoard(store, console), disk_errors("a run"):
        if not has_server and all(entry.state == "cached" for entry in plan(store, steps)):
            run_id = _replay(store, arguments, sections)
        else:
            run_id = _travel(store, arguments, str(sections["resources"]["runner"]))
    from flows.summary import show_summary

    show_summary(store, run_id, console)
    return 0


def _replay(
    store: Store, arguments: argparse.Namespace, sections: Mapping[str, Mapping[str, object]]
) -> str:
    """Record a run of which everything is cached, without starting Prefect's engine for it."""
    from tasks.opening import open_run, replay

    run = open_run(
        store,
        arguments.recipe,
        sections,
        until=arguments.until,
        locked=arguments.locked,
    )
    replay(run)
    status = "stopped" if arguments.until else "completed"
    runs.finish(store, runs.read_run(store, run.run_id), status=status)
    return run.run_id


def _travel(store: Store, arguments: argparse.Namespace, runner: str) -> str:
    """Run the flow on Prefect's ephemeral engine, the user's server, or one of our own."""
    engine.configure(store.root, quiet=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with contextlib.ExitStack() as stack:
        if runner != "threads" and "PREFECT_API_URL" not in os.environ:
            os.environ["PREFECT_API_URL"] = f"{stack.enter_context(engine.server())}/api"
        from flows.crawl_to_model import crawl_to_model

        run_id: str = crawl_to_model(
            arguments.recipe,
            arguments.set,
            str(store.root),
            until=arguments.until,
            locked=arguments.locked,
        )
        return run_id


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End every running step as well: their processes have sessions of their own."""
    INTERRUPTED.set()
    raise KeyboardInterrupt


def _require_room(store: Store) -> None:
    free = shutil.disk_usage(store.root).free
    if free < _MIN_FREE_BYTES:
        msg = (
            f"Found {free / 1e6:,.0f} MB free on the disk of {store.root}; expected at least "
            f"{_MIN_FREE_BYTES / 1e6:,.0f} MB for a run; free some or name another store with "
            "--store. Everything committed so far is kept."
        )
        raise StoreError(msg)


def _plan(arguments: argparse.Namespace) -> int:
    from flows import recipe as recipes
    from tasks.opening import plan_steps
    from tasks.planning import plan

    store = _store(arguments)
    sections = recipes.load(arguments.recipe, arguments.set).sections()
    planned = plan(store, plan_steps(store, sections, arguments.until))
    table = Table("step", "state", "why", box=None)
    for entry in planned:
        table.add_row(entry.step, entry.state, entry.why or entry.key[:12])
    Console(highlight=False).print(table)
    counts = {s: sum(e.state == s for e in planned) for s in ("cached", "run", "unknown")}
    print(
        f"{counts['cached']} cached, {counts['run']} to run, {counts['unknown']} unknown until then"
    )
    return 0


def _list(arguments: argparse.Namespace) -> int:
    table = Table("kind", "name", "key", "content", "files", "bytes", "kept", "rejected", box=None)
    for artifact in _existing(arguments).artifacts():
        manifest = artifact.manifest
        counted = manifest.accounting
        table.add_row(
            manifest.kind,
            manifest.name,
            manifest.key[:12],
            manifest.content[:12],
            f"{len(manifest.files):,d}",
            f"{sum(entry.bytes for entry in manifest.files):,d}",
            f"{counted.rows_kept:,d}" if counted else "",
            f"{sum(counted.rejected.values()):,d}" if counted else "",
        )
    Console(highlight=False).print(table)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    found = _existing(arguments).find(arguments.id)
    if not found:
        msg = (
            f"Found no artifact {arguments.id!r}; expected a name or the beginning of a key; "
            "`c2m ls` lists them."
        )
        raise UnknownArtifactError(msg)
    for artifact in found:
        print(f"# {artifact.path}\n{artifact.manifest.to_json()}")
    return 0


def _sql(arguments: argparse.Namespace) -> int:
    from warehouse import answers, catalog, questions

    if arguments.question is None:
        print(_tables_help())
        return 0
    connection = catalog.connect(_existing(arguments), arguments.run or None)
    parameters = _parameters(arguments.set)
    question = arguments.question
    if question.isidentifier():
        question = questions.named(question).sql
    if arguments.format == "parquet":
        answer = catalog.query_arrow(connection, question, parameters)
        with _binary_output(arguments.output) as out:
            answers.write_parquet(answer, out)
        return 0
    columns, rows = catalog.query(connection, question, parameters)
    text = answers.format_rows(columns, rows, arguments.format)
    if arguments.output:
        Path(arguments.output).write_text(text)
    else:
        print(text, end="")
    return 0


@contextlib.contextmanager
def _binary_output(path: str) -> Iterator[BinaryIO]:
    if not path:
        yield sys.stdout.buffer
        return
    with Path(path).open("wb") as out:
        yield out


def _parameters(texts: Sequence[str]) -> dict[str, object]:
    """Read name=value pairs."""
    for text in texts:
        if "=" not in text:
            msg = f"Found --set {text!r}; expected name=value, such as id=pretrain."
            raise QueryError(msg)
    pairs = (text.partition("=") for text in texts)
    return {name: value for name, _, value in pairs}


def _tables_help() -> str:
    """Every shipped question, table and column with its meaning."""
    from warehouse import catalog, questions

    lines = ['Ask with c2m sql "SELECT ..." or by the name of a shipped question.', "", "questions"]
    for question in questions.named_questions().values():
        needs = "".join(f" --set {name}=..." for name in question.parameters)
        lines.append(f"  {question.name}{needs}: {question.answers}")
    for table in catalog.describe():
        lines += ["", f"{table.name}: {table.doc}"]
        width = max(len(column.name) for column in table.columns)
        lines += [f"  {c.name:<{width}}  {c.type:<5}  {c.doc}" for c in table.columns]
    return "\n".join(lines)


def _lineage(arguments: argparse.Namespace) -> int:
    from warehouse import catalog, lineage

    store = _existing(arguments)
    print(lineage.trace(store, catalog.connect(store), arguments.id))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    store = _existing(arguments)
    checked, damaged = 0, 0
    for path in sorted(store.objects.glob("*/*")):
        checked += 1
        kind, key = path.parent.name, path.name
        try:
            store.verify(kind, key)
        except CorruptArtifactError as error:
            damaged += 1
            store.discard(kind, key)
            print(f"damaged {kind} {key[:12]}, set aside: {error}")
    print(f"{checked:,d} artifacts re-hashed, {damaged:,d} damaged")
    return EXIT_FAILED if damaged else 0


def _lock(arguments: argparse.Namespace) -> int:
    from flows import recipe as recipes
    from tasks.opening import plan_steps, write_lock

    store = _existing(arguments)
    sections = recipes.load(arguments.recipe, arguments.set).sections()
    path = write_lock(store, arguments.recipe, plan_steps(store, sections))
    print(path.read_text())
    print(f"written to {path}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from tasks.report_page import render
    from warehouse import catalog

    store = _existing(arguments)
    out = Path(arguments.output) if arguments.output else store.root / "report.html"
    render(catalog.connect(store, arguments.run or None), out)
    print(out)
    return 0


def _generate(arguments: argparse.Namespace) -> int:
    from tasks.generation import complete

    text = complete(
        _existing(arguments),
        arguments.prompt,
        model=arguments.model,
        max_new_tokens=arguments.tokens,
        temperature=arguments.temperature,
        seed=arguments.seed,
    )
    print(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="c2m", description="From a page of the web to an aligned language model."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--store",
        default=os.environ.get("C2M_STORE", "store"),
        help="folder of the warehouse (default: C2M_STORE or ./store)",
    )
    recipe = argparse.ArgumentParser(add_help=False, parents=[common])
    recipe.add_argument("recipe", help="a shipped recipe or the path of a .toml file")
    recipe.add_argument(
        "--set", action="append", default=[], metavar="a.b=c", help="override one key (TOML value)"
    )

    run = verbs.add_parser("run", parents=[recipe], help="run a recipe; what is cached is not run")
    run.add_argument("--until", default="", metavar="STAGE", help="stop after this stage")
    run.add_argument("--locked", action="store_true", help="refuse anything the lock does not name")
    run.set_defaults(call=_run)
    plan = verbs.add_parser("plan", parents=[recipe], help="what is cached, what would run and why")
    plan.add_argument("--until", default="", metavar="STAGE", help="plan up to this stage")
    plan.set_defaults(call=_plan)
    verbs.add_parser("ls", parents=[common], help="list artifacts").set_defaults(call=_list)
    show = verbs.add_parser("show", parents=[common], help="show an artifact's manifest")
    show.add_argument("id", help="name, or the beginning of a key or content hash")
    show.set_defaults(call=_show)
    _add_questions(verbs, common)
    verify = verbs.add_parser("verify", parents=[common], help="re-hash every artifact")
    verify.set_defaults(call=_verify)
    lock = verbs.add_parser("lock", parents=[recipe], help="resolve a recipe's artifacts to a lock")
    lock.set_defaults(call=_lock)
    generate = verbs.add_parser("generate", parents=[common], help="let a model of a run write")
    generate.add_argument("prompt", help="text to continue; for an aligned model, the question")
    generate.add_argument("--model", default="grpo", choices=["base", "sft", "dpo", "grpo"])
    generate.add_argument("--tokens", type=int, default=80, help="most tokens to write")
    generate.add_argument("--temperature", type=float, default=0.7, help="0 is greedy")
    generate.add_argument("--seed", type=int, default=0)
    generate.set_defaults(call=_generate)
    return parser


def _add_questions(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    sql = verbs.add_parser(
        "sql", parents=[common], help="ask DuckDB (read-only); without a question: list all tables"
    )
    sql.add_argument("question", nargs="?", help="SQL, or the name of a shipped question")
    sql.add_argument("--format", default="table", choices=["table", "csv", "json", "parquet"])
    sql.add_argument("--output", default="", help="write to this file instead of the screen")
    sql.add_argument("--run", default="", help="run to look at (default: the latest completed)")
    sql.add_argument("--set", action="append", default=[], metavar="name=value")
    sql.set_defaults(call=_sql)
    lineage = verbs.add_parser(
        "lineage", parents=[common], help="where from, and what became of it"
    )
    lineage.add_argument("id", help="artifact, document or URL")
    lineage.set_defaults(call=_lineage)
    report = verbs.add_parser("report", parents=[common], help="write the HTML report of a run")
    report.add_argument("--output", default="", help="file to write (default: STORE/report.html)")
    report.add_argument("--run", default="", help="run to report (default: the latest completed)")
    report.set_defaults(call=_report)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.call(arguments)
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        text, code = (
            "interrupted; what was committed is kept: run it again to go on",
            EXIT_INTERRUPTED,
        )
    except (StageError, LmcoreError, WarehouseError) as error:
        # what the user can change is a ValueError or a KeyError as well; the rest is our bug
        is_mistake = isinstance(error, ValueError | KeyError | DeadlineError)
        text, code = str(error), EXIT_USER if is_mistake else EXIT_FAILED
    except (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        text, code = (
            (
                f"Found that {error.filename} cannot be opened ({error.strerror}); "
                "expected a file that can; name another."
            ),
            EXIT_USER,
        )
    else:
        return code
    print(f"c2m: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
