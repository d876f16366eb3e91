import subprocess
import sys

import numpy as np

from lmcore.memory import peak_resident_bytes, resident_bytes

MEGABYTE = 1 << 20


def test_resident_bytes_grow_with_what_is_held_and_shrink_after():
    before = resident_bytes()
    held = np.ones(200 * MEGABYTE, np.uint8)
    assert resident_bytes() - before > 190 * MEGABYTE
    del held
    assert resident_bytes() - before < 100 * MEGABYTE
    assert peak_resident_bytes() - before > 190 * MEGABYTE


def test_peak_resident_bytes_of_a_child_are_not_its_parents():
    held = np.ones(300 * MEGABYTE, np.uint8)
    script = "from lmcore.memory import peak_resident_bytes; print(peak_resident_bytes())"
    peak = int(subprocess.check_output([sys.executable, "-c", script]))
    assert peak < 100 * MEGABYTE < held.nbytes
