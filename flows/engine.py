"""Settings of the embedded Prefect engine, made before Prefect is imported.

A server that the user names (PREFECT_API_URL) is used as it is; otherwise Prefect's ephemeral
server keeps its database beside the store. Nothing calls home.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import StageError

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

_START_SECONDS = 240.0
_STOP_SECONDS = 15.0


def configure(store: Path, *, quiet: bool) -> None:
    """Set what the user has not set; ``quiet`` leaves the console to our own progress board."""
    settings = dict(_SILENCE)
    if "PREFECT_API_URL" not in os.environ:
        settings |= _EMBEDDED
        settings["PREFECT_HOME"] = str(store / "prefect")
    if quiet:
        settings["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
    for name, value in settings.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def server(port: int = 0) -> Iterator[str]:
    """Run a Prefect server of our own for a while; gives its address.

    Runs whose steps are spread over processes need one: every process of an ephemeral engine
    would start a server of its own.
    """
    port = port or _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PREFECT_SERVER_UI_API_URL": f"http://127.0.0.1:{port}/api"},
    )
    try:
        _wait_until_healthy(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
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


def _wait_until_healthy(process: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + _START_SECONDS
    url = f"http://127.0.0.1:{port}/api/health"
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    msg = (
        f"Found no answer from the Prefect server on port {port} within {_START_SECONDS:.0f} s; "
        "expected one; see whether another program holds the port."
    )
    raise StageError(msg)
