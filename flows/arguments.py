"""What the console script takes: its verbs and their options."""

import argparse
import os

WHATIF = """
With --set, what curation would keep with other thresholds, every other rule as in the run: exactly
what a run with them decides. With a condition over the columns of scores, such as "quality > 0.6 and
language = 'en'", which documents it holds for, whatever the rules say; that it is null is no yes; the
line kept -> condition says what it would take from what is kept. Tokens are before deduplication:
those of the shards, and of documents in no shard those that the run's tokenizer makes of their cleaned
text, or an estimate from their characters where there is no tokenizer or --estimate is given.
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; ``verb`` names what to do."""
    top = argparse.ArgumentParser(
        prog="c2m", description="From a page of the web to an aligned language model."
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
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
    plan = verbs.add_parser("plan", parents=[recipe], help="what is cached, what would run and why")
    plan.add_argument("--until", default="", metavar="STAGE", help="plan up to this stage")
    verbs.add_parser("ls", parents=[common], help="list artifacts")
    show = verbs.add_parser("show", parents=[common], help="show an artifact's manifest")
    show.add_argument("id", help="name, or the beginning of a key or content hash")
    _add_questions(verbs, common)
    _add_inspection(verbs, common)
    verbs.add_parser("verify", parents=[common], help="re-hash every artifact; delete none")
    verbs.add_parser("lock", parents=[recipe], help="resolve a recipe's artifacts to a lock")
    generate = verbs.add_parser("generate", parents=[common], help="let a model write")
    generate.add_argument("prompt", help="text to continue; for an aligned model, the question")
    models = "base, sft, dpo or grpo (default) of a run, or a folder with a Llama, Qwen3 or GPT-2"
    generate.add_argument("--model", default="grpo", help=models)
    generate.add_argument("--tokens", type=int, default=80, help="most tokens to write")
    generate.add_argument("--temperature", type=float, default=0.7, help="0 is greedy")
    generate.add_argument("--seed", type=int, default=0, help="another seed draws other words")
    about = "write a model for Hugging Face's libraries"
    export = verbs.add_parser("export", parents=[common], help=about)
    export.add_argument("model", choices=["base", "sft", "dpo", "grpo"], help="model of a run")
    export.add_argument("--output", required=True, help="folder to write; empty, or none yet")
    return top


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
    sql.add_argument(
        "--set", action="append", default=[], metavar="name=value", help="what a question asks for"
    )
    lineage = verbs.add_parser(
        "lineage", parents=[common], help="where from, and what became of it"
    )
    lineage.add_argument("id", help="artifact, document or URL")
    report = verbs.add_parser("report", parents=[common], help="write the HTML report of a run")
    report.add_argument("--output", default="", help="file to write (default: STORE/report.html)")
    report.add_argument("--run", default="", help="run to report (default: the latest completed)")


def _add_inspection(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    shared = argparse.ArgumentParser(add_help=False, parents=[common])
    shared.add_argument("--run", default="", help="run to look at (default: the latest completed)")
    shared.add_argument("--format", default="table", choices=["table", "json"])
    sample = verbs.add_parser("sample", parents=[shared], help="pages kept beside pages dropped")
    sample.add_argument("--stage", default="decide", help="stage to look at (default: decide)")
    sample.add_argument("--reason", default="", help="only pages dropped for this reason")
    sample.add_argument("-n", type=int, default=20, help="pages of each (default: 20)")
    sample.add_argument("--seed", type=int, default=0, help="another seed draws other pages")
    about = "what another decision would keep; nothing is run"
    whatif = verbs.add_parser("whatif", parents=[shared], help=about, description=WHATIF)
    whatif.add_argument("condition", nargs="?", default="", help="SQL over the table scores")
    whatif.add_argument(
        "--set", action="append", default=[], metavar="curate.a=b", help="another threshold"
    )
    whatif.add_argument("--estimate", action="store_true", help="estimate tokens, count none")
