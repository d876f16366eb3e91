"""Artifacts: immutable folders of files with a manifest that says what they are and whence.

A manifest holds only facts that equal work repeats: times, hosts and speeds belong to telemetry.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from warehouse.errors import CorruptArtifactError

MANIFEST = "_manifest.json"
STAT = "_stat.json"


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """What tasks hand to one another: small, enough to find and to identify."""

    step: str
    kind: str
    key: str
    content: str
    cached: bool


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an artifact."""

    path: str
    bytes: int
    sha256: str
    table: str | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One input of an artifact: another artifact (key not empty) or a source file."""

    name: str
    kind: str
    key: str
    content: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Accounting:
    """Rows in, kept and rejected by reason, counted from the rows at commit."""

    rows_in: int
    rows_kept: int
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything known of an artifact, written last."""

    kind: str
    name: str
    key: str
    code_version: int
    config: Mapping[str, object]
    inputs: tuple[Input, ...]
    files: tuple[FileEntry, ...]
    content: str
    accounting: Accounting | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> str:
        """Write the manifest as JSON that reads well."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read a manifest, or raise CorruptArtifactError."""
        try:
            raw = json.loads(text)
            accounting = raw.pop("accounting")
            return cls(
                inputs=tuple(Input(**entry) for entry in raw.pop("inputs")),
                files=tuple(FileEntry(**entry) for entry in raw.pop("files")),
                accounting=None if accounting is None else Accounting(**accounting),
                **raw,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = f"Found a manifest that cannot be read ({error}); expected our JSON; rebuild it."
            raise CorruptArtifactError(msg) from error


@dataclass(frozen=True, slots=True)
class Artifact:
    """A committed artifact on disk."""

    path: Path
    manifest: Manifest

    @property
    def key(self) -> str:
        """Its identity."""
        return self.manifest.key

    @property
    def content(self) -> str:
        """The hash of its files."""
        return self.manifest.content

    def file(self, name: str) -> Path:
        """Path of one of its files; CorruptArtifactError when the manifest does not list it."""
        if not any(entry.path == name for entry in self.manifest.files):
            msg = (
                f"Found no file {name} in the {self.manifest.kind} artifact {self.key[:12]}; "
                f"expected one of {', '.join(e.path for e in self.manifest.files)}."
            )
            raise CorruptArtifactError(msg)
        return self.path / name

    def tables(self) -> dict[str, list[Path]]:
        """Parquet files by the table they belong to."""
        found: dict[str, list[Path]] = {}
        for entry in self.manifest.files:
            if entry.table is not None:
                found.setdefault(entry.table, []).append(self.path / entry.path)
        return found
