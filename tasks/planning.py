"""What a run would do, and why: cached, to run, or unknown until something upstream has run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tasks.graph import Step
from tasks.stage import identify, to_ref
from warehouse.artifact import Artifact, ArtifactRef
from warehouse.errors import CorruptArtifactError
from warehouse.fingerprint import to_canonical
from warehouse.store import Identity, Store

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Planned:
    """One step of a plan."""

    step: str
    state: str
    """cached, run or unknown"""
    why: str
    key: str = ""


def plan(store: Store, steps: Sequence[Step]) -> list[Planned]:
    """Walk the steps in order and say of each what a run would do. Nothing is written."""
    earlier = _newest_by_name(store)
    refs: dict[str, ArtifactRef] = {}
    blocked: dict[str, str] = {}
    planned = []
    for step in steps:
        blockers = [blocked[name] for name in step.upstream() if name in blocked]
        if blockers:
            blocked[step.name] = blockers[0]
            planned.append(Planned(step.name, "unknown", f"unknown until {blockers[0]} has run"))
            continue
        identity = identify(step, refs)
        artifact, why = _state(store, identity, earlier.get(step.name))
        if artifact is None:
            blocked[step.name] = step.name
            planned.append(Planned(step.name, "run", why, identity.key))
        else:
            refs[step.name] = to_ref(step.name, artifact, cached=True)
            planned.append(Planned(step.name, "cached", "", identity.key))
    return planned


def _state(
    store: Store, identity: Identity, earlier: Artifact | None
) -> tuple[Artifact | None, str]:
    try:
        artifact = store.read(identity.kind, identity.key)
        if artifact is not None:
            store.check(artifact, rehash=False, remember=False)
            return artifact, ""
    except CorruptArtifactError as error:
        return None, str(error)
    if earlier is None:
        return None, "no artifact yet"
    found = list(_differences(earlier, identity))
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return None, "; ".join(found[:_SHOWN]) + more or "no artifact of this identity"


def _newest_by_name(store: Store) -> dict[str, Artifact]:
    """For each step name the artifact committed last, to say what has changed since."""
    newest: dict[str, tuple[float, Artifact]] = {}
    for artifact in store.artifacts():
        moment = artifact.path.stat().st_mtime
        name = artifact.manifest.name
        if name not in newest or newest[name][0] < moment:
            newest[name] = (moment, artifact)
    return {name: artifact for name, (_, artifact) in newest.items()}


def _differences(earlier: Artifact, identity: Identity) -> Iterator[str]:
    manifest = earlier.manifest
    if manifest.code_version != identity.code_version:
        yield f"code_version {manifest.code_version} -> {identity.code_version}"
    before = _flatten(to_canonical(manifest.config))
    after = _flatten(to_canonical(identity.config))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name} {before.get(name)!r} -> {after.get(name)!r}"
    contents = {entry.content for entry in manifest.inputs}
    for entry in identity.inputs:
        if entry.content not in contents:
            yield f"input {entry.name} ({entry.source or entry.kind}) has changed"


def _flatten(value: object, path: str = "") -> dict[str, object]:
    if isinstance(value, Mapping):
        found: dict[str, object] = {}
        for name, entry in value.items():
            found |= _flatten(entry, f"{path}.{name}" if path else str(name))
        return found
    return {path: value}
