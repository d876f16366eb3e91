"""Opening a run: from a recipe to recorded steps. Prefect-free, so plans use it too."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmcore.errors import ConfigError
from tasks.discovery import discover, list_paths
from tasks.earlier import find_earlier
from tasks.graph import Ref, Source, Step, journey
from tasks.resources import Resources
from tasks.stage import Context, execute
from tasks.stages import STAGES
from warehouse import runs
from warehouse.artifact import ArtifactRef
from warehouse.errors import ResolutionError
from warehouse.resolve import Lock, Requirement, candidates_of, resolve
from warehouse.store import Store

Sections = Mapping[str, Mapping[str, Any]]  # JSON of any shape: checked when the recipe was read
_JOURNEY = "journey.json"


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has been recorded and can be executed."""

    store: str
    run_id: str
    resources: Resources
    locked: dict[str, str] = dataclasses.field(default_factory=dict)

    def context(self) -> Context:
        """What every step shares."""
        return Context(
            store=self.store,
            run_id=self.run_id,
            workers=self.resources.workers,
            deadline_factor=self.resources.deadline_factor,
            keep_last=self.resources.keep_last,
            keep_every=self.resources.keep_every,
            tracking=self.resources.tracking(),
            locked=self.locked,
        )


def encode_step(step: Step) -> dict[str, Any]:
    """Write a step as JSON, to travel to any task runner."""
    inputs = {
        name: [
            {"step": entry.step} if isinstance(entry, Ref) else dataclasses.asdict(entry)
            for entry in entries
        ]
        for name, entries in step.inputs.items()
    }
    return {
        "name": step.name,
        "stage": step.stage.name,
        "config": dict(step.config),
        "inputs": inputs,
    }


def decode_step(raw: Mapping[str, Any]) -> Step:
    """Read a step back."""
    inputs = {
        name: tuple(Ref(**e) if "step" in e else Source(**e) for e in entries)
        for name, entries in raw["inputs"].items()
    }
    return Step(raw["name"], STAGES[raw["stage"]], raw["config"], inputs)


def steps_until(steps: Sequence[Step], stage: str) -> tuple[Step, ...]:
    """Steps of a stage and all they depend on; ConfigError for an unknown stage."""
    if stage not in STAGES:
        msg = f"Found --until {stage!r}; expected one of {', '.join(STAGES)}."
        raise ConfigError(msg)
    by_name = {step.name: step for step in steps}
    wanted = [step.name for step in steps if step.stage.name == stage]
    if not wanted:
        found = ", ".join(dict.fromkeys(step.stage.name for step in steps))
        msg = f"Found no step of {stage} in this recipe; expected one of its stages: {found}."
        raise ConfigError(msg)
    needed: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in needed:
            needed.add(name)
            wanted.extend(by_name[name].upstream())
    return tuple(step for step in steps if step.name in needed)


def plan_steps(
    store: Store, sections: Sections, until: str = "", *, remember: bool = True
) -> tuple[Step, ...]:
    """Find the recipe's source files and unroll it; ConfigError where it has none.

    Without ``remember`` the store stays as it is: hashes of files that are new to it are forgotten.
    """
    corpus, index = sections["corpus"], sections["index"]["files"]
    if not corpus["warcs"] and not index and not corpus["sample"]:
        msg = (
            "Found no corpus.warcs and no index.files; expected paths, folders, globs or URLs of "
            "WARC, WET or ARC files; "
            "name them, as in --set 'corpus.warcs=[\"crawl/**/*.warc.gz\"]'."
        )
        raise ConfigError(msg)
    sources = discover(
        store,
        warcs=list_paths(corpus["warcs"], corpus["max_files"]),
        index=index,
        labels=sections["curate"]["labels"],
        lid_model=sections["curate"]["lid_model"],
        lists=sections["curate"]["lists"],
        perplexity_models=sections["curate"]["perplexity_models"],
        evaluation_sets=sections["decontaminate"]["sets"],
        remember=remember,
    )
    earlier = find_earlier(store, sections["deduplicate"]["earlier"], remember=remember)
    steps = journey(sections, dataclasses.replace(sources, earlier=earlier))
    return steps_until(steps, until) if until else steps


def open_run(
    store: Store, recipe: str, sections: Sections, *, until: str = "", locked: bool = False
) -> OpenRun:
    """Record a new run with its steps; whatever dead runs left half-done is swept."""
    store.prepare()
    store.sweep()
    steps = plan_steps(store, sections, until)
    taken = read_lock(store, recipe, steps) if locked else {}
    run = runs.start(store, recipe, json.loads(json.dumps(sections)))
    encoded = [encode_step(step) for step in steps]
    (store.runs / run.run_id / _JOURNEY).write_text(json.dumps(encoded))
    return OpenRun(str(store.root), run.run_id, Resources(**sections["resources"]), taken)


def replay(run: OpenRun) -> None:
    """Go through a run's steps one after the other without an engine: for runs that only hit."""
    refs: dict[str, ArtifactRef] = {}
    for step in load_journey(run):
        refs[step.name] = execute(run.context(), step, refs)


def lock_path(store: Store, recipe: str) -> Path:
    """Where the lock of a recipe lies."""
    return store.root / "locks" / f"{Path(recipe).stem}.lock.json"


def write_lock(store: Store, recipe: str, steps: Sequence[Step]) -> Path:
    """Resolve a recipe's steps to the newest artifacts that fit together, and write the lock."""
    wanted = [Requirement(name=step.name, attributes=_plain(step.config)) for step in steps]
    lock = resolve(wanted, candidates_of(store))
    path = lock_path(store, recipe)
    path.parent.mkdir(exist_ok=True)
    path.write_text(lock.to_json())
    return path


def read_lock(store: Store, recipe: str, steps: Sequence[Step]) -> dict[str, str]:
    """Keys of the locked artifacts by step; ResolutionError where lock and recipe disagree."""
    path = lock_path(store, recipe)
    try:
        lock = Lock.from_json(path.read_text())
    except FileNotFoundError as error:
        msg = f"Found no lock at {path}; expected one; write it with `c2m lock {recipe}`."
        raise ResolutionError(msg) from error
    lock.check(store.artifacts())
    by_name = {entry.name: entry for entry in lock.entries}
    for step in steps:
        entry = by_name.get(step.name)
        artifact = store.read(step.stage.name, entry.key) if entry else None
        if artifact is None or _plain(artifact.manifest.config) != _plain(step.config):
            msg = (
                f"Found that the lock of {recipe} names no artifact of {step.name} with the "
                f"recipe's configuration; expected one; run without --locked, then lock again."
            )
            raise ResolutionError(msg)
    return {step.name: by_name[step.name].key for step in steps}


def _plain(config: Mapping[str, object]) -> dict[str, object]:
    plain: dict[str, object] = json.loads(json.dumps(config))
    return plain


def load_journey(run: OpenRun) -> tuple[Step, ...]:
    """Read a recorded run's steps."""
    text = (Path(run.store) / "runs" / run.run_id / _JOURNEY).read_text()
    return tuple(decode_step(raw) for raw in json.loads(text))
