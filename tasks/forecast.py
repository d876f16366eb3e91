"""What training would read, where the token shards are there already: epochs, sources, packing, or a refusal."""

from collections.abc import Iterator, Sequence

from lmcore.errors import InputError
from lmcore.model.config import ModelConfig
from lmcore.sections import from_section
from lmcore.train.config import TrainConfig
from tasks.graph import Ref, Step
from tasks.planning import Planned
from warehouse.parquet import read_rows
from warehouse.store import Store


def forecast(store: Store, steps: Sequence[Step], planned: Sequence[Planned]) -> Iterator[str]:
    """Say what the pretraining of a plan would read; nothing before its tokens are there."""
    keys = {entry.step: entry.key for entry in planned if entry.state == "cached"}
    for step in steps:
        if step.stage.name != "pretrain":
            continue
        (tokens,) = step.inputs["tokens"]
        if isinstance(tokens, Ref) and tokens.step in keys:
            yield from _sentences(store, step, tokens.step, keys[tokens.step])


def own_ratio(store: Store, steps: Sequence[Step], planned: Sequence[Planned]) -> Iterator[str]:
    """Say what the recipe's own sweep found for the dial's rule of tokens; nothing before it has run."""
    keys = {entry.step: entry.key for entry in planned if entry.state == "cached"}
    for step in steps:
        if step.stage.name != "scaling" or step.name not in keys:
            continue
        path = store.path_of(step.stage.name, keys[step.name]) / "scaling_optima.parquet"
        inside = [row for row in read_rows(path) if row["is_interior"]]
        if inside:
            best = max(inside, key=lambda row: float(str(row["budget_flops"])))
            n_tokens, n_params = (float(str(best[name])) for name in ("n_tokens", "n_params"))
            yield (
                f"the sweep's optimum at {best['budget_flops']:.3g} FLOPs is {n_tokens / n_params:.1f} "
                f"tokens a parameter; take it with --set dial.tokens_per_parameter={n_tokens / n_params:.1f}"
            )


def _sentences(store: Store, step: Step, kind: str, key: str) -> Iterator[str]:
    from lmcore.tokens.reading import BatchSource  # numpy
    from lmcore.tokens.shards import TokenShards

    model, train = (
        _config(step, *one) for one in ((ModelConfig, "model"), (TrainConfig, "pretrain"))
    )
    assert isinstance(model, ModelConfig)
    assert isinstance(train, TrainConfig)
    try:
        source = BatchSource(
            TokenShards(store.path_of(kind, key), "train"),
            train.data,
            context_length=model.context_length,
            steps=train.steps,
            batch_size=train.batch_size,
            seed=train.seed,
        )
    except InputError as error:
        yield f"{step.name} would be refused: {error}"
        return
    for sentence in source.describe():
        yield f"{step.name} reads {sentence}"


def _config(step: Step, kind: type, name: str) -> object:
    section = step.config[name]
    assert isinstance(section, dict)
    return from_section(kind, section)
