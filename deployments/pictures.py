"""Pictures for the README, taken from a real run by headless Chromium: ``make pictures``.

Needs a store with a completed run (``make run``) and a ``chromium`` on the path.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from flows import engine
from warehouse import runs
from warehouse.store import Store

FOLDER = Path(__file__).parent / "pictures"
_WAIT_MILLISECONDS = 25_000


def shoot(url: str, picture: Path, *, width: int, height: int) -> None:
    """Take one screenshot."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        msg = "Found no chromium on the path; expected one; install it (apt install chromium)."
        raise SystemExit(msg)
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--virtual-time-budget={_WAIT_MILLISECONDS}",
                f"--screenshot={picture}",
                url,
            ],
            check=True,
            timeout=180,
            capture_output=True,
        )
    print(picture)


async def _newest_flow_run() -> str:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    async with get_client() as client:
        for found in await client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=50):
            flow = await client.read_flow(found.flow_id)
            if flow.name == "crawl_to_model" and found.state and found.state.is_completed():
                return str(found.id)
    msg = "Found no completed flow run; expected one; run `make run` first."
    raise SystemExit(msg)


def main() -> int:
    """Take the pictures of the latest completed run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default=os.environ.get("C2M_STORE", "store"))
    arguments = parser.parse_args()
    store = Store(Path(arguments.store).resolve())
    run = runs.latest(store)
    if run is None:
        msg = f"Found no run in {store.root}; expected one; run `make run` first."
        raise SystemExit(msg)
    FOLDER.mkdir(exist_ok=True)
    (report,) = [step for step in runs.steps(store, run.run_id) if step.stage == "report"]
    page = store.path_of("report", report.key) / "report.html"
    shoot(page.as_uri(), FOLDER / "report.png", width=1280, height=1700)
    engine.configure(store.root, quiet=False)
    with engine.server() as address:
        os.environ["PREFECT_API_URL"] = f"{address}/api"
        flow_run = asyncio.run(_newest_flow_run())
        url = f"{address}/runs/flow-run/{flow_run}"
        shoot(url, FOLDER / "flow_run.png", width=1440, height=730)
    return 0


if __name__ == "__main__":
    sys.exit(main())
