"""Settings of the embedded Prefect engine, made before Prefect is imported.

A server that the user names (PREFECT_API_URL) is used as it is; otherwise Prefect's ephemeral
server keeps its database beside the store. Nothing calls home.

A new database goes through all of Prefect's migrations, 12 s of a start of 35 (measured). They are
the same for every store, so ``python -m flows.engine`` makes an empty one once an installation,
and a store without a database begins with a copy of it.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from tasks.errors import StageError, UserStageError

_SILENCE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_EMBEDDED = {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    # the default of 20 s is too short on a busy machine: 8-60 s were seen
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "240",
}

# the command line of Prefect, in a process that ends with the one that started it
_PREFECT = """
import sys
from lmcore.lifeline import die_with_parent
die_with_parent(int(sys.argv.pop(1)))
from prefect.cli import app
app()
"""
_DATABASE = "prefect.db"
_START_SECONDS = 240.0
_STOP_SECONDS = 15.0
_OUTPUT_BYTES = 1 << 16
_LAST_WORDS_CHARS = 300


def configure(store: Path, *, quiet: bool) -> None:
    """Set what the user has not set; ``quiet`` leaves the console to our own progress board."""
    settings = dict(_SILENCE)
    if "PREFECT_API_URL" not in os.environ:
        settings |= _EMBEDDED
        settings["PREFECT_HOME"] = str(store / "prefect")
        if not {"PREFECT_HOME", "PREFECT_API_DATABASE_CONNECTION_URL"} & os.environ.keys():
            _begin_with(empty_database(), store / "prefect" / _DATABASE)
    if quiet:
        settings["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def empty_database() -> Path:
    """Return where this installation keeps Prefect's empty database, whether it is there or not."""
    return Path(sys.prefix) / "share" / "crawl2model" / f"prefect-{version('prefect')}.db"


def prepare(path: Path) -> None:
    """Make Prefect's empty database, unless it is there. Raises StageError when Prefect fails."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as home:
        kept = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"],
            check=False,
            env=kept | _SILENCE | {"PREFECT_HOME": home},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        made = Path(home) / _DATABASE
        if done.returncode or not made.exists():
            words = " ".join(done.stdout.decode(errors="replace").split())
            msg = (
                f"Found exit code {done.returncode} of Prefect's database upgrade; expected a new "
                f"database; see what it said last: {words[-_LAST_WORDS_CHARS:]}"
            )
            raise StageError(msg)
        made.replace(path)


def _begin_with(empty: Path, database: Path) -> None:
    """Give a store that has no database the empty one, if the installation has made it."""
    if database.exists() or not empty.exists():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    aside = database.with_suffix(f".{os.getpid()}")
    shutil.copyfile(empty, aside)
    with contextlib.suppress(FileExistsError):  # another run was faster
        database.hardlink_to(aside)
    aside.unlink()


@contextlib.contextmanager
def server(port: int = 0) -> Iterator[str]:
    """Run a Prefect server of our own for a while; gives its address.

    Runs whose steps are spread over processes need one: every process of an ephemeral engine
    would start a server of its own. Raises UserStageError for a port that cannot be had.
    """
    port = port or _free_port()
    _require_free(port)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _PREFECT,
                str(os.getpid()),
                "server",
                "start",
                "--port",
                str(port),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for us alone: who still talks to the server has to end before it
            start_new_session=True,
            env={**os.environ, "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api"},
        )
        try:
            _wait_until_healthy(process, port, output)
            yield f"http://127.0.0.1:{port}"
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _require_free(port: int) -> None:
    """Refuse a port that another program holds: whatever answered there would pass for ours."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        msg = (
            f"Found that port {port} cannot be taken ({getattr(error, 'strerror', error)}); "
            "expected a free one for a Prefect server of our own; stop the program that holds it, "
            "or choose another, as in `make ui PORT=4300`."
        )
        raise UserStageError(msg) from error


def _wait_until_healthy(process: "subprocess.Popen[bytes]", port: int, output: BinaryIO) -> None:
    """Wait for the server's first answer; StageError when it ends or stays silent."""
    start = time.monotonic()
    url = f"http://127.0.0.1:{port}/api/health"
    while time.monotonic() - start < _START_SECONDS and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    waited = time.monotonic() - start
    state = "no answer" if process.poll() is None else f"exit code {process.returncode}"
    # pread: the server writes at the offset that a seek here would move
    words = " ".join(os.pread(output.fileno(), _OUTPUT_BYTES, 0).decode(errors="replace").split())
    msg = (
        f"Found {state} from the Prefect server on port {port} after {waited:.0f} s; expected it "
        f"to answer within {_START_SECONDS:.0f} s; try again, or see what it said last: "
        f"{words[-_LAST_WORDS_CHARS:] or 'nothing'}"
    )
    raise StageError(msg)


if __name__ == "__main__":
    prepare(empty_database())
