"""The journey as data: every stage, and the steps that a recipe unrolls them into.

Prefect-free and torch-free, so that ``c2m plan`` starts at once. A step's configuration holds what
can change its bytes and nothing else; its inputs are other steps or source files by content.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lmcore.crawl.index_config import IndexConfig, selected_names
from lmcore.crawl.sample import warc_names
from lmcore.crawl.sample_config import SampleConfig
from lmcore.curate.config import ANNOTATION_FIELDS, CLASSIFIER_FIELDS, DECISION_FIELDS
from lmcore.dedup.contamination_config import DECONTAMINATION_FIELDS
from lmcore.errors import ConfigError
from lmcore.mixing.config import MIX_FIELDS, PROXY_FIELDS
from lmcore.model.config import ModelConfig
from lmcore.scaling.config import ScalingConfig
from lmcore.scaling.plan import plan
from lmcore.sections import from_section, to_section
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.train.config import TrainConfig
from tasks.stages import STAGES, Stage

Section = Mapping[str, object]
Recipe = Mapping[str, Section]
Inputs = Mapping[str, "Sequence[Ref | Source]"]


@dataclass(frozen=True, slots=True)
class Ref:
    """An input made by another step."""

    step: str


@dataclass(frozen=True, slots=True)
class Source:
    """An input that is a file: its name in the crawl, its content's hash, and where it lies.

    A remote file lies at a URL, and its length and ETag are hashed.
    """

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
    lists: tuple[Source, ...] = ()
    perplexity_models: tuple[Source, ...] = ()
    evaluation_sets: tuple[Source, ...] = ()
    index: tuple[Source, ...] = ()
    earlier: tuple[Source, ...] = ()
    """artifacts of the deduplicate stage that keep signatures"""


_UNLIMITED_TOKENS = 1 << 62
"""the sweep is unrolled before tokens are counted; points they do not suffice for skip themselves"""


def _pick(section: Section, fields: Iterable[str]) -> Section:
    return {name: section[name] for name in fields}


def _refs(*steps: str) -> tuple[Ref, ...]:
    return tuple(Ref(step) for step in steps)


def journey(recipe: Recipe, sources: Sources) -> tuple[Step, ...]:
    """Unroll a recipe into its steps, each after those it waits for."""
    steps = [*_corpus(recipe, sources)]
    extracts = [step.name for step in steps if step.stage.name == "extract"]
    annotates = [step.name for step in steps if step.stage.name == "annotate"]
    unique = _unique(sources)
    pages: Inputs = {"extracted": _refs(*extracts), "annotated": _refs(*annotates)}
    steps += _models(recipe, unique, pages)
    sweeps = [step.name for step in steps if step.stage.name == "sweep"]
    is_sample = not (sources.warcs or sources.index)
    steps += _evaluation(recipe, unique, pages, sweeps, sampled=is_sample)
    done = _refs(*(step.name for step in steps))
    return (*steps, _step("report", {"recipe": _shown(recipe)}, artifacts=done))


def _shown(recipe: Recipe) -> dict[str, Section]:
    """What the report states of a recipe: everything but places and speeds."""
    hidden = {
        "corpus": {"warcs"},
        "index": {"files", "base"},
        "curate": {"labels", "lid_model", "lists", "perplexity_models"},
        "deduplicate": {"earlier"},
        "decontaminate": {"sets"},
    }
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
    crawl: dict[str, tuple[Ref | Source, ...]] = {s.name: (s,) for s in sources.warcs}
    if sources.index:
        selection = {name: value for name, value in recipe["index"].items() if name != "files"}
        steps.append(_step("fetch_records", {"index": selection}, index=sources.index))
        selected = selected_names(from_section(IndexConfig, selection))
        crawl |= {name: _refs("fetch_records") for name in selected}
    if not crawl:
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
            lists=sources.lists,
            perplexity_models=sources.perplexity_models,
        )
        for part in parts.values()
    ]
    annotated = _refs(*(f"annotate/{part}" for part in parts.values()))
    decision = {"curate": _pick(curate, DECISION_FIELDS)}
    extracted = _refs(*(f"extract/{part}" for part in parts.values()))
    steps.append(_step("decide", decision, extracted=extracted, annotated=annotated))
    steps.append(_deduplicate(recipe, sources, annotated, extracted))
    if sources.evaluation_sets:
        steps.append(_decontaminate(recipe, sources.evaluation_sets))
    return steps


_NEEDS_RECORDS = ("payloads", "urls", "host_line_max_documents", "keep_signatures", "earlier")


def _deduplicate(
    recipe: Recipe, sources: Sources, annotated: tuple[Ref, ...], extracted: tuple[Ref, ...]
) -> Step:
    """The names of earlier crawls stay out of its configuration: their contents are inputs."""
    section = recipe["deduplicate"]
    return _step(
        "deduplicate",
        {"deduplicate": {name: section[name] for name in section if name != "earlier"}},
        annotated=annotated,
        decided=_refs("decide"),
        extracted=extracted if any(section[name] for name in _NEEDS_RECORDS) else (),
        earlier=sources.earlier,
    )


def _decontaminate(recipe: Recipe, sets: Sequence[Source]) -> Step:
    config = {
        "decontaminate": _pick(recipe["decontaminate"], DECONTAMINATION_FIELDS),
        # a file's name is its set's
        "sets": [entry.name for entry in sets],
        "problems": recipe["problems"],
    }
    return _step("decontaminate", config, corpus=_refs("deduplicate"), sets=sets)


def _unique(sources: Sources) -> Inputs:
    """What the later stages read: texts that differ, and which of them hold evaluation items."""
    decontaminated = _refs("decontaminate") if sources.evaluation_sets else ()
    return {"corpus": _refs("deduplicate"), "decontaminated": decontaminated}


def _training_tokens(recipe: Recipe) -> tuple[Ref, ...]:
    """What models are trained on: the token shards, or a mixture of them."""
    return _refs("mix" if recipe["mix"]["by"] else "tokens")


def _mix(recipe: Recipe, unique: Inputs, pages: Inputs) -> list[Step]:
    section = recipe["mix"]
    if not section["by"]:
        return []
    shard_tokens = recipe["tokens"]["shard_tokens"]
    inputs: Inputs = {"tokens": _refs("tokens"), "corpus": unique["corpus"], **pages}
    steps = []
    learnt: tuple[Ref, ...] = ()
    if section["learn"]:
        small = {"mix": _pick(section, PROXY_FIELDS), "shard_tokens": shard_tokens}
        tokenizer = _refs("tokenizer")
        n_proxies = int(str(section["n_proxies"]))
        names = [f"mix_proxy/{number:03d}" for number in range(n_proxies)]
        for number, name in enumerate(names):
            steps.append(_step(name, {**small, "number": number}, **inputs, tokenizer=tokenizer))
        proxies = _refs(*names)
        steps.append(_step("mix_fit", small, **inputs, tokenizer=tokenizer, proxies=proxies))
        learnt = _refs("mix_fit")
    config = {"mix": _pick(section, MIX_FIELDS), "shard_tokens": shard_tokens}
    return [*steps, _step("mix", config, **inputs, learnt=learnt)]


def _check_sources(recipe: Recipe) -> None:
    """Refuse sources that no stage lays out, before anything runs."""
    data = from_section(TrainConfig, recipe["pretrain"]).data
    if data.sources and recipe["mix"]["method"] != "sources":
        msg = (
            f"Found pretrain.data.sources = {list(data.sources)} with mix.method = "
            f"{recipe['mix']['method']!r}; expected the method sources, which lays the groups of mix.by out "
            "side by side; set mix.method and mix.by."
        )
        raise ConfigError(msg)


def _models(recipe: Recipe, unique: Inputs, pages: Inputs) -> list[Step]:
    _check_sources(recipe)
    tokenizer = _refs("tokenizer")
    tokens = _training_tokens(recipe)
    problems = {"problems": recipe["problems"]}
    steps = [
        _step("tokenizer", {"tokenizer": recipe["tokenizer"]}, **unique),
        _step("tokens", {"tokens": recipe["tokens"]}, **unique, tokenizer=tokenizer),
        *_mix(recipe, unique, pages),
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
            "model": to_section(model),
            "train": to_section(train),
            "budget_flops": point.budget_flops,
            "max_epochs": scaling.max_epochs,
        }
    return configs


def _evaluation(
    recipe: Recipe,
    unique: Inputs,
    pages: Inputs,
    sweeps: Sequence[str],
    *,
    sampled: bool,
) -> list[Step]:
    texts = {
        **unique,
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
            trained_on=_training_tokens(recipe),
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
