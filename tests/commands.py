"""The command line as a person uses it, on Prefect's own engine: for tests of whole runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def c2m(store, *arguments, seconds=900):
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    return subprocess.run(
        [sys.executable, "-m", "flows", *arguments, "--store", str(store)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def ask(store, question):
    """Rows of the answer, as dictionaries."""
    done = c2m(store, "sql", question, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
