"""The store: all of an artifact or nothing, whatever dies, races, rots or fills up."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from factories import as_input, commit, make_store, row

from warehouse.artifact import MANIFEST, Input
from warehouse.errors import (
    AccountingError,
    CorruptArtifactError,
    DiskFullError,
    SchemaError,
    StoreError,
)
from warehouse.store import Identity, Store

TEXTS = {"texts": [row("texts", doc_id="1", text="one"), row("texts", doc_id="2", text="two")]}


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path / "store")


def identity(**changes):
    given = {
        "kind": "tokens",
        "name": "tokens",
        "code_version": 1,
        "config": {"a": 1},
        "inputs": (),
    }
    return Identity(**(given | changes))


def files_of(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_commit_is_invisible_before_and_whole_after(store):
    with store.stage(identity()) as staging:
        (staging.path / "a.bin").write_bytes(b"a")
        assert store.lookup("tokens", identity().key) is None
        assert list(store.artifacts()) == []
        assert files_of(store.objects) == []
        made = store.commit(staging)
    found = store.lookup("tokens", identity().key)
    assert found == made
    assert found.file("a.bin").read_bytes() == b"a"
    assert files_of(store.staging) == []


def test_stage_body_that_raises_leaves_nothing(store):
    def fail():
        with store.stage(identity()) as staging:
            (staging.path / "a.bin").write_bytes(b"a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert files_of(store.objects) == files_of(store.staging) == []


def test_process_killed_while_staging_leaves_nothing_visible_and_is_swept(store):
    program = (
        "import sys, os, signal; from pathlib import Path; from warehouse.store import Identity, Store\n"
        "store = Store(Path(sys.argv[1])); identity = Identity('tokens', 'tokens', 1, {'a': 1}, ())\n"
        "with store.lease(identity.key), store.stage(identity) as staging:\n"
        "    (staging.path / 'a.bin').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program, str(store.root)], check=False, env=env)
    assert done.returncode == -signal.SIGKILL
    assert len(files_of(store.staging)) == 1
    assert list(store.artifacts()) == []
    assert store.sweep() == 1
    assert files_of(store.staging) == []


def test_sweep_keeps_what_a_living_process_builds(store):
    with store.lease(identity().key), store.stage(identity()) as staging:
        (staging.path / "a.bin").write_bytes(b"a")
        assert store.sweep() == 0
        assert store.commit(staging).key == identity().key


def test_lease_held_refuses_another_holder(store):
    with (
        store.lease("key"),
        (store.leases / "key").open("w") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_commit_race_loser_gets_the_winners_artifact(store):
    with store.stage(identity()) as first, store.stage(identity()) as second:
        (first.path / "a.bin").write_bytes(b"winner")
        (second.path / "a.bin").write_bytes(b"loser")
        won = store.commit(first)
        lost = store.commit(second)
    assert lost == won
    assert lost.file("a.bin").read_bytes() == b"winner"


def test_commit_race_against_a_damaged_winner_replaces_it(store):
    with store.stage(identity()) as first, store.stage(identity()) as second:
        (first.path / "a.bin").write_bytes(b"winner")
        (second.path / "a.bin").write_bytes(b"second")
        store.commit(first).file("a.bin").write_bytes(b"rotten")
        made = store.commit(second)
    assert made.file("a.bin").read_bytes() == b"second"
    assert store.lookup("tokens", identity().key).content == made.content


@pytest.mark.parametrize("damage", ["change", "truncate", "delete", "manifest"])
def test_lookup_damaged_artifact_is_discarded(store, damage):
    artifact = commit(store, "extract", tables=TEXTS)
    path = artifact.file("texts.parquet")
    data = bytearray(path.read_bytes())
    if damage == "change":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "truncate":
        path.write_bytes(data[:-1])
    elif damage == "delete":
        path.unlink()
    else:
        (artifact.path / MANIFEST).write_text("{half")
    assert store.lookup("extract", artifact.key) is None
    assert not artifact.path.exists()
    again = commit(store, "extract", tables=TEXTS)
    assert again.content == artifact.content


def test_lookup_touched_but_equal_file_is_accepted_and_remembered(store):
    artifact = commit(store, "extract", tables=TEXTS)
    path = artifact.file("texts.parquet")
    os.utime(path, ns=(1, 1))
    before = (artifact.path / "_stat.json").read_text()
    assert store.lookup("extract", artifact.key) == artifact
    assert (artifact.path / "_stat.json").read_text() != before


def test_lookup_store_copied_elsewhere_is_accepted(store, tmp_path):
    artifact = commit(store, "extract", tables=TEXTS)
    shutil.copytree(store.root, tmp_path / "copy")
    assert Store(tmp_path / "copy").lookup("extract", artifact.key).content == artifact.content


def test_check_change_that_hides_its_time_is_found_by_rehashing(store):
    artifact = commit(store, "tokens", files={"a.bin": b"aaaa"})
    path = artifact.file("a.bin")
    stat = path.stat()
    with path.open("r+b") as file:
        file.write(b"b")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(CorruptArtifactError, match="changed after its commit"):
        store.check(artifact, rehash=True)


def test_commit_rows_lost_raises_and_publishes_nothing(store):
    rows = {"decisions": [row("decisions", doc_id="1", outcome="kept")]}
    with pytest.raises(AccountingError):
        commit(store, "decide", tables=rows, outcomes=("decisions", 2))
    assert list(store.artifacts()) == []
    assert files_of(store.staging) == []


def test_commit_accounting_is_in_the_manifest(store):
    rows = {
        "decisions": [
            row("decisions", doc_id=str(n), outcome="kept" if n else "quality") for n in range(3)
        ]
    }
    accounting = commit(store, "decide", tables=rows, outcomes=("decisions", 3)).manifest.accounting
    assert (accounting.rows_in, accounting.rows_kept, accounting.rejected) == (3, 2, {"quality": 1})


def test_commit_file_of_another_schema_raises(store):
    with store.stage(identity()) as staging:
        shutil.copy(
            commit(store, "extract", tables=TEXTS).file("texts.parquet"), staging.path / "x.parquet"
        )
        staging.tables["x.parquet"] = "records"
        with pytest.raises(SchemaError):
            store.commit(staging)
    assert store.lookup("tokens", identity().key) is None


def test_commit_announced_table_that_is_missing_raises(store):
    with store.stage(identity()) as staging:
        staging.tables["x.parquet"] = "records"
        with pytest.raises(CorruptArtifactError, match=r"x\.parquet"):
            store.commit(staging)


def test_commit_equal_work_gives_equal_content_in_another_store(store, tmp_path):
    other = make_store(tmp_path / "other")
    made = [commit(where, "extract", tables=TEXTS, config={"b": 2}) for where in (store, other)]
    assert made[0].manifest == made[1].manifest


@pytest.mark.parametrize(
    ("changes", "same"),
    [({"name": "other"}, True), ({"config": {"a": 2}}, False), ({"code_version": 2}, False), ({"kind": "decide"}, False),
     ({"inputs": (Input("x", "k", "key", "content"),)}, False)],
)  # fmt: skip
def test_identity_changed_part_changes_the_key_unless_it_is_a_label(changes, same):
    assert (identity(**changes).key == identity().key) == same


def test_identity_input_counts_by_content_not_by_key():
    one, two = (identity(inputs=(Input("x", "k", key, "content"),)) for key in ("key1", "key2"))
    assert one.key == two.key


def test_find_by_key_content_or_name(store):
    one = commit(store, "tokens", files={"a": b"1"}, config={"n": 1})
    two = commit(store, "tokens", files={"a": b"2"}, config={"n": 2}, inputs=[as_input("x", one)])
    assert [found.key for found in store.find(one.key[:10])] == [one.key]
    assert [found.key for found in store.find(two.content[:10])] == [two.key]
    assert {found.key for found in store.find("tokens")} == {one.key, two.key}
    assert list(store.find("nothing")) == []


def test_prepare_where_a_file_stands_raises(tmp_path):
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(StoreError, match="--store"):
        Store(tmp_path / "store").prepare()


def test_stage_write_to_a_full_device_raises_disk_full(store):
    def fill():
        with store.stage(identity()) as staging:
            (staging.path / "a.bin").symlink_to("/dev/full")
            (staging.path / "a.bin").write_bytes(b"a" * 10)

    with pytest.raises(DiskFullError, match="everything committed so far is kept"):
        fill()
    assert files_of(store.staging) == []


@pytest.fixture
def small_disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)]
    if (
        shutil.which("mount") is None
        or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a small disk")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_commit_on_a_full_disk_raises_disk_full_and_keeps_what_was_committed(small_disk):
    store = make_store(small_disk / "store")
    kept = commit(store, "extract", tables=TEXTS)
    with pytest.raises(DiskFullError):
        commit(store, "tokens", files={"train.bin": bytes(1 << 20)})
    # Room for the file, none for its manifest: the commit itself fails.
    room = shutil.disk_usage(small_disk).free - 8192
    with pytest.raises(DiskFullError):
        commit(store, "tokens", files={"train.bin": bytes(room)}, attributes={"long": "x" * 20_000})
    assert [found.key for found in store.artifacts()] == [kept.key]
    assert store.lookup("extract", kept.key) == kept
    assert files_of(store.staging) == []
    assert commit(store, "tokens", files={"train.bin": bytes(1024)}).file("train.bin").exists()


def test_lease_is_free_again_when_its_holder_is_killed(store):
    program = (
        "import sys, time; from pathlib import Path; from warehouse.store import Store\n"
        "with Store(Path(sys.argv[1])).lease('key'):\n    print('held', flush=True); time.sleep(60)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(store.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as holder:
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        started = time.monotonic()
        with store.lease("key"):
            assert time.monotonic() - started < 10
