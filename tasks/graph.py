"""The journey as data: every stage, and the steps that a recipe unrolls them into.

Prefect-free and torch-free, so that ``c2m plan`` starts at once. A step's configuration holds what
can change its bytes and nothing else; its inputs are other steps or source files by content.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from lmcore.crawl.sample import warc_names
from lmcore.crawl.sample_config import SampleConfig
from lmcore.curate.config import ANNOTATION_FIELDS, CLASSIFIER_FIELDS, DECISION_FIELDS
from lmcore.model.config import ModelConfig
from lmcore.scaling.config import ScalingConfig
from lmcore.scaling.plan import plan
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.train.config import TrainConfig

Section = Mapping[str, object]
Recipe = Mapping[str, Section]
C = TypeVar("C")

PARTS = ("corpus", "tokenizer", "pretraining", "scaling", "alignment", "evaluation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A kind of work."""

    name: str
    part: str
    body: str
    """module:function that a worker runs"""
    title: str
    """what a person reads while it runs"""
    deadline_seconds: float
    version: int = 1
    """raise it when the code changes what comes out (tests/house/test_code_versions.py)"""


@dataclass(frozen=True, slots=True)
class Ref:
    """An input made by another step."""

    step: str


@dataclass(frozen=True, slots=True)
class Source:
    """An input that is a file: its name in the crawl, its content's hash, and where it lies."""

    name: str
    content: str
    path: str


@dataclass(frozen=True, slots=True)
class Step:
    """One unit of work: a stage with its configuration and inputs."""

    name: str
    stage: Stage
    config: Section
    inputs: Mapping[str, tuple[Ref | Source, ...]] = field(default_factory=dict)

    def upstream(self) -> tuple[str, ...]:
        """Names of the steps it waits for."""
        refs = [entry for found in self.inputs.values() for entry in found]
        return tuple(dict.fromkeys(entry.step for entry in refs if isinstance(entry, Ref)))


@dataclass(frozen=True, slots=True)
class Sources:
    """Source files of a recipe, found and hashed."""

    warcs: tuple[Source, ...] = ()
    labels: tuple[Source, ...] = ()
    lid_model: tuple[Source, ...] = ()


_UNLIMITED_TOKENS = 1 << 62
"""the sweep is unrolled before tokens are counted; points they do not suffice for skip themselves"""

_MINUTE = 60.0
_HOUR = 60 * _MINUTE

_STAGES = (
    Stage(name="sample_crawl", part="corpus", body="tasks.sources:sample_crawl",
          title="write the sample crawl", deadline_seconds=10 * _MINUTE),
    Stage(name="sample_labels", version=2, part="corpus", body="tasks.sources:sample_labels",
          title="write the sample labels", deadline_seconds=10 * _MINUTE),
    Stage(name="extract", version=2, part="corpus", body="tasks.extraction:extract",
          title="extract main text", deadline_seconds=6 * _HOUR),
    Stage(name="classifiers", part="corpus", body="tasks.curation:classifiers",
          title="train the classifiers", deadline_seconds=1 * _HOUR),
    Stage(name="annotate", part="corpus", body="tasks.curation:annotate",
          title="score documents", deadline_seconds=6 * _HOUR),
    Stage(name="decide", version=2, part="corpus", body="tasks.curation:decide",
          title="decide what to keep", deadline_seconds=1 * _HOUR),
    Stage(name="deduplicate", version=2, part="corpus", body="tasks.deduplication:deduplicate",
          title="remove duplicates", deadline_seconds=6 * _HOUR),
    Stage(name="tokenizer", part="tokenizer", body="tasks.tokenization:tokenizer",
          title="train the tokenizer", deadline_seconds=6 * _HOUR),
    Stage(name="tokens", part="tokenizer", body="tasks.tokenization:tokens",
          title="write token shards", deadline_seconds=6 * _HOUR),
    Stage(name="pretrain", version=4, part="pretraining", body="tasks.pretraining:pretrain",
          title="pretrain the model", deadline_seconds=240 * _HOUR),
    Stage(name="sweep", version=4, part="scaling", body="tasks.scaling:sweep",
          title="train a sweep point", deadline_seconds=24 * _HOUR),
    Stage(name="scaling", version=2, part="scaling", body="tasks.fitting:fit",
          title="fit the scaling laws", deadline_seconds=1 * _HOUR),
    Stage(name="sft", version=2, part="alignment", body="tasks.alignment:sft",
          title="fine-tune on instructions", deadline_seconds=24 * _HOUR),
    Stage(name="dpo", version=3, part="alignment", body="tasks.alignment:dpo",
          title="optimise preferences", deadline_seconds=24 * _HOUR),
    Stage(name="grpo", version=2, part="alignment", body="tasks.alignment:grpo",
          title="reinforce with a verifier", deadline_seconds=24 * _HOUR),
    Stage(name="compression", part="evaluation", body="tasks.compression:compression",
          title="compare tokenizers", deadline_seconds=1 * _HOUR),
    Stage(name="evaluate", version=2, part="evaluation", body="tasks.evaluation:evaluate",
          title="evaluate the models", deadline_seconds=6 * _HOUR),
    Stage(name="judge", version=2, part="evaluation", body="tasks.judgement:judge",
          title="compare with the ground truth", deadline_seconds=1 * _HOUR),
    Stage(name="report", version=4, part="evaluation", body="tasks.reporting:report",
          title="write the report", deadline_seconds=1 * _HOUR),
)  # fmt: skip

