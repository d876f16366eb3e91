"""The shape of the house: what lies at the top, how long things are, what starts quickly."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("flows", "tasks", "lmcore", "warehouse")
TOP = {
    "pyproject.toml",
    "README.md",
    "flows",
    "tasks",
    "lmcore",
    "warehouse",
    "deployments",
    "tests",
    "Makefile",
    "LICENSE",
}
MAX_LINES = 400
MAX_FUNCTION_LINES = 60


def sources():
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_top_level_holds_only_what_was_agreed():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    top = {name.split("/")[0] for name in listed}
    assert {name for name in top if not name.startswith(".")} <= TOP


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_source_file_fits_a_reader(path):
    text = path.read_text()
    assert text.count("\n") <= MAX_LINES
    tree = ast.parse(text)
    long = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long
    if path.name != "__init__.py":
        assert ast.get_docstring(tree)


@pytest.mark.parametrize("package", PACKAGES)
def test_package_init_is_empty(package):
    for path in (ROOT / package).rglob("__init__.py"):
        assert path.read_text() == "", path


@pytest.mark.parametrize(
    "arguments",
    [["plan", "smoke"], ["ls"], ["sql"], ["--help"]],
    ids=lambda arguments: arguments[0],
)
def test_verb_without_flow_imports_neither_torch_nor_prefect(arguments, tmp_path):
    code = (
        "import sys\n"
        "from flows.cli import main\n"
        "try:\n"
        f"    main({arguments!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'torch', 'prefect'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"C2M_STORE": str(tmp_path / "store"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
