"""A stage's code may not change what it computes without a new code_version."""

import ast
import hashlib
import json
import os
from pathlib import Path

import pytest

from tasks.graph import STAGES, Stage

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("code_versions.json")
PACKAGES = ("lmcore", "tasks")
# how a stage is run, named or shown does not change what it makes
RUNNING = {
    "tasks.errors",
    "tasks.graph",
    "tasks.job",
    "tasks.resources",
    "lmcore.errors",
}


def _path(module: str) -> Path | None:
    path = ROOT / (module.replace(".", "/") + ".py")
    return path if path.exists() else None


def _imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] in PACKAGES and _path(name)}


def _without_docstrings(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [
                entry
                for entry in body
                if not (isinstance(entry, ast.Expr) and isinstance(entry.value, ast.Constant))
            ]
    return ast.dump(tree)


def modules_of(stage: Stage) -> list[str]:
    """The body's module and all of ours that it imports, whatever the depth."""
    waiting, seen = [stage.body.split(":")[0]], set()
    while waiting:
        module = waiting.pop()
        if module in seen or module in RUNNING:
            continue
        seen.add(module)
        path = _path(module)
        assert path is not None, module
        waiting += _imports(ast.parse(path.read_text()))
    return sorted(seen)


def digest(stage: Stage) -> str:
    """Hash of the syntax trees, comments and docstrings left out."""
    parts = [
        module + _without_docstrings(ast.parse(_path(module).read_text()))
        for module in modules_of(stage)
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def current() -> dict[str, dict[str, object]]:
    return {
        name: {"version": stage.version, "digest": digest(stage)} for name, stage in STAGES.items()
    }


@pytest.mark.skipif(
    os.environ.get("C2M_ACCEPT_CODE_VERSIONS") != "1", reason="only records when asked to"
)
def test_code_versions_recorded_on_request():
    RECORD.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize("name", STAGES)
def test_stage_code_changed_has_new_version(name):
    recorded = json.loads(RECORD.read_text())
    stage = STAGES[name]
    known = recorded.get(name)
    assert known is not None, f"{name} is new: record it with `make code-versions`"
    if digest(stage) != known["digest"]:
        assert stage.version > known["version"], (
            f"the code of {name} changed and its version is still {stage.version}: raise it in "
            "tasks/graph.py if what comes out can differ, then run `make code-versions`"
        )
        pytest.fail(f"record the new version of {name} with `make code-versions`")


def test_digest_ignores_comments_and_docstrings():
    plain = ast.parse("def f(x):\n    return x + 1\n")
    dressed = ast.parse('"""Doc."""\n# note\ndef f(x):\n    """More."""\n    return x + 1\n')
    other = ast.parse("def f(x):\n    return x + 2\n")
    assert _without_docstrings(plain) == _without_docstrings(dressed)
    assert _without_docstrings(plain) != _without_docstrings(other)
