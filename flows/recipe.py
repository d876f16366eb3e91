"""Recipes: a frozen tree of configurations, read strictly from TOML and --set.

A recipe states only what differs from the defaults. An unknown key is an error that names its path
and the nearest match. ``[resources]`` says how fast and where and never enters an identity.

``[dial]`` states one number, a compute budget, a time or a depth, from which every key of ``model`` and
``pretrain`` follows that the recipe does not state (lmcore.scaling.dial). A time becomes a compute budget before
anything is derived, so no recipe that is run holds a measurement; flows.dialing does that.
"""

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lmcore.align.config import DPOConfig, GRPOConfig, ProblemConfig, SFTConfig
from lmcore.crawl.config import ExtractConfig
from lmcore.crawl.index_config import IndexConfig
from lmcore.crawl.sample_config import SampleConfig
from lmcore.curate.config import CurateConfig
from lmcore.dedup.config import DedupConfig
from lmcore.dedup.contamination_config import DecontaminateConfig
from lmcore.errors import ConfigError
from lmcore.evals.config import CompressionConfig, EvaluateConfig
from lmcore.mixing.config import MixConfig
from lmcore.model.config import ModelConfig
from lmcore.scaling.config import ScalingConfig
from lmcore.scaling.dial import Derived, DialConfig, compute_of, derive
from lmcore.sections import to_section
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokens.config import TokensConfig
from lmcore.train.config import TrainConfig
from lmcore.train.estimate import STEP_SHARE
from tasks.resources import Resources