STAGES: dict[str, Stage] = {stage.name: stage for stage in _STAGES}


def from_section(kind: type[C], section: Section) -> C:
    """Rebuild a configuration from its section; fields that the section lacks keep their default."""
    return kind(**{name: _to_tuples(value) for name, value in section.items()})


def _to_tuples(value: object) -> Any:  # the type of a dataclass field
    return tuple(_to_tuples(entry) for entry in value) if isinstance(value, list | tuple) else value


def _pick(section: Section, fields: Iterable[str]) -> Section:
    return {name: section[name] for name in fields}


def _refs(*steps: str) -> tuple[Ref, ...]:
    return tuple(Ref(step) for step in steps)


def journey(recipe: Recipe, sources: Sources) -> tuple[Step, ...]:
    """Unroll a recipe into its steps, each after those it waits for."""
    steps = [*_corpus(recipe, sources)]
    extracts = [step.name for step in steps if step.stage.name == "extract"]
    annotates = [step.name for step in steps if step.stage.name == "annotate"]
    steps += _models(recipe)
    sweeps = [step.name for step in steps if step.stage.name == "sweep"]
    steps += _evaluation(recipe, extracts, annotates, sweeps, sampled=not sources.warcs)
    done = _refs(*(step.name for step in steps))
    return (*steps, _step("report", {"recipe": _shown(recipe)}, artifacts=done))


def _shown(recipe: Recipe) -> dict[str, Section]:
    """What the report states of a recipe: everything but places and speeds."""
    hidden = {"corpus": {"warcs"}, "curate": {"labels", "lid_model"}}
    return {
        name: {key: value for key, value in section.items() if key not in hidden.get(name, ())}
        for name, section in recipe.items()
        if name != "resources"
    }


def _step(name: str, config: Section, **inputs: Sequence[Ref | Source]) -> Step:
    stage = STAGES[name.split("/")[0]]
    return Step(name, stage, config, {key: tuple(found) for key, found in inputs.items()})


def _corpus(recipe: Recipe, sources: Sources) -> list[Step]:
    curate = recipe["curate"]
    sample = recipe["sample"]
    steps = []
    if sources.warcs:
        crawl: dict[str, tuple[Ref | Source, ...]] = {s.name: (s,) for s in sources.warcs}
    else:
        steps.append(_step("sample_crawl", {"sample": sample}))
        names = warc_names(from_section(SampleConfig, sample))
        crawl = {name: _refs("sample_crawl") for name in names}
    labels: tuple[Ref | Source, ...] = sources.labels
    if not labels:
        steps.append(_step("sample_labels", {"sample": sample}))
        labels = _refs("sample_labels")
    parts = {name: name.rsplit("/", 1)[-1] for name in crawl}
    if len(set(parts.values())) < len(parts):
        parts = {name: name for name in crawl}
    for name, found in crawl.items():
        config = {"extract": recipe["extract"], "file": name}
        steps.append(_step(f"extract/{parts[name]}", config, crawl=found))
    # a label file's name says which set it is
    label_names = [entry.name for entry in labels if isinstance(entry, Source)]
    config = {"curate": _pick(curate, CLASSIFIER_FIELDS), "labels": label_names}
    steps.append(_step("classifiers", config, labels=labels))
    annotation = {"curate": _pick(curate, ANNOTATION_FIELDS)}
    steps += [
        _step(
            f"annotate/{part}",
            annotation,
            extracted=_refs(f"extract/{part}"),
            classifiers=_refs("classifiers"),
            lid_model=sources.lid_model,
        )
        for part in parts.values()
    ]
    annotated = _refs(*(f"annotate/{part}" for part in parts.values()))
    decision = {"curate": _pick(curate, DECISION_FIELDS)}
    extracted = _refs(*(f"extract/{part}" for part in parts.values()))
    steps.append(_step("decide", decision, extracted=extracted, annotated=annotated))
    dedup = {"deduplicate": recipe["deduplicate"]}
    steps.append(_step("deduplicate", dedup, annotated=annotated, decided=_refs("decide")))
    return steps


