"""The store: where artifacts are staged, committed, found and checked.

Layout under the root::

    objects/<kind>/<key>/   committed artifacts, immutable, manifest inside
    staging/<key>.<id>/     work in progress, invisible to everyone
    leases/<key>            locked by the process that builds the artifact
    runs/<run_id>/          what each run did (see warehouse.runs)

A commit hashes and fsyncs every file, writes the manifest last and renames the folder once: a
reader sees all of it or nothing. A lookup compares size, mtime and inode with those seen at the
last check and hashes again only what differs. What a check found damaged is no longer vouched for,
so every later lookup hashes it again, whatever its size, mtime and inode.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from warehouse import fingerprint
from warehouse.artifact import MANIFEST, STAT, Accounting, Artifact, FileEntry, Input, Manifest
from warehouse.errors import CorruptArtifactError, DiskFullError, StoreError
from warehouse.expectations import count_outcomes
from warehouse.parquet import check_schema
from warehouse.schemas import TABLES


@dataclass(frozen=True, slots=True)
class Identity:
    """What an artifact will be, before it exists."""

    kind: str
    name: str
    code_version: int
    config: Mapping[str, object]
    inputs: tuple[Input, ...]

    @property
    def key(self) -> str:
        """Hash of everything that can change the artifact's bytes; ``name`` is only a label."""
        grouped: dict[str, list[str]] = {}
        for entry in self.inputs:
            grouped.setdefault(entry.name, []).append(entry.content)
        return fingerprint.identity(self.kind, self.code_version, self.config, grouped)


@dataclass(slots=True)
class Staging:
    """A folder in which an artifact is being made, and what is known of it so far."""

    path: Path
    identity: Identity
    tables: dict[str, str] = field(default_factory=dict)
    """file -> table, for the Parquet files that belong to one"""
    outcome_table: str | None = None
    rows_in: int | None = None
    attributes: dict[str, object] = field(default_factory=dict)


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _stat(path: Path) -> list[int]:
    seen = path.stat()
    return [seen.st_size, seen.st_mtime_ns, seen.st_ino]


@contextlib.contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn "no space left" into a DiskFullError that says what was being written."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            msg = (
                f"Found no room left on the disk while writing {what}; expected space for it; "
                "free some (`c2m ls` shows what the store holds) or name another store with "
                "--store, then run again: everything committed so far is kept."
            )
            raise DiskFullError(msg) from error
        raise


