"""What the README says is there is there."""

import contextlib
import os
import re
from pathlib import Path

import pytest

from flows import recipe as recipes
from flows.cli import main
from warehouse.catalog import describe
from warehouse.schemas import TABLES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_table_and_recipe_is_listed():
    for name, table in TABLES.items():
        assert f"| `{name}` | {table.doc} |" in README
    for name in recipes.names():
        assert f"`{name}`" in README


COLUMNS = re.compile(r"(?<=<!-- columns -->\n).*?(?=<!-- end of columns -->)", re.DOTALL)


def columns():
    """Every table and view with its columns, as the README lists them."""
    parts = []
    for table in describe():
        rows = "".join(f"| `{c.name}` | {c.type} | {c.doc} |\n" for c in table.columns)
        head = "| column | type | what it is |\n|---|---|---|\n"
        parts.append(f"\n**{table.name}**: {table.doc}\n\n{head}{rows}")
    return "".join(parts) + "\n"


@pytest.mark.skipif("C2M_ACCEPT_README" not in os.environ, reason="writes the README: make readme")
def test_columns_of_the_readme_are_written_on_request():
    text = COLUMNS.sub(lambda _: columns(), README)
    (ROOT / "README.md").write_text(text)


def test_every_column_is_listed():
    assert COLUMNS.findall(README) == [columns()]


def test_every_file_of_the_tree_exists():
    (tree,) = re.findall(r"## The tree\n\n```\n(.*?)```", README, flags=re.DOTALL)
    folder = ROOT
    for line in tree.splitlines()[1:]:
        name = line.split()[0]
        if not line.startswith(" "):
            folder = ROOT / name.rstrip("/")
            assert folder.is_dir(), name
            continue
        for word in re.findall(r"[\w]+\.(?:py|html|yaml|md)\b|\b[a-z_]+/(?=\s)", line):
            assert (folder / word).exists() or any(folder.rglob(word)), f"{folder.name}: {word}"


def test_every_verb_is_listed(capsys):
    with contextlib.suppress(SystemExit):
        main(["--help"])
    verbs = re.findall(r"^ {4}(\w+) ", capsys.readouterr().out, flags=re.MULTILINE)
    assert len(verbs) >= 10
    (table,) = re.findall(r"\| verb \| what it does \|\n(.*?)\n\n", README, flags=re.DOTALL)
    for verb in verbs:
        assert f"`{verb}" in table, verb


def test_every_link_and_picture_exists():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target
