"""Tunes each optimizer on the task: `make tune-optimizers` writes optimizer_grid.json.

Every point is one run with a seed that the comparison does not use. A diverged run counts as infinite.
Cost: about a minute a point, on one core.
"""

import itertools
import json

from optimizer_task import GRID_FILE, N_STEPS, train

SEED = 100
GRIDS = {
    "adamw": {"lr": (2e-3, 4e-3, 8e-3, 1.6e-2), "beta2": (0.95, 0.99)},
    "muon": {"lr": (4e-3, 8e-3, 1.6e-2, 3.2e-2), "momentum": (0.9, 0.95)},
    "soap": {"lr": (2e-3, 4e-3, 8e-3)},
    "lion": {"lr": (2.5e-4, 5e-4, 1e-3)},
    "adafactor": {"lr": (4e-3, 8e-3, 1.6e-2)},
    "sgd": {"lr": (0.1, 0.3, 1.0)},
}


def main() -> None:
    points = json.loads(GRID_FILE.read_text()) if GRID_FILE.exists() else []
    known = {json.dumps(point["fields"], sort_keys=True) for point in points}
    for optimizer, grid in GRIDS.items():
        for values in itertools.product(*grid.values()):
            fields = {"optimizer": optimizer, **dict(zip(grid, values, strict=True))}
            if json.dumps(fields, sort_keys=True) in known:
                continue
            loss = train(fields, N_STEPS, SEED)
            points.append({"fields": fields, "steps": N_STEPS, "seed": SEED, "loss": loss})
            GRID_FILE.write_text(json.dumps(points, indent=1) + "\n")
            print(f"{loss:.4f}  {fields}", flush=True)


if __name__ == "__main__":
    main()
