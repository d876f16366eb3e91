"""The console script ``c2m``: run a recipe, plan it, ask the warehouse.

Only ``run`` imports Prefect. Mistakes of the user end with one paragraph and exit code 2.
"""

import argparse
import contextlib
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from flows import tables
from flows.arguments import parser
from lmcore.errors import LmcoreError
from tasks.errors import DeadlineError, StageError
from warehouse.errors import QueryError, StoreError, UnknownArtifactError, WarehouseError
from warehouse.store import Store

if TYPE_CHECKING:
    import duckdb

    from warehouse import questions

EXIT_FAILED, EXIT_USER, EXIT_INTERRUPTED = 1, 2, 130


def _store(arguments: argparse.Namespace) -> Store:
    """The store that is named, which need not exist; StoreError where none can be."""
    root = Path(arguments.store).resolve()
    nearest = next(path for path in (root, *root.parents) if path.exists())
    if not nearest.is_dir():
        msg = (
            f"Found that the store {root} cannot be made or read ({nearest} is a file); "
            "expected a folder; name another with --store or C2M_STORE."
        )
        raise StoreError(msg)
    return Store(root)


def _width() -> int | None:
    """Columns of the terminal; none where the output goes elsewhere and has to be whole."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


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
    from flows.dialing import derivation, settle
    from flows.running import Order, run

    store = _store(arguments)
    overrides = settle(store, arguments.recipe, arguments.set)
    sections = recipes.load(arguments.recipe, overrides).sections()
    _print_lines(derivation(arguments.recipe, overrides))
    order = Order(arguments.recipe, overrides, sections, arguments.until, arguments.locked)
    run(store, order)
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from flows import recipe as recipes
    from flows.dialing import derivation, settle
    from tasks.forecast import forecast, own_ratio
    from tasks.opening import plan_steps
    from tasks.planning import plan

    store = _store(arguments)
    overrides = settle(store, arguments.recipe, arguments.set, remember=False)
    sections = recipes.load(arguments.recipe, overrides).sections()
    derived = [*derivation(arguments.recipe, overrides)]
    _print_lines(derived)
    steps = plan_steps(store, sections, arguments.until, remember=False)
    planned = plan(store, steps)
    _print_lines(tables.planning(planned, _width()))
    _print_lines(forecast(store, steps, planned))
    _print_lines(own_ratio(store, steps, planned) if derived else [])
    return 0


def _list(arguments: argparse.Namespace) -> int:
    _print_lines(tables.listing(list(_existing(arguments).artifacts()), _width()))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    store = _existing(arguments)
    found = store.find(arguments.id) if arguments.id.strip() else ()
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
    _check_output(arguments.output)
    connection = catalog.connect(_existing(arguments), arguments.run or None)
    parameters = _parameters(arguments.set)
    question = _question(connection, arguments.question)
    if arguments.format == "parquet":
        answer = catalog.query_arrow(connection, question.sql, parameters)
        with _binary_output(arguments.output) as out:
            answers.write_parquet(answer, out)
        n_rows = answer.num_rows
    else:
        columns, rows = catalog.query(connection, question.sql, parameters)
        text = answers.format_rows(columns, rows, arguments.format)
        if arguments.output:
            Path(arguments.output).write_text(text)
        else:
            print(text, end="")
        n_rows = len(rows)
    hint = "" if n_rows else questions.hint_at_nothing(question, parameters)
    if hint:
        print(f"c2m: {hint}", file=sys.stderr)
    return 0


def _check_output(path: str) -> None:
    """Refuse a file that cannot be, before any work is done for it."""
    if path and Path(path).is_dir():
        msg = f"Found that --output {path} is a folder; expected a file; name one inside it."
        raise QueryError(msg)
    if path and not Path(path).parent.is_dir():
        msg = (
            f"Found no folder {Path(path).parent} for --output {path}; expected one that exists; "
            "make it or name another."
        )
        raise QueryError(msg)


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


def _question(connection: "duckdb.DuckDBPyConnection", text: str) -> "questions.Question":
    """SQL, the name of a shipped question, or the name of a table."""
    from warehouse import catalog, questions

    if not text.isidentifier():
        return questions.Question("", "", text, ())
    listed = catalog.query(connection, "SELECT table_name FROM information_schema.tables")[1]
    return questions.named(text, [str(name) for (name,) in listed])


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


def _inspect(arguments: argparse.Namespace) -> int:
    from flows import inspection

    answer = inspection.sample if arguments.verb == "sample" else inspection.whatif
    _print_lines(answer(_existing(arguments), arguments, _width()))
    return 0


def _lineage(arguments: argparse.Namespace) -> int:
    from warehouse import catalog, lineage

    store = _existing(arguments)
    print(lineage.trace(store, catalog.connect(store), arguments.id))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    store = _existing(arguments)
    n_checked, n_damaged = 0, 0
    for path in sorted(store.objects.glob("*/*")):
        kind, key = path.parent.name, path.name
        damages = store.verify(kind, key)
        n_checked += 1
        n_damaged += bool(damages)
        for damage in damages:
            print(f"damaged {kind} {key[:12]}: {damage}")
    print(f"{n_checked:,d} artifacts re-hashed, {n_damaged:,d} damaged")
    if n_damaged:
        print("nothing was deleted; the next `c2m run` that needs them builds them again")
    return EXIT_FAILED if n_damaged else 0


def _lock(arguments: argparse.Namespace) -> int:
    from flows import recipe as recipes
    from flows.dialing import settle
    from tasks.opening import plan_steps, write_lock

    store = _existing(arguments)
    overrides = settle(store, arguments.recipe, arguments.set)
    sections = recipes.load(arguments.recipe, overrides).sections()
    path = write_lock(store, arguments.recipe, plan_steps(store, sections))
    print(path.read_text())
    print(f"written to {path}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    from tasks.report_page import render
    from warehouse import catalog

    _check_output(arguments.output)
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


def _export(arguments: argparse.Namespace) -> int:
    from tasks.export import export

    print(export(_existing(arguments), arguments.model, Path(arguments.output)))
    return 0


_VERBS = {
    "run": _run,
    "plan": _plan,
    "ls": _list,
    "show": _show,
    "sql": _sql,
    "lineage": _lineage,
    "report": _report,
    "sample": _inspect,
    "whatif": _inspect,
    "verify": _verify,
    "lock": _lock,
    "generate": _generate,
    "export": _export,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        code: int = _VERBS[arguments.verb](arguments)
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
    except OSError as error:
        if error.filename is None:
            raise
        text, code = (
            (
                f"Found that {error.filename} cannot be opened ({error.strerror}); "
                "expected a file or folder that can be read and written; name another."
            ),
            EXIT_USER,
        )
    else:
        return code
    # a file name's bytes that are no UTF-8 are shown escaped
    print(f"c2m: {text.encode(errors='backslashreplace').decode()}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
