"""Single parts in two and four processes; the checks are in units.py, which each process runs."""

import pytest


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", [2, 4])
def test_parts_in_processes_equal_the_obvious_way(start_processes, size):
    start_processes("units.py", size)
