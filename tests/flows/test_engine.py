"""The engine: an empty database once an installation; a port that another program holds is refused."""

import contextlib
import http.server
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flows import engine
from tasks.errors import StageError, UserStageError

ROOT = Path(__file__).parents[2]


class AlwaysFine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def answering_holder():
    with http.server.HTTPServer(("127.0.0.1", 0), AlwaysFine) as holder:
        thread = threading.Thread(target=holder.serve_forever)
        thread.start()
        try:
            yield holder.server_address[1]
        finally:
            holder.shutdown()
            thread.join()


@contextlib.contextmanager
def silent_holder():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.fixture
def no_settings(monkeypatch):
    for name in [*os.environ]:
        if "PREFECT" in name or name == "DO_NOT_TRACK":
            monkeypatch.delenv(name)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_store_without_a_database_begins_with_the_empty_one(no_settings, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "installation"))
    empty = engine.empty_database()
    empty.parent.mkdir(parents=True)
    empty.write_bytes(b"empty")
    engine.configure(tmp_path / "store", quiet=True)
    assert [p.name for p in (tmp_path / "store/prefect").iterdir()] == ["prefect.db"]
    assert (tmp_path / "store/prefect/prefect.db").read_bytes() == b"empty"


def test_store_with_a_database_keeps_it(no_settings, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "installation"))
    engine.empty_database().parent.mkdir(parents=True)
    engine.empty_database().write_bytes(b"empty")
    (tmp_path / "store/prefect").mkdir(parents=True)
    (tmp_path / "store/prefect/prefect.db").write_bytes(b"runs")
    engine.configure(tmp_path / "store", quiet=True)
    assert (tmp_path / "store/prefect/prefect.db").read_bytes() == b"runs"


@pytest.mark.slow
def test_prepared_database_is_at_prefects_newest_migration(tmp_path):
    path = tmp_path / "share" / "empty.db"
    engine.prepare(path)
    assert [p.name for p in path.parent.iterdir()] == ["empty.db"]
    with contextlib.closing(sqlite3.connect(path)) as database:
        ((revision,),) = database.execute("select version_num from alembic_version").fetchall()
        assert database.execute("select count(*) from flow_run").fetchall() == [(0,)]
    found = "import prefect.server.database as d; print(d.__path__[0])"
    folder = subprocess.run(
        [sys.executable, "-c", found], capture_output=True, text=True, check=True
    )
    migrations = Path(folder.stdout.strip(), "_migrations/versions/sqlite").glob("*.py")
    texts = [path.read_text() for path in migrations]
    assert sum(f'revision = "{revision}"' in text for text in texts) == 1
    assert not any(f'down_revision = "{revision}"' in text for text in texts)


@pytest.mark.parametrize("hold", [answering_holder, silent_holder])
def test_server_on_a_held_port_is_refused(hold):
    with (
        hold() as port,
        pytest.raises(UserStageError, match=f"port {port} cannot be taken .*PORT="),
        engine.server(port),
    ):
        pass


def test_server_on_an_impossible_port_is_refused():
    with pytest.raises(UserStageError, match="port 70000 cannot be taken"), engine.server(70_000):
        pass


@pytest.mark.parametrize("hold", [answering_holder, silent_holder])
def test_make_ui_on_a_held_port_ends_with_a_paragraph(hold, tmp_path):
    with hold() as port:
        done = subprocess.run(
            [sys.executable, "deployments/serve.py", "--store", tmp_path, "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"port {port} cannot be taken" in done.stderr


def test_server_that_ends_at_once_is_an_error_with_its_own_time_and_words(tmp_path):
    (tmp_path / "output").write_text("no database\n")
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    ended.wait()
    with (tmp_path / "output").open("rb") as output, pytest.raises(StageError) as caught:
        engine._wait_until_healthy(ended, engine._free_port(), output)
    assert "exit code 3" in str(caught.value)
    assert "after 0 s" in str(caught.value)
    assert str(caught.value).endswith("no database")


HOLD = """
import sys, time
from pathlib import Path
from flows import engine
engine.configure(Path(sys.argv[1]), quiet=True)
with engine.server(int(sys.argv[2])) as address:
    print(address, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_server_of_our_own_ends_with_whoever_started_it(tmp_path):
    port = engine._free_port()
    environment = {name: text for name, text in os.environ.items() if "PREFECT" not in name}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path, str(port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == f"http://127.0.0.1:{port}\n"
        with pytest.raises(UserStageError):
            engine._require_free(port)
        holder.kill()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(UserStageError):
            engine._require_free(port)
            return
        time.sleep(0.1)
    pytest.fail("the server outlived its parent")
