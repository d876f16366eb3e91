"""The rate of this machine, measured once for a store: what turns a time budget into FLOPs.

A measurement must not be part of an identity, so it is made once, rounded to two digits and kept beside the store's
artifacts in `machine.json`; every later reading of a recipe finds the same rate, and the same steps. Delete the
file to measure anew.
"""

import json
import logging
from pathlib import Path

from lmcore.train.config import TrainConfig
from warehouse.store import Store

logger = logging.getLogger(__name__)

FILE = "machine.json"


def machine_rate(store: Store, train: TrainConfig, *, remember: bool = True) -> float:
    """Return FLOPs a second of the matrix products of all processes of a run."""
    path = store.root / FILE
    known = _read(path)
    name = f"{train.precision} x {train.threads} threads x {train.world_size}"
    if name not in known:
        known[name] = _measure(train)
        logger.info("measured rate=%.2g of=%s", known[name], name)
        if remember:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_suffix(".json.partial")
            aside.write_text(json.dumps(known, indent=1) + "\n")
            aside.replace(path)
    return known[name]


def _read(path: Path) -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found


def _measure(train: TrainConfig) -> float:
    from lmcore.train.step import numerics, product_rate  # torch: a second to import

    with numerics(train):
        rates = [product_rate(train) for _ in range(5)]
    return float(f"{train.world_size * max(rates):.1e}")
