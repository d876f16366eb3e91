"""How kernels are compiled, where the machine code is kept, and who is told that it takes a while.

numba compiles a kernel when it is first called and keeps the machine code on disk, in a folder
named after a hash of the sources of its package and of this one, so every later process (each
worker of a run, too) loads it in well under a second. numba itself would look only at the one
file a kernel is defined in. A new folder takes the place of those of the package's other versions.
The folder is in NUMBA_CACHE_DIR (numba's own variable) where that is
set, else beside the sources, else in the user's cache folder, whichever can be written first;
where none can, it lives as long as the process, and so does the machine code.
"""

import atexit
import functools
import hashlib
import inspect
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

CHECKED: Final = os.environ.get("NUMBA_BOUNDSCHECK", "") not in ("", "0")
"""Whether every memory access is checked: numba's own switch, read as numba reads it."""

_SUFFIX: Final = "-checked"
_SHARED: Final = Path(__file__).parent
_ROOT: Final = _SHARED.parents[1]


def is_installed() -> bool:
    """Return whether kernels can be compiled here at all."""
    return find_spec("numba") is not None


@functools.cache
def cache_directory(package: Path) -> Path:
    """Return the folder for the machine code of exactly the sources that a package has now."""
    digest = hashlib.sha256(sys.version.encode())
    for source in sorted({*_SHARED.glob("*.py"), *package.glob("*.py")}):
        digest.update(source.read_bytes())
    place = hashlib.sha256(os.fsencode(package)).hexdigest()[:8]
    versions = f"kernels-{sys.implementation.cache_tag}-{place}-"
    name = f"{versions}{digest.hexdigest()[:12]}{_SUFFIX if CHECKED else ''}"
    chosen = os.environ.get("NUMBA_CACHE_DIR", "")
    beside, home = package / "__pycache__", Path("~/.cache/crawl2model").expanduser()
    for parent in [Path(chosen)] if chosen else [beside, home]:
        is_new = not (parent / name).exists()
        if _is_writable(parent / name):
            if is_new:
                _drop_others(parent / name, versions)
            return parent / name
    logger.warning(
        "found no folder to keep compiled kernels in (tried %s); compiling them for this process "
        "alone; set NUMBA_CACHE_DIR to a folder that can be written",
        chosen or f"{beside} and {home}",
    )
    return _temporary_directory() / name


def _is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _drop_others(folder: Path, versions: str) -> None:
    """Remove the folders of other versions, beside this one.

    A process that still runs one of them is not harmed: where numba finds a file gone, it compiles
    again, and what cannot be removed while it writes is removed by the next version.
    """
    kept = folder.name.removesuffix(_SUFFIX)
    for other in folder.parent.glob(f"{versions}*"):
        if other.name.removesuffix(_SUFFIX) != kept:
            shutil.rmtree(other, ignore_errors=True)


@functools.cache
def _temporary_directory() -> Path:
    folder = tempfile.mkdtemp(prefix="c2m-kernels-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def is_compiled(*modules: str) -> bool:
    """Return whether earlier processes left the machine code of these modules (dotted names)."""
    return all(_has_machine_code(_ROOT.joinpath(*module.split("."))) for module in modules)


def _has_machine_code(module: Path) -> bool:
    return any(cache_directory(module.parent).glob(f"*/{module.name}.*.nbi"))


def announce(what: str, *modules: str) -> None:
    """Say that a pause is coming, where it is: `what` names the kernels and how long they take."""
    if not is_compiled(*modules):
        logger.warning("compiling %s, once after installation", what)


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that Python calls; it runs without the interpreter's lock."""
    return _compile(function, cache=True)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that kernels call, into each place where they do."""
    return _compile(function, forceinline=True)


def called(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that kernels call and that stays a function: rare, or large."""
    return _compile(function)


def _compile(function: Callable[P, R], **options: bool) -> Callable[P, R]:
    import numba  # the rest of this module answers without its 0.3 s

    settings: Any = numba.config  # numba makes its attributes when it is imported
    compile_later: Any = numba.njit  # typed for literal options alone
    plain = inspect.unwrap(function)  # test runs wrap every function in a check of its types
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_directory(Path(plain.__code__.co_filename).parent))
    try:
        compiled: Callable[P, R]
        compiled = compile_later(nogil=True, error_model="numpy", **options)(plain)
    finally:
        settings.CACHE_DIR = before
    return compiled
