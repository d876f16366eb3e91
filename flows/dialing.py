"""The dial on the command line: a time becomes FLOPs once, and every derived value is shown with its rule."""

from collections.abc import Iterator, Sequence

from flows import recipe as recipes
from lmcore.scaling.dial import compute_of
from lmcore.train.estimate import STEP_SHARE
from tasks.machine import machine_rate
from warehouse.store import Store


def settle(
    store: Store, recipe: str, overrides: Sequence[str], *, remember: bool = True
) -> list[str]:
    """Return overrides under which the recipe states FLOPs and no seconds; the same ones where it does already.

    The rate is the store's: measured for the first recipe that states a time, the same for all after it. Without
    ``remember`` a rate that is measured here is forgotten.
    """
    dial, train = recipes.dial_of(recipe, overrides)
    if not dial.seconds:
        return list(overrides)
    rate = dial.flops_per_second or machine_rate(store, train, remember=remember)
    compute = compute_of(dial.seconds, rate, STEP_SHARE)
    return [*overrides, "dial.seconds=0", "dial.flops_per_second=0", f"dial.compute={compute!r}"]


def derivation(recipe: str, overrides: Sequence[str]) -> Iterator[str]:
    """Lines that say what the dial sets and why: each is a line of TOML, to be kept as a recipe."""
    values = recipes.derived(recipe, overrides)
    width = max((len(f"{one.key} = {one.value}") for one in values), default=0)
    for one in values:
        yield f"{f'{one.key} = {one.value}':<{width}}  # {one.rule}"
    if values:
        yield ""
