"""Where machine code is kept: in the folder chosen, beside the sources, at home, or nowhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

from lmcore.kernels import compiling

ROOT = Path(__file__).parents[3]
SOURCE = """
from lmcore.kernels.compiling import kernel


@kernel
def add(a, b):
    return a + b
"""
# A module of its own, so that the folder of its sources is one that a test may spoil.
USE = """
import sys
from adding import add

sys.stdout.write("imported\\n")
sys.stdout.flush()
sys.stdin.readline()
print(add(1, 2), sum(add.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "adding.py").write_text(SOURCE)
    return folder


def start(package: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a process that imports the kernel and waits for a line before it calls it."""
    inherited = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    path = os.pathsep.join([str(package), str(ROOT)])
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-B", "-c", USE],
        env={**inherited, "PYTHONPATH": path, **environment},
        stdin=pipe, stdout=pipe, stderr=pipe, text=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Return the sum and how many kernels were loaded, and what was said."""
    output, said = process.communicate("\n")
    assert process.returncode == 0, said
    return output.removeprefix("imported\n").strip(), said


def folders(parent: Path) -> list[Path]:
    return [path for path in sorted(parent.glob("kernels-*")) if any(path.rglob("*.nbi"))]


def make_unwritable(folder: Path) -> None:
    """Put a file where the folder would be, which stops root as well."""
    folder.write_text("a file, so no folder can be here")


def version_of(package: Path) -> Path:
    compiling.cache_directory.cache_clear()
    return compiling.cache_directory(package)


@pytest.fixture
def fresh_answers():
    """Have the folder asked for anew, before and after."""
    compiling.cache_directory.cache_clear()
    yield
    compiling.cache_directory.cache_clear()


def test_kernel_chosen_folder_keeps_the_machine_code(package, tmp_path):
    chosen = tmp_path / "chosen"
    for n_loaded in (0, 1):
        assert finish(start(package, NUMBA_CACHE_DIR=str(chosen))) == (f"3 {n_loaded}", "")
    assert len(folders(chosen)) == 1
    assert not (package / "__pycache__").exists()


def test_kernel_sources_that_cannot_be_written_home_keeps_the_machine_code(package, tmp_path):
    make_unwritable(package / "__pycache__")
    assert finish(start(package, HOME=str(tmp_path / "home"))) == ("3 0", "")
    assert len(folders(tmp_path / "home" / ".cache" / "crawl2model")) == 1


def test_kernel_nothing_can_be_written_compiles_for_this_process_and_says_so(package, tmp_path):
    make_unwritable(package / "__pycache__")
    make_unwritable(tmp_path / "home")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = start(package, HOME=str(tmp_path / "home"), TMPDIR=str(temporary))
    answer, said = finish(process)
    assert answer == "3 0"
    assert said.startswith("found no folder to keep compiled kernels in")
    assert f"{package / '__pycache__'} and {tmp_path / 'home'}" in said
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in said
    assert not list(temporary.iterdir())


def test_cache_directory_chosen_folder_cannot_be_written_says_so(
    package, tmp_path, monkeypatch, fresh_answers, caplog
):
    make_unwritable(tmp_path / "chosen")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    assert tmp_path not in version_of(package).parents
    assert f"(tried {tmp_path / 'chosen'})" in caplog.text


def test_cache_directory_new_version_drops_the_others_of_its_package_alone(
    package, tmp_path, monkeypatch, fresh_answers
):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    other_package = tmp_path / "other"
    other_package.mkdir()
    (other_package / "adding.py").write_text(SOURCE)
    other = version_of(other_package)
    first = version_of(package)
    (first / "machine").mkdir()
    (first / "machine" / "adding.nbi").write_bytes(b"code")
    checked = first.with_name(first.name + "-checked")
    checked.mkdir()
    assert version_of(package) == first
    assert checked.exists()  # the same version, built to check its accesses

    (package / "adding.py").write_text(SOURCE + "\n")
    second = version_of(package)
    assert sorted((tmp_path / "chosen").iterdir()) == sorted([other, second])


def test_kernel_its_folder_dropped_while_it_runs_compiles_again(
    package, tmp_path, monkeypatch, fresh_answers
):
    chosen = tmp_path / "chosen"
    running = start(package, NUMBA_CACHE_DIR=str(chosen))
    assert running.stdout is not None
    assert running.stdout.readline() == "imported\n"
    (before,) = chosen.iterdir()
    (package / "adding.py").write_text(SOURCE + "\n")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(chosen))
    version_of(package)
    assert not before.exists()
    assert finish(running) == ("3 0", "")