RECIPES = Path(__file__).parent / "recipes"
Tree = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusConfig:
    """Where the pages come from."""

    warcs: tuple[str, ...] = ()
    """paths, folders, globs or URLs (http, https, s3) of WARC, WET or ARC files, or of path lists
    such as Common Crawl's warc.paths.gz"""
    max_files: int = 0
    """files taken of each path list, the first ones; 0 takes all"""
    sample: bool = True
    """whether a recipe without files of its own takes the sample crawl"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The whole journey's configuration."""

    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    index: IndexConfig = field(default_factory=IndexConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    curate: CurateConfig = field(default_factory=CurateConfig)
    deduplicate: DedupConfig = field(default_factory=DedupConfig)
    decontaminate: DecontaminateConfig = field(default_factory=DecontaminateConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    tokens: TokensConfig = field(default_factory=TokensConfig)
    mix: MixConfig = field(default_factory=MixConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    pretrain: TrainConfig = field(default_factory=TrainConfig)
    dial: DialConfig = field(default_factory=DialConfig)
    scaling: ScalingConfig = field(default_factory=ScalingConfig)
    problems: ProblemConfig = field(default_factory=ProblemConfig)
    sft: SFTConfig = field(default_factory=SFTConfig)
    dpo: DPOConfig = field(default_factory=DPOConfig)
    grpo: GRPOConfig = field(default_factory=GRPOConfig)
    compression: CompressionConfig = field(default_factory=CompressionConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    resources: Resources = field(default_factory=Resources)

    def sections(self) -> dict[str, dict[str, object]]:
        """The tree as JSON's own types: what graphs, manifests and flow parameters carry."""
        return {
            section.name: to_section(getattr(self, section.name))
            for section in dataclasses.fields(self)
        }


def names() -> list[str]:
    """Recipes that are shipped."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def load(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a shipped recipe or a TOML file and apply ``section.key=value`` overrides.

    Raises ConfigError for an unknown recipe, section, key or a value of the wrong type, and for a dial that leaves
    no run.
    """
    tree = _read(name, overrides)
    for value in _turn_dial(tree):
        _put(tree, value.key.split("."), value.value)
    recipe = _build(Recipe, tree, "")
    assert isinstance(recipe, Recipe)
    return recipe


def derived(name: str, overrides: Sequence[str] = ()) -> list[Derived]:
    """Return what follows from a recipe's dial, each value with its rule; nothing where it has none."""
    return _turn_dial(_read(name, overrides))


def dial_of(name: str, overrides: Sequence[str] = ()) -> tuple[DialConfig, TrainConfig]:
    """Return a recipe's dial as it is stated, and how it trains as far as it says so."""
    tree = _read(name, overrides)
    dial, train = _build_dial(tree), _build(TrainConfig, _section(tree, "pretrain"), "pretrain")
    assert isinstance(train, TrainConfig)
    return dial, train


def _read(name: str, overrides: Sequence[str]) -> dict[str, object]:
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    try:
        tree = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        msg = (
            f"Found no recipe {name!r}{_nearest(name, names())}; expected one of "
            f"{', '.join(names())}, or the path of a .toml file."
        )
        raise ConfigError(msg) from error
    except OSError as error:
        msg = f"Found that {path} cannot be read ({error.strerror}); expected a recipe file."
        raise ConfigError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"Found {path}, which is not TOML ({error}); expected a recipe; correct that line."
        raise ConfigError(msg) from error
    for override in overrides:
        _apply(tree, override)
    return tree


def _section(tree: Tree, name: str) -> Tree:
    section = tree.get(name, {})
    if not isinstance(section, Mapping):
        raise _mismatch(name, section, "a section")
    return section


def _build_dial(tree: Tree) -> DialConfig:
    dial = _build(DialConfig, _section(tree, "dial"), "dial")
    assert isinstance(dial, DialConfig)
    return dial


def _turn_dial(tree: dict[str, object]) -> list[Derived]:
    """Derive what the tree does not state; its dial states FLOPs afterwards where it stated seconds."""
    dial = _build_dial(tree)
    if dial.seconds and dial.flops_per_second:
        compute = compute_of(dial.seconds, dial.flops_per_second, STEP_SHARE)
        dial = dataclasses.replace(dial, seconds=0.0, flops_per_second=0.0, compute=compute)
    if dial.is_set:
        tree["dial"] = to_section(dial)
    stated = {
        f"{name}.{key}": value
        for name in ("model", "pretrain")
        for key, value in _flatten(_section(tree, name))
    }
    vocab_size = _section(tree, "tokenizer").get("vocab_size", TokenizerConfig().vocab_size)
    checked = _scalar(int, vocab_size, "tokenizer.vocab_size")
    assert isinstance(checked, int)
    return derive(dial, stated, checked)


def _flatten(section: Tree, path: str = "") -> Iterator[tuple[str, object]]:
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def from_sections(sections: Mapping[str, Tree]) -> Recipe:
    """Rebuild a recipe from its sections."""
    recipe = _build(Recipe, sections, "")
    assert isinstance(recipe, Recipe)
    return recipe


def _apply(tree: dict[str, object], override: str) -> None:
    path, equals, text = override.partition("=")
    parts = path.strip().split(".")
    if not equals or len(parts) not in {2, 3}:
        msg = f"Found --set {override!r}; expected section.key=value, such as pretrain.steps=50."
        raise ConfigError(msg)
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word or path needs no quotes on a command line
    _put(tree, parts, value)


def _put(tree: dict[str, object], parts: Sequence[str], value: object) -> None:
    """Set the value at a path of sections."""
    section: object = tree
    for part in parts[:-1]:
        assert isinstance(section, dict)
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            msg = f"Found {part} = {section!r}; expected a section; write it as [{part}]."
            raise ConfigError(msg)
    assert isinstance(section, dict)
    section[parts[-1]] = value


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def _build(kind: type, tree: Tree, path: str) -> object:
    fields = typing.get_type_hints(kind)
    values = {}
    for name, value in tree.items():
        where = f"{path}.{name}" if path else name
        if name not in fields:
            close = _nearest(name, list(fields))
            msg = (
                f"Found the unknown recipe key {where}{close}; expected one of "
                f"{', '.join(fields)}; correct the recipe or the --set."
            )
            raise ConfigError(msg)
        values[name] = _convert(fields[name], value, where)
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(_name_keys(str(error), path, list(fields))) from error


def _name_keys(message: str, path: str, fields: Sequence[str]) -> str:
    """Name keys as the recipe does: a class that configures several sections knows none of them."""
    return re.sub(rf"\b\w+\.(?=(?:{'|'.join(fields)})\b)", f"{path}." if path else "", message)


def _convert(kind: object, value: object, where: str) -> object:
    """Check one value against its field's type; whole numbers may stand for floats."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, Mapping):
            raise _mismatch(where, value, "a section")
        return _build(kind, value, where)
    origin = typing.get_origin(kind)
    if origin is tuple:
        element = typing.get_args(kind)[0]
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(_convert(element, entry, where) for entry in values)
    if origin is typing.Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            raise _mismatch(where, value, "one of " + ", ".join(map(str, choices)))
        return value
    if origin in {typing.Union, types.UnionType}:
        options = [option for option in typing.get_args(kind) if option is not type(None)]
        return None if value is None else _convert(options[0], value, where)
    return _scalar(kind, value, where)


def _scalar(kind: object, value: object, where: str) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    assert isinstance(kind, type)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _mismatch(where, value, f"a value of type {kind.__name__}")
    return value


def _mismatch(where: str, value: object, expected: str) -> ConfigError:
    return ConfigError(f"Found {where} = {value!r}; expected {expected}; correct the value.")
