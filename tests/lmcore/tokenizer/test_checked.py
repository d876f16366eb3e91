"""The kernels where every access to memory is checked against its bounds: nothing lies outside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

from lmcore.kernels import compiling

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]


def run_checked(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "NUMBA_BOUNDSCHECK": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)]),
    }
    assert not compiling.CHECKED
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fuzz_with_every_memory_access_checked():
    done = run_checked(str(HERE / "checked.py"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "checked\n"


SPAN = """
import numba
import numpy as np

from lmcore.kernels.compiling import kernel
from lmcore.kernels.memory import load64, span_of


def load(array, offset):
    return load64(span_of(array), offset)


load = numba.njit(load)
assert load(np.arange(4), 24) == 3
for offset in (-1, 25, 32):
    try:
        load(np.arange(4), offset)
    except IndexError:
        continue
    raise SystemExit(f"nothing was raised at {offset}")
"""


def test_memory_outside_of_a_span_raises_where_checked():
    done = run_checked("-c", SPAN)
    assert done.returncode == 0, done.stderr
