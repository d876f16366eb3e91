"""What benchmarks share: a peer's environment, runs in fresh processes, a table, a JSON line.

Why: a ratio is worth what its measuring is worth. Each run has a process of its own, so no contender
warms the other's caches or inherits its heap; contenders take turns, in an order that reverses, so
that a neighbour's load or a clock that slows meets both; the time is that of the processor, children
included. Imports and reading of arguments happen before the clock starts, for both alike, and so does
half a second of spinning: a core that was at rest runs the first 0.15 s at half its speed.

A contender is a function of a benchmark's file, without arguments: it imports what it needs and
returns the work. The work takes JSON values and returns one (what it found, to be checked).
Cost: one interpreter's start and the contender's imports a run.
"""

import json
import os
import resource
import runpy
import site
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

_ENVIRONMENTS = ROOT / ".benchmarks"
_WAKE_SECONDS = 0.5

Figure = str | int | float | bool
"""A value of the last line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one process measured of its work."""

    cpu_seconds: float
    """User and system time, children that were waited for included."""

    outcome: object
    """What the work returned."""


def peer_environment(name: str, *requirements: str) -> Path:
    """The interpreter of an environment with a benchmark's peers, made where it is missing.

    A peer is no dependency of ours, so it gets a folder of its own; what the running interpreter
    has installed is seen from there too, below what the peer brings.
    """
    folder = _ENVIRONMENTS / f"venv-{name}"
    python, stamp = folder / "bin" / "python", folder / "peers.json"
    wanted = json.dumps([sys.version, sys.prefix, *requirements])
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"installing {', '.join(requirements)} into {folder.relative_to(ROOT)}", flush=True)
    venv.create(folder, clear=True, with_pip=True)
    lines = [f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages()]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "lib" / version / "site-packages" / "shared.pth").write_text("".join(lines))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements], check=True)
    stamp.write_text(wanted)
    return python


def run_once(python: Path, script: Path, contender: str, *arguments: object) -> Run:
    """Runs one contender once, in a process of its own."""
    command = [str(python), __file__, str(script), contender, json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(
            f"{contender} of {script.name} ended with status {done.returncode}, expected 0;"
            " its own message stands above"
        )
    measured = json.loads(done.stdout.splitlines()[-1])
    return Run(cpu_seconds=measured["cpu_seconds"], outcome=measured["outcome"])


def interleave(
    python: Path, script: Path, contenders: Sequence[str], *arguments: object, n_runs: int
) -> dict[str, list[Run]]:
    """Runs of each contender by its name, taken in turns; a first round is thrown away."""
    runs: dict[str, list[Run]] = {contender: [] for contender in contenders}
    for round_number in range(n_runs + 1):
        for contender in contenders if round_number % 2 else reversed(contenders):
            run = run_once(python, script, contender, *arguments)
            if round_number:
                runs[contender].append(run)
    return runs


def median_seconds(runs: Sequence[Run]) -> float:
    """The median of the runs' processor time."""
    return statistics.median(run.cpu_seconds for run in runs)


def to_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table whose columns line up in a terminal too."""
    cells = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def to_last_line(figures: Mapping[str, Figure]) -> str:
    """One flat JSON object, the last thing a benchmark prints."""
    nested = [name for name, value in figures.items() if not isinstance(value, Figure)]
    if nested:
        raise TypeError(f"{nested} hold no plain values, expected one number or word a key")
    return json.dumps(dict(figures), allow_nan=False)


def _cpu_seconds() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usages = [resource.getrusage(each) for each in who]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _has_children() -> bool:
    """Whether a child is left that was not waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def measure(work: Callable[..., object], *arguments: object) -> Run:
    """Runs the work here and now.

    Raises RuntimeError where it leaves a child behind, whose time would not be counted.
    """
    before = _cpu_seconds()
    outcome = work(*arguments)
    seconds = _cpu_seconds() - before
    if _has_children():
        raise RuntimeError(
            "a child of the work was not waited for, so its processor time is not counted;"
            " end and join all children before the work returns"
        )
    return Run(cpu_seconds=seconds, outcome=outcome)


def _wake() -> None:
    end = time.perf_counter() + _WAKE_SECONDS
    while time.perf_counter() < end:
        pass


def _main(script: str, contender: str, arguments: str) -> None:
    work = runpy.run_path(script)[contender]()
    _wake()
    run = measure(work, *json.loads(arguments))
    print(json.dumps({"cpu_seconds": run.cpu_seconds, "outcome": run.outcome}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
