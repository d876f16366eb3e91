"""Memory of this process as the system counts it. Standard library only.

`getrusage` is no measure of it: on Linux a program's `ru_maxrss` begins at the resident memory of
the process that started it, so a small child of a large parent seems as large.
"""

import os
import re
import resource
from pathlib import Path


def resident_bytes() -> int:
    """Resident memory of this process now; its largest so far where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return _max_rss()
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_resident_bytes() -> int:
    """The largest resident memory of this process since its program began."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _max_rss()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else _max_rss()


def _max_rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
