"""A real server, a real deployment, a real worker: a scheduled run finishes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 420

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def prefect(environment, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def running(command, environment, log):
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


SCHEDULE = """
import asyncio, datetime, sys
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.schedules import IntervalSchedule

async def main():
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("crawl_to_model/smoke")
        await client.update_deployment(
            deployment.id,
            DeploymentUpdate(parameters={
                "recipe": "smoke", "store": sys.argv[1], "until": "sample_labels"}),
        )
        every = IntervalSchedule(interval=datetime.timedelta(seconds=30))
        await client.create_deployment_schedules(deployment.id, [(every, True)])

asyncio.run(main())
"""

FINISHED = """
import asyncio
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter

ENDED = FlowRunFilter(state={"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}})

async def main():
    async with get_client() as client:
        for run in await client.read_flow_runs(flow_run_filter=ENDED, limit=100):
            if run.auto_scheduled and run.state and run.parent_task_run_id is None:
                print(run.state.type.value, run.state.name, (run.state.message or "")[:200])

asyncio.run(main())
"""


def ask(environment, code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_scheduled_run_of_a_deployment_finishes(tmp_path):
    port = free_port()
    environment = {
        **os.environ,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "C2M_HOME": str(ROOT),
    }
    store = tmp_path / "store"
    server = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "c2m"]
    with running(server, environment, tmp_path / "server.log"):
        wait_until_healthy(environment)
        prefect(environment, "work-pool", "create", "c2m", "--type", "process")
        prefect(environment, "deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
        ask(environment, SCHEDULE, str(store))
        with running(worker, environment, tmp_path / "worker.log"):
            states = wait_for_finished_run(environment)
    assert "COMPLETED" in states, states
    assert any(store.glob("objects/sample_labels/*/quality.parquet"))


def wait_until_healthy(environment):
    code = "import asyncio\nfrom prefect.client.orchestration import get_client\nasync def f():\n async with get_client() as c:\n  assert await c.api_healthcheck() is None\nasyncio.run(f())"
    end = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < end:
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        if done.returncode == 0:
            return
    pytest.fail("the server did not become healthy")


def wait_for_finished_run(environment):
    end = time.monotonic() + DEADLINE_SECONDS
    states = ""
    while time.monotonic() < end:
        states = ask(environment, FINISHED)
        if "COMPLETED" in states or "FAILED" in states or "CRASHED" in states:
            return states
    return states