class Store:
    """A folder of artifacts. Safe for many processes at once on one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.staging = root / "staging"
        self.leases = root / "leases"
        self.runs = root / "runs"

    def prepare(self) -> None:
        """Make the store's folders; StoreError when that is impossible."""
        try:
            with disk_errors(str(self.root)):
                for path in (self.objects, self.staging, self.leases, self.runs):
                    path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = (
                f"Found that the store {self.root} cannot be made or written ({error.strerror}); "
                "expected a folder; name another with --store or C2M_STORE."
            )
            raise StoreError(msg) from error

    def path_of(self, kind: str, key: str) -> Path:
        """Folder of an artifact, whether or not it exists."""
        return self.objects / kind / key

    def read(self, kind: str, key: str) -> Artifact | None:
        """Return an artifact by its manifest alone, its files unchecked."""
        path = self.path_of(kind, key)
        try:
            text = (path / MANIFEST).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError as error:
            msg = f"Found the manifest of {path}, which is no text; expected our JSON; rebuild it."
            raise CorruptArtifactError(msg) from error
        return Artifact(path, Manifest.from_json(text))

    def lookup(self, kind: str, key: str) -> Artifact | None:
        """Return an artifact whose files are as committed; one that is not is set aside."""
        try:
            artifact = self.read(kind, key)
            if artifact is None:
                return None
            self.check(artifact, rehash=False)
        except CorruptArtifactError:
            self.discard(kind, key)
            return None
        return artifact

    def verify(self, kind: str, key: str) -> tuple[str, ...]:
        """Hash every file of an artifact again; return what is wrong with each. Nothing is deleted."""
        try:
            artifact = self.read(kind, key)
        except CorruptArtifactError as error:
            return (str(error),)
        if artifact is None:
            return (f"Found no manifest in {self.path_of(kind, key)}; expected one; rebuild it.",)
        return self._damages(artifact, rehash=True, remember=True)

    def check(self, artifact: Artifact, *, rehash: bool, remember: bool = True) -> None:
        """Compare files with the manifest; CorruptArtifactError names the first that differs.

        ``remember`` writes down what was seen, so that the next check need not hash it again.
        """
        damages = self._damages(artifact, rehash=rehash, remember=remember)
        if damages:
            raise CorruptArtifactError(damages[0])

    def _damages(self, artifact: Artifact, *, rehash: bool, remember: bool) -> tuple[str, ...]:
        try:
            seen: dict[str, list[int]] = json.loads((artifact.path / STAT).read_text())
        except (OSError, ValueError):
            seen = {}
        renewed = dict(seen)
        damages = []
        for entry in artifact.manifest.files:
            path = artifact.path / entry.path
            try:
                stat = _stat(path)
                if rehash or seen.get(entry.path) != stat:
                    self._compare(path, entry)
                    renewed[entry.path] = stat
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                damages.append(
                    f"Found no file {path}; expected {entry.bytes:,d} bytes; the stage must run again."
                )
                renewed.pop(entry.path, None)
            except CorruptArtifactError as error:
                damages.append(str(error))
                renewed.pop(entry.path, None)
        if remember and renewed != seen:
            self._write_aside(artifact.path / STAT, json.dumps(renewed, sort_keys=True))
        return tuple(damages)

    @staticmethod
    def _compare(path: Path, entry: FileEntry) -> None:
        found = fingerprint.hash_file(path)
        if found != entry.sha256:
            msg = (
                f"Found {path} with sha256 {found[:12]}; expected {entry.sha256[:12]}; "
                "the file was changed after its commit, so the stage must run again."
            )
            raise CorruptArtifactError(msg)

    @staticmethod
    def _write_aside(path: Path, text: str) -> None:
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        aside.write_text(text)
        aside.replace(path)

    def discard(self, kind: str, key: str) -> None:
        """Move an artifact out of sight in one rename, then delete it."""
        path = self.path_of(kind, key)
        grave = self.staging / f"{key}.{uuid.uuid4().hex}.discarded"
        with contextlib.suppress(FileNotFoundError):
            path.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)

    @contextlib.contextmanager
    def lease(self, key: str) -> Iterator[None]:
        """Hold the only right to build an artifact; the kernel frees it when the holder dies."""
        self.leases.mkdir(parents=True, exist_ok=True)
        with (self.leases / key).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def sweep(self) -> int:
        """Delete work in progress whose maker is gone; return how many folders went."""
        swept = 0
        for path in sorted(self.staging.iterdir()):
            lease = self.leases / path.name.split(".")[0]
            with lease.open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                shutil.rmtree(path, ignore_errors=True)
                swept += 1
        return swept

    @contextlib.contextmanager
    def stage(self, identity: Identity) -> Iterator[Staging]:
        """Give a folder to build an artifact in; whatever was not committed is deleted."""
        path = self.staging / f"{identity.key}.{uuid.uuid4().hex}"
        with disk_errors(f"the artifact {identity.name}"):
            path.mkdir(parents=True)
            try:
                yield Staging(path, identity)
            finally:
                shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def scratch(self, identity: Identity) -> Iterator[Path]:
        """Give a folder for what is no part of the artifact; it is deleted afterwards."""
        path = self.staging / f"{identity.key}.{uuid.uuid4().hex}.scratch"
        with disk_errors(f"the scratch folder of {identity.name}"):
            path.mkdir(parents=True)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def commit(self, staging: Staging) -> Artifact:
        """Check, hash and publish a staged artifact; the loser of a race gets the winner's.

        Raises SchemaError, AccountingError or DiskFullError; then nothing is published.
        """
        identity = staging.identity
        with disk_errors(f"the artifact {identity.name}"):
            files = self._entries(staging)
            manifest = Manifest(
                kind=identity.kind,
                name=identity.name,
                key=identity.key,
                code_version=identity.code_version,
                config=identity.config,
                inputs=identity.inputs,
                files=files,
                content=fingerprint.content({entry.path: entry.sha256 for entry in files}),
                accounting=self._accounting(staging),
                attributes=staging.attributes,
            )
            stats = {entry.path: _stat(staging.path / entry.path) for entry in files}
            (staging.path / STAT).write_text(json.dumps(stats, sort_keys=True))
            (staging.path / MANIFEST).write_text(manifest.to_json())
            _fsync(staging.path / MANIFEST)
            _fsync(staging.path)
            return self._publish(staging.path, manifest)

    def _publish(self, staged: Path, manifest: Manifest) -> Artifact:
        target = self.path_of(manifest.kind, manifest.key)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            staged.rename(target)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            winner = self.lookup(manifest.kind, manifest.key)
            if winner is not None:
                return winner
            self.discard(manifest.kind, manifest.key)  # a folder without a manifest
            staged.rename(target)
        _fsync(target.parent)
        return Artifact(target, manifest)

    @staticmethod
    def _entries(staging: Staging) -> tuple[FileEntry, ...]:
        entries = []
        for path in sorted(path for path in staging.path.rglob("*") if path.is_file()):
            name = path.relative_to(staging.path).as_posix()
            table = staging.tables.get(name)
            rows = None if table is None else check_schema(path, TABLES[table])
            _fsync(path)
            sha256 = fingerprint.hash_file(path)
            entries.append(FileEntry(name, path.stat().st_size, sha256, table, rows))
        for name in staging.tables.keys() - {entry.path for entry in entries}:
            msg = f"Found no {name} in the staged {staging.identity.kind}; expected its table."
            raise CorruptArtifactError(msg)
        return tuple(entries)

    @staticmethod
    def _accounting(staging: Staging) -> Accounting | None:
        if staging.outcome_table is None:
            return None
        paths = [
            staging.path / name
            for name, table in staging.tables.items()
            if table == staging.outcome_table
        ]
        return count_outcomes(staging.outcome_table, paths, staging.rows_in)

    def artifacts(self) -> Iterator[Artifact]:
        """Every committed artifact, by kind and key, files unchecked.

        A folder whose manifest cannot be read is none; the next lookup of its key deletes it.
        """
        for path in sorted(self.objects.glob("*/*/" + MANIFEST)):
            try:
                artifact = self.read(path.parent.parent.name, path.parent.name)
            except CorruptArtifactError:
                continue
            if artifact is not None:
                yield artifact

    def find(self, text: str) -> Sequence[Artifact]:
        """Artifacts whose key or content begins with a text, or whose name is that text."""
        return [
            artifact
            for artifact in self.artifacts()
            if artifact.key.startswith(text)
            or artifact.content.startswith(text)
            or artifact.manifest.name == text
        ]
