"""The process in which a stage's body runs: ``python -m tasks.worker WORK/job.json PARENT``.

It dies with its parent, writes ``result.json`` or ``error.json`` into the work folder, and exits
with 0, 1 (our bug), 2 (the user's to change) or 75 (weather: try again).
"""

import importlib
import json
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from lmcore.errors import LmcoreError, TransientError
from lmcore.lifeline import die_with_parent
from tasks.job import Job, JobSpec
from warehouse.errors import WarehouseError
from warehouse.store import disk_errors

EXIT_BUG, EXIT_USER, EXIT_TRANSIENT = 1, 2, 75


def _body(name: str) -> Callable[[Job], None]:
    module, function = name.split(":")
    found: Callable[[Job], None] = getattr(importlib.import_module(module), function)
    return found


def _report(work: Path, error: BaseException, *, user: bool) -> None:
    record = {
        "type": type(error).__name__,
        "message": str(error),
        "user": user,
        "traceback": traceback.format_exc(),
    }
    (work / "error.json").write_text(json.dumps(record))


def run(spec: JobSpec) -> int:
    """Run one body and return the exit code."""
    job = Job(spec)
    try:
        with disk_errors(f"the artifact {spec.step}"):
            _body(spec.body)(job)
    except TransientError as error:
        _report(job.work, error, user=False)
        return EXIT_TRANSIENT
    except Exception as error:  # noqa: BLE001 - the boundary of the process: all is reported
        # what the user can change is a ValueError or a KeyError as well; the rest is our bug
        ours = isinstance(error, LmcoreError | WarehouseError)
        user = ours and isinstance(error, ValueError | KeyError)
        _report(job.work, error, user=user)
        return EXIT_USER if user else EXIT_BUG
    (job.work / "result.json").write_text(json.dumps(asdict(job.result)))
    return 0


def main() -> int:
    """Entry point."""
    die_with_parent(int(sys.argv[2]))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return run(JobSpec.load(Path(sys.argv[1])))


if __name__ == "__main__":
    sys.exit(main())
