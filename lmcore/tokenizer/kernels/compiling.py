"""How kernels are compiled, where the machine code is kept, and who is told that it takes a while.

numba compiles a kernel when it is first called and keeps the machine code on disk, in a folder
named after a hash of this package's sources: beside the sources where that can be written, else
in the user's cache folder, so every later process (each worker of a run, too) loads it in well
under a second. numba itself would look only at the one file a kernel is defined in.
"""

import functools
import hashlib
import inspect
import logging
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

CHECKED: Final = os.environ.get("NUMBA_BOUNDSCHECK", "") not in ("", "0")
"""Whether every memory access is checked: numba's own switch, read as numba reads it."""

_SOURCES: Final = Path(__file__).parent


def is_installed() -> bool:
    """Return whether kernels can be compiled here at all."""
    return find_spec("numba") is not None


@functools.cache
def cache_directory() -> Path:
    """Return the folder of the machine code of exactly these sources."""
    digest = hashlib.sha256(sys.version.encode())
    for source in sorted(_SOURCES.glob("*.py")):
        digest.update(source.read_bytes())
    name = f"kernels-{digest.hexdigest()[:12]}{'-checked' if CHECKED else ''}"
    beside = _SOURCES / "__pycache__"
    if os.access(beside if beside.exists() else _SOURCES, os.W_OK):
        return beside / name
    return Path("~/.cache/crawl2model").expanduser() / name


def is_compiled(*modules: str) -> bool:
    """Return whether earlier processes left the machine code of these modules of the package."""
    return all(any(cache_directory().glob(f"*/{module}.*.nbi")) for module in modules)


def announce(*modules: str) -> None:
    """Say that a pause is coming, where it is."""
    if not is_compiled(*modules):
        logger.warning("compiling the tokenizer's kernels: once after installation, about 20 s")


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
    settings.CACHE_DIR = before or str(cache_directory())
    try:
        compiled: Callable[P, R]
        compiled = compile_later(nogil=True, error_model="numpy", **options)(plain)
    finally:
        settings.CACHE_DIR = before
    return compiled
