"""The table of complaints in RESULTS.md names tests; each of them is there."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
RESULTS = TESTS / "benchmarks" / "RESULTS.md"
HEADING = "## What peers' users complain of"


def named():
    """(file, function) of every test that the section names."""
    section = RESULTS.read_text().split(HEADING, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"`([\w/]+\.py)::(test_\w+)`", section)


def test_every_test_that_answers_a_complaint_exists():
    found = named()
    assert len(found) >= 30
    for file, name in found:
        tree = ast.parse((TESTS / file).read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in functions, f"{file} has no {name}"