def _models(recipe: Recipe) -> list[Step]:
    corpus = _refs("deduplicate")
    tokenizer = _refs("tokenizer")
    tokens = _refs("tokens")
    problems = {"problems": recipe["problems"]}
    steps = [
        _step("tokenizer", {"tokenizer": recipe["tokenizer"]}, corpus=corpus),
        _step("tokens", {"tokens": recipe["tokens"]}, corpus=corpus, tokenizer=tokenizer),
        _step(
            "pretrain",
            {"model": recipe["model"], "pretrain": recipe["pretrain"]},
            tokens=tokens,
            tokenizer=tokenizer,
        ),
    ]
    for name, config in sweep_configs(recipe).items():
        steps.append(_step(f"sweep/{name}", config, tokens=tokens, tokenizer=tokenizer))
    for name, start in (("sft", "pretrain"), ("dpo", "sft"), ("grpo", "dpo")):
        config = {name: recipe[name], **problems}
        steps.append(_step(name, config, model=_refs(start), tokenizer=tokenizer))
    return steps


def sweep_configs(recipe: Recipe) -> dict[str, Section]:
    """Configuration of each point of the sweep, by name: known before any token is."""
    scaling = from_section(ScalingConfig, recipe["scaling"])
    vocab_size = from_section(TokenizerConfig, recipe["tokenizer"]).vocab_size
    configs: dict[str, Section] = {}
    for point in plan(scaling, vocab_size, _UNLIMITED_TOKENS):
        model = ModelConfig(
            d_model=point.d_model,
            n_layers=point.n_layers,
            n_heads=point.n_heads,
            context_length=point.context_length,
        )
        train = TrainConfig(
            steps=point.steps,
            batch_size=point.batch_size,
            lr=point.lr,
            warmup_steps=point.warmup_steps,
            eval_every=point.steps,
            checkpoint_every=point.steps,
            seed=scaling.seed,
            threads=1,
        )
        configs[point.name] = {
            "model": asdict(model),
            "train": asdict(train),
            "budget_flops": point.budget_flops,
            "max_epochs": scaling.max_epochs,
        }
    return configs


def _evaluation(
    recipe: Recipe,
    extracts: Sequence[str],
    annotates: Sequence[str],
    sweeps: Sequence[str],
    *,
    sampled: bool,
) -> list[Step]:
    pages = {"extracted": _refs(*extracts), "annotated": _refs(*annotates)}
    texts = {
        "corpus": _refs("deduplicate"),
        "tokenizer": _refs("tokenizer"),
        "tokens": _refs("tokens"),
    }
    steps = [_step("compression", {"compression": recipe["compression"]}, **pages, **texts)]
    if sweeps:
        config = {"scaling": recipe["scaling"]}
        steps.append(_step("scaling", config, sweep=_refs(*sweeps), pretrain=_refs("pretrain")))
    steps.append(
        _step(
            "evaluate",
            {"evaluate": recipe["evaluate"], "problems": recipe["problems"]},
            extracted=pages["extracted"],
            **texts,
            base=_refs("pretrain"),
            sft=_refs("sft"),
            dpo=_refs("dpo"),
            grpo=_refs("grpo"),
        )
    )
    if sampled:
        steps.append(
            _step(
                "judge",
                {},
                truth=_refs("sample_crawl"),
                **pages,
                decided=_refs("decide"),
                deduplicated=_refs("deduplicate"),
            )
        )
    return steps
