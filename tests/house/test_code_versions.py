"""A stage's code may not change what it computes without a new code_version."""

import ast
import functools
import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from tasks.stages import STAGES, Stage

ROOT = Path(__file__).parents[2]
RECORD = Path(__file__).with_name("code_versions.json")
PACKAGES = ("lmcore", "tasks", "warehouse")
# how a stage is run, named or kept does not change what it makes
RUNNING = {
    "tasks.errors",
    "tasks.graph",
    "tasks.stages",
    "tasks.job",
    "tasks.resources",
    "lmcore.errors",
    "warehouse.artifact",
    "warehouse.errors",
    "warehouse.fingerprint",
    "warehouse.runs",
    "warehouse.store",
}
# what every stage writes its tables with, through tasks.job
WRITING = ("warehouse.parquet", "warehouse.schemas")
# files that make a stage's bytes and are no Python
FILES = {"report": ("tasks/report.html", "warehouse/sql/*.sql")}


def _path(module: str, root: Path = ROOT) -> Path | None:
    path = root / (module.replace(".", "/") + ".py")
    return path if path.exists() else None


def _imports(tree: ast.AST) -> set[str]:
    """Names that may be modules of ours: ``from a import b`` names a and a.b."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] in PACKAGES}


@functools.cache
def _read(text: str) -> tuple[set[str], str]:
    """What a module imports, and the hash of what it does: parsed once, whatever the stage."""
    imports = _imports(ast.parse(text))
    return imports, hashlib.sha256(_without_docstrings(ast.parse(text)).encode()).hexdigest()


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


def modules_of(stage: Stage, root: Path = ROOT) -> list[str]:
    """The body's module, what writes its tables, and all of ours that these import."""
    waiting, seen = [stage.body.split(":")[0], *WRITING], set()
    while waiting:
        module = waiting.pop()
        if module in seen or module in RUNNING:
            continue
        seen.add(module)
        path = _path(module, root)
        assert path is not None, module
        waiting += [name for name in _read(path.read_text())[0] if _path(name, root)]
    return sorted(seen)


def files_of(stage: Stage, root: Path = ROOT) -> list[Path]:
    """Files other than modules, sorted by path."""
    patterns = FILES.get(stage.name, ())
    found = {pattern: sorted(root.glob(pattern)) for pattern in patterns}
    assert all(found.values()), found
    return sorted(path for paths in found.values() for path in paths)


def digest(stage: Stage, root: Path = ROOT) -> str:
    """Hash of the syntax trees, comments and docstrings left out, and of the other files' bytes."""
    hashed = hashlib.sha256()
    for module in modules_of(stage, root):
        _, code = _read(_path(module, root).read_text())
        hashed.update(f"{module} {code}\n".encode())
    for path in files_of(stage, root):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        hashed.update(f"{path.relative_to(root)} {content}\n".encode())
    return hashed.hexdigest()[:16]


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
            "tasks/stages.py if what comes out can differ, then run `make code-versions`"
        )
        pytest.fail(f"record the new version of {name} with `make code-versions`")


def test_digest_ignores_comments_and_docstrings():
    plain = ast.parse("def f(x):\n    return x + 1\n")
    dressed = ast.parse('"""Doc."""\n# note\ndef f(x):\n    """More."""\n    return x + 1\n')
    other = ast.parse("def f(x):\n    return x + 2\n")
    assert _without_docstrings(plain) == _without_docstrings(dressed)
    assert _without_docstrings(plain) != _without_docstrings(other)


@pytest.fixture
def copy(tmp_path):
    """Sources that a test may change."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def digests(root):
    return {name: digest(stage, root) for name, stage in STAGES.items()}


def changed_by(root, file, text):
    """Stages with another digest once the text is appended to the file."""
    before = digests(root)
    with (root / file).open("a") as opened:
        opened.write(text)
    return {name for name, value in digests(root).items() if value != before[name]}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tasks/report.html", " "),
        ("warehouse/sql/funnel.sql", " "),
        ("warehouse/views.py", "ADDED = 1\n"),
        ("warehouse/catalog.py", "ADDED = 1\n"),
        ("warehouse/selects.py", "ADDED = 1\n"),
    ],
)
def test_digest_page_source_changed_changes_the_report_alone(copy, file, text):
    assert changed_by(copy, file, text) == {"report"}


def test_digest_new_question_changes_the_report_alone(copy):
    assert changed_by(copy, "warehouse/sql/another.sql", "SELECT 1;") == {"report"}


@pytest.mark.parametrize("module", WRITING)
def test_digest_writing_of_tables_changed_changes_every_stage(copy, module):
    file = module.replace(".", "/") + ".py"
    assert changed_by(copy, file, "ADDED = 1\n") == set(STAGES)


def test_digest_running_machinery_changed_changes_nothing(copy):
    assert changed_by(copy, "tasks/job.py", "ADDED = 1\n") == set()


def test_digest_of_a_copy_is_that_of_the_original(copy):
    assert digests(copy) == digests(ROOT)
