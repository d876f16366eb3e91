"""Earlier crawls that a recipe names: deduplicate artifacts with signatures, found and checked."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lmcore.errors import InputError
from tasks.graph import Source
from warehouse import runs
from warehouse.artifact import MANIFEST, Artifact
from warehouse.errors import CorruptArtifactError
from warehouse.store import Store

KIND = "deduplicate"
SIGNATURES = "signatures"
"""Folder of an artifact that later crawls are searched against."""
_SHOWN = 12


def find_earlier(
    store: Store, names: Sequence[str], *, remember: bool = True
) -> tuple[Source, ...]:
    """Find the artifacts that `deduplicate.earlier` names, in its order, each once.

    Raises InputError where a name fits none or several, or an artifact kept no signatures.
    """
    found: dict[str, Source] = {}
    for name in names:
        home, artifact = _only(store, name)
        try:
            home.check(artifact, rehash=False, remember=remember)
        except CorruptArtifactError as error:
            msg = f"Found deduplicate.earlier = {name!r}, whose files have changed: {error}"
            raise InputError(msg) from error
        if not any(entry.path.startswith(f"{SIGNATURES}/") for entry in artifact.manifest.files):
            msg = (
                f"Found deduplicate.earlier = {name!r}, an artifact without signatures; expected "
                "one that a later crawl can be searched against; deduplicate that crawl with "
                "deduplicate.keep_signatures = true."
            )
            raise InputError(msg)
        source = Source(f"{KIND}/{artifact.key[:_SHOWN]}", artifact.content, str(artifact.path))
        found[artifact.content] = source
    return tuple(found.values())


def _only(store: Store, name: str) -> tuple[Store, Artifact]:
    found = {artifact.key: (home, artifact) for home, artifact in _named(store, name)}
    if len(found) != 1:
        keys = ", ".join(key[:_SHOWN] for key in found) or "none"
        msg = (
            f"Found {len(found):,d} artifacts of {KIND} for deduplicate.earlier = {name!r} ({keys}); "
            "expected one; name it by its key, by the run that made it, or by its folder in "
            "another store (`c2m ls` lists keys and runs)."
        )
        raise InputError(msg)
    return next(iter(found.values()))


def _named(store: Store, name: str) -> Iterator[tuple[Store, Artifact]]:
    """Yield artifacts by folder, by run, and by the beginning of their key or content."""
    folder = Path(name).expanduser()
    if (folder / MANIFEST).is_file():
        home = Store(folder.resolve().parents[2])
        artifact = home.read(KIND, folder.resolve().name)
        if artifact is not None:
            yield home, replace(artifact, path=folder.resolve())
        return
    keys = [record.key for record in _steps(store, name) if record.stage == KIND]
    by_run = (store.read(KIND, key) for key in keys)
    yield from ((store, artifact) for artifact in by_run if artifact is not None)
    yield from ((store, found) for found in store.find(name) if found.manifest.kind == KIND)


def _steps(store: Store, run_id: str) -> Sequence[runs.StepRecord]:
    if run_id not in {run.run_id for run in runs.all_runs(store)}:
        return ()
    return [record for record in runs.steps(store, run_id) if record.state in {"hit", "ran"}]
