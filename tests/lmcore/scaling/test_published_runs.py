"""Published runs with known fits: Chinchilla's points and CS336's IsoFLOP curves."""

import csv
import json
import os
from pathlib import Path

import pytest

from lmcore.scaling.isoflop import MeasuredPoint, isoflop_minima, power_law
from lmcore.scaling.parametric import ParametricLaw, fit_parametric

DATA = Path(os.environ.get("C2M_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
CHINCHILLA = DATA / "scaling" / "chinchilla_svg_extracted_data.csv"
ISOFLOPS = DATA / "scaling" / "isoflops_curves.json"


@pytest.mark.skipif(not CHINCHILLA.exists(), reason="no published runs")
def test_chinchilla_points_give_the_replicated_fit() -> None:
    with CHINCHILLA.open() as file:
        rows = [
            tuple(float(row[name]) for name in ("Training FLOP", "Model Size", "loss"))
            for row in csv.DictReader(file)
        ]
    rows = sorted(rows, key=lambda row: row[2])[:-5]
    points = [MeasuredPoint(c, n, c / (6 * n), loss) for c, n, loss in rows]
    start = ParametricLaw(1.7, 400.0, 2000.0, 0.34, 0.36)  # the grid of starts ends here too
    law, value = fit_parametric(points, start=start)
    assert value <= 1.0183e-3
    published = {  # value and standard error, arXiv:2404.10102
        "A": (482.01, 124.58),
        "B": (2085.43, 1293.23),
        "E": (1.8172, 0.03),
        "alpha": (0.3478, 0.02),
        "beta": (0.3658, 0.02),
    }
    for name, (expected, error) in published.items():
        assert abs(getattr(law, name) - expected) < 0.5 * error


@pytest.mark.skipif(not ISOFLOPS.exists(), reason="no published runs")
def test_isoflop_curves_give_the_known_exponents() -> None:
    points = [
        MeasuredPoint(
            row["compute_budget"],
            row["parameters"],
            row["compute_budget"] / (6 * row["parameters"]),
            row["final_loss"],
        )
        for row in json.loads(ISOFLOPS.read_text())
    ]
    minima = isoflop_minima(points)
    budgets = [m.budget for m in minima]
    lowest = power_law(budgets, [m.lowest_n for m in minima])
    quadratic = power_law(budgets, [m.n_opt for m in minima])
    assert lowest is not None
    assert quadratic is not None
    assert lowest.exponent == pytest.approx(0.4687, abs=5e-5)
    assert quadratic.exponent == pytest.approx(0.5146, abs=5e-5)
    law, _ = fit_parametric(points, start=ParametricLaw(2.5, 1000.0, 1000.0, 0.3, 0.3))
    assert (law.alpha, law.beta) == (pytest.approx(0.34, abs=1e-6), pytest.approx(0.36, abs=1e-6))
    assert law.n_exponent == pytest.approx(0.5142857, abs=1e-6)
    assert law.optimum(1e24)[0] == pytest.approx(300.3e9, rel=1e-4)
