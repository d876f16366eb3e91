"""Prefect server and every recipe as a served deployment, from one process: ``make ui``.

The database lies beside the store, so runs of ``c2m run`` show up as well.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from flows import engine
from flows import recipe as recipes

_START_SECONDS = 240.0
_LIMIT = 1


def start_server(port: int) -> "subprocess.Popen[bytes]":
    """Start Prefect's server and wait until it answers."""
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2):
                return server
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    server.kill()
    msg = f"Found no answer from the Prefect server on port {port} after {_START_SECONDS:.0f} s."
    raise SystemExit(msg)


def main() -> int:
    """Start the server, serve the deployments until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default=os.environ.get("C2M_STORE", "store"))
    parser.add_argument("--port", type=int, default=4200)
    arguments = parser.parse_args()
    store = Path(arguments.store).resolve()
    engine.configure(store, quiet=False)
    server = start_server(arguments.port)
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{arguments.port}/api"
    print(f"Prefect is at http://127.0.0.1:{arguments.port} (stop with Ctrl-C)", flush=True)
    from prefect import serve

    from flows.crawl_to_model import crawl_to_model

    try:
        serve(
            *(
                crawl_to_model.to_deployment(
                    name=name,
                    parameters={"recipe": name, "store": str(store)},
                    concurrency_limit=_LIMIT,
                    tags=["crawl2model"],
                )
                for name in recipes.names()
            )
        )
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
