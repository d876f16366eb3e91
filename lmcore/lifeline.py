"""Processes that do not outlive the one that started them.

Standard library only, so that it can be called before anything slow is imported.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Ask Linux to kill this process when its parent dies; elsewhere do nothing.

    ``parent`` is the process id of the expected parent: one that died before the call is noticed.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    found = os.getppid()
    if found == 1 or (parent is not None and found != parent):
        os.kill(os.getpid(), signal.SIGKILL)
