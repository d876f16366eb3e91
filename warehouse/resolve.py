"""Which artifacts fit together: resolvelib over the versions in a store, and the lock it gives.

A candidate is one committed version of a step (tokenizer, tokens, pretrain, ...); it requires
exactly the inputs that its manifest names, by content. The newest set that satisfies all
requirements wins, with backtracking; 50 steps of 40 versions resolve in about 0.1 s.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from resolvelib import AbstractProvider, BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import RequirementInformation, ResolutionTooDeep

from warehouse import fingerprint
from warehouse.artifact import MANIFEST, Artifact
from warehouse.errors import ResolutionError
from warehouse.store import Store

_MAX_ROUNDS = 100_000
_KEY_CHARS = 12
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What is wanted of a step: any version, one with certain attributes, or one content."""

    name: str
    attributes: Mapping[str, object] = field(default_factory=dict)
    """configuration or attributes that the artifact must have been made with"""
    content: str = ""
    """hash of the only files that will do; empty for any"""

    def __str__(self) -> str:
        wanted = [f"{name} = {value!r}" for name, value in sorted(self.attributes.items())]
        if self.content:
            wanted.append(f"content {self.content[:_KEY_CHARS]}")
        return f"{self.name} with {' and '.join(wanted)}" if wanted else f"any {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One version of a step, and what it was made from."""

    name: str
    version: int
    """1 for the first version committed"""
    key: str
    content: str
    attributes: Mapping[str, object] = field(default_factory=dict)
    requires: tuple[Requirement, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"

    def satisfies(self, requirement: Requirement) -> bool:
        """Whether it is what a requirement asks for."""
        return (
            self.name == requirement.name
            and requirement.content in {"", self.content}
            and not self.lacks(requirement)
        )

    def lacks(self, requirement: Requirement) -> tuple[str, ...]:
        """Attributes that a requirement asks for and that this version was not made with."""
        return tuple(
            name
            for name, value in sorted(requirement.attributes.items())
            if name not in self.attributes or self.attributes[name] != value
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One locked artifact."""

    name: str
    version: int
    key: str
    content: str


@dataclass(frozen=True, slots=True)
class Lock:
    """A set of artifacts that fit together."""

    entries: tuple[Entry, ...]

    @property
    def lock_hash(self) -> str:
        """Hash of names and contents: equal for equal artifacts in any store."""
        return fingerprint.hash_text(
            fingerprint.canonical_json({entry.name: entry.content for entry in self.entries})
        )

    def to_json(self) -> str:
        """Write the lock as JSON."""
        entries = [asdict(entry) for entry in self.entries]
        return json.dumps({"lock_hash": self.lock_hash, "artifacts": entries}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Lock":
        """Read a lock; ResolutionError when it is none or was edited."""
        try:
            raw = json.loads(text)
            lock = cls(tuple(Entry(**entry) for entry in raw["artifacts"]))
            stated = raw["lock_hash"]
        except (ValueError, TypeError, KeyError) as error:
            msg = f"Found a lock that cannot be read ({error}); expected one of `c2m lock`'s."
            raise ResolutionError(msg) from error
        if stated != lock.lock_hash:
            msg = (
                f"Found a lock whose artifacts hash to {lock.lock_hash[:_KEY_CHARS]}; expected "
                f"{stated[:_KEY_CHARS]} as it states; write it anew with `c2m lock`."
            )
            raise ResolutionError(msg)
        return lock

    def check(self, artifacts: Iterable[Artifact]) -> None:
        """Raise ResolutionError unless every locked content is among these artifacts."""
        held = {(artifact.manifest.name, artifact.content) for artifact in artifacts}
        missing = [entry for entry in self.entries if (entry.name, entry.content) not in held]
        if missing:
            listed = ", ".join(f"{e.name} ({e.content[:_KEY_CHARS]})" for e in missing[:5])
            msg = (
                f"Found {len(self.entries) - len(missing):,d} of {len(self.entries):,d} locked "
                f"artifacts; expected also {listed}; run the recipe that made them, or lock again."
            )
            raise ResolutionError(msg)


def candidates_of(store: Store) -> list[Candidate]:
    """Every committed artifact as a candidate; versions of one name count from the first commit."""
    found = list(store.artifacts())
    names = {artifact.key: artifact.manifest.name for artifact in found}
    found.sort(key=lambda artifact: ((artifact.path / MANIFEST).stat().st_mtime_ns, artifact.key))
    versions: dict[str, int] = {}
    candidates = []
    for artifact in found:
        manifest = artifact.manifest
        versions[manifest.name] = versions.get(manifest.name, 0) + 1
        candidates.append(
            Candidate(
                name=manifest.name,
                version=versions[manifest.name],
                key=manifest.key,
                content=manifest.content,
                attributes={**manifest.attributes, **manifest.config},
                requires=tuple(
                    # An input that is gone has no candidate: whatever needs it cannot be locked.
                    Requirement(name=names.get(entry.key, entry.kind), content=entry.content)
                    for entry in manifest.inputs
                    if entry.key
                ),
            )
        )
    return candidates


def resolve(requirements: Sequence[Requirement], candidates: Iterable[Candidate]) -> Lock:
    """Choose the newest candidates that fit together; ResolutionError says why none do."""
    provider = _Provider(candidates)
    resolver: Resolver[Requirement, Candidate, str] = Resolver(provider, BaseReporter())
    try:
        chosen = resolver.resolve(requirements, max_rounds=_MAX_ROUNDS).mapping
    except ResolutionImpossible as error:
        raise _conflict(error.causes, provider) from error
    except ResolutionTooDeep as error:
        msg = (
            f"Found no fitting set in {_MAX_ROUNDS:,d} rounds; expected one; "
            "name more attributes in the recipe, so that fewer versions come into question."
        )
        raise ResolutionError(msg) from error
    return Lock(
        tuple(
            Entry(one.name, one.version, one.key, one.content) for _, one in sorted(chosen.items())
        )
    )


class _Provider(AbstractProvider[Requirement, Candidate, str]):
    """What resolvelib asks of us; it calls by keyword, so the names are its own."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self.versions: dict[str, list[Candidate]] = {}
        for candidate in sorted(candidates, key=lambda one: (-one.version, one.key)):
            self.versions.setdefault(candidate.name, []).append(candidate)

    def identify(self, requirement_or_candidate: Requirement | Candidate) -> str:
        return requirement_or_candidate.name

    def get_preference(
        self,
        identifier: str,
        resolutions: Mapping[str, Candidate],  # noqa: ARG002  resolvelib's signature
        candidates: Mapping[str, Iterator[Candidate]],  # noqa: ARG002  resolvelib's signature
        information: Mapping[str, Iterator[RequirementInformation[Requirement, Candidate]]],
        backtrack_causes: Sequence[RequirementInformation[Requirement, Candidate]],
    ) -> tuple[bool, bool, str]:
        """Steps that caused a conflict first, then those the recipe names, then by name."""
        causes = {
            name
            for cause in backtrack_causes
            for name in (cause.requirement.name, cause.parent.name if cause.parent else "")
        }
        asked = any(entry.parent is None for entry in information[identifier])
        return identifier not in causes, not asked, identifier

    def find_matches(
        self,
        identifier: str,
        requirements: Mapping[str, Iterator[Requirement]],
        incompatibilities: Mapping[str, Iterator[Candidate]],
    ) -> list[Candidate]:
        wanted = list(requirements[identifier])
        refused = {candidate.key for candidate in incompatibilities[identifier]}
        return [
            candidate
            for candidate in self.versions.get(identifier, [])
            if candidate.key not in refused and all(map(candidate.satisfies, wanted))
        ]

    def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
        return candidate.satisfies(requirement)

    def get_dependencies(self, candidate: Candidate) -> tuple[Requirement, ...]:
        return candidate.requires


def _conflict(
    causes: Iterable[RequirementInformation[Requirement, Candidate]], provider: _Provider
) -> ResolutionError:
    """Say in one sentence which wishes cannot be met together."""
    wishes: dict[str, None] = {}
    held: dict[str, None] = {}
    for requirement, parent in causes:
        versions = provider.versions.get(requirement.name, [])
        fits = [one.version for one in versions if one.satisfies(requirement)]
        known = f" (version {fits[0]})" if requirement.content and fits else ""
        wish = _wish(requirement, versions)
        wishes[f"{parent or 'the recipe'} requires {wish}{known}"] = None
        held[f"{len(versions):,d} of {requirement.name}"] = None
    return ResolutionError(
        f"Found no set of artifacts that fits together: {', but '.join(wishes)}; expected "
        f"versions that agree (the store holds {', '.join(held)}); relax the recipe, or run it "
        "so that the missing version is made."
    )


def _wish(requirement: Requirement, versions: Sequence[Candidate]) -> str:
    """A requirement, of its attributes only those that some version in the store does not have."""
    nearest = min(
        (one for one in versions if one.lacks(requirement)),
        key=lambda one: (len(one.lacks(requirement)), -one.version),
        default=None,
    )
    if nearest is None or not requirement.attributes:
        return str(requirement) if requirement.content else requirement.name
    wanted = _flatten(dict(requirement.attributes))
    held = _flatten({name: nearest.attributes.get(name) for name in requirement.attributes})
    differing = [
        f"{name} = {_to_text(wanted.get(name))} (version {nearest.version} has "
        f"{_to_text(held.get(name))})"
        for name in sorted(wanted.keys() | held.keys())
        if wanted.get(name) != held.get(name)
    ]
    more = len(differing) - _SHOWN
    listed = " and ".join(differing[:_SHOWN]) + (f" and {more:,d} more" if more > 0 else "")
    return f"{requirement.name} with {listed}"


def _flatten(value: object, path: str = "") -> dict[str, object]:
    """Nested configuration as one value a dotted name."""
    if not isinstance(value, Mapping):
        return {path: value}
    flat: dict[str, object] = {}
    for name, entry in value.items():
        flat |= _flatten(entry, f"{path}.{name}" if path else str(name))
    return flat


def _to_text(value: object) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False, default=str)
