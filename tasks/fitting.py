"""The scaling laws fitted to a sweep, and the prediction beside what was measured. No torch here."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from lmcore.model.shape import load_shape
from lmcore.scaling.config import ScalingConfig
from lmcore.scaling.isoflop import MeasuredPoint
from lmcore.scaling.laws import ScalingFit, predict_loss
from lmcore.scaling.laws import fit as fit_laws
from tasks.job import Job, Row
from tasks.training import METRICS
from warehouse.parquet import read_rows


def fit(job: Job) -> None:
    """Fit the laws and hold their prediction against the pretrained model."""
    points = [
        row for path in job.paths("sweep") for row in read_rows(path / "sweep_points.parquet")
    ]
    config = job.config(ScalingConfig, "scaling")
    measured = [
        MeasuredPoint(
            _float(row, "budget_flops"),
            _float(row, "n_params"),
            _float(row, "n_tokens"),
            _float(row, "loss"),
        )
        for row in points
    ]
    laws = fit_laws(measured, seed=config.seed)
    job.write(
        "scaling_optima",
        "scaling_optima.parquet",
        (
            {
                "budget_flops": found.budget,
                "n_params": found.n_opt,
                "n_tokens": found.d_opt,
                "loss": found.loss_opt,
                "is_interior": found.is_interior,
            }
            for found in laws.isoflops
        ),
    )
    job.write("scaling_fit", "scaling_fit.parquet", _coefficients(laws))
    job.write("scaling_predictions", "scaling_predictions.parquet", _prediction(job, laws))
    job.result.attributes = {"notes": list(laws.notes), "n_points": laws.n_points}


def _float(row: Row, name: str) -> float:
    return float(str(row[name]))


def _coefficients(laws: ScalingFit) -> Iterator[Row]:
    named = {"n_opt": laws.n_opt_law, "d_opt": laws.d_opt_law, "loss_opt": laws.loss_law}
    for name, law in named.items():
        if law is not None:
            for parameter, value in asdict(law).items():
                yield _coefficient(name, parameter, value, [])
    if laws.parametric is not None:
        replicas = [asdict(replica) for replica in laws.replicas]
        for parameter, value in asdict(laws.parametric).items():
            yield _coefficient(
                "parametric", parameter, value, [replica[parameter] for replica in replicas]
            )


def _coefficient(law: str, parameter: str, value: float, replicas: list[float]) -> Row:
    low = high = None
    if replicas:
        low, high = (float(q) for q in np.quantile(replicas, [0.05, 0.95]))
    return {"law": law, "parameter": parameter, "value": value, "low": low, "high": high}


def _prediction(job: Job, laws: ScalingFit) -> Iterator[Row]:
    """The loss that the sweep predicts for the pretrained model, beside its validation loss."""
    pretrained = job.path("pretrain")
    model, vocab_size = load_shape(pretrained)
    curve = [row for row in read_rows(pretrained / METRICS) if row["split"] == "validation"]
    n_params = model.n_parameters(vocab_size)
    n_tokens = int(str(curve[-1]["tokens"]))
    prediction = predict_loss(laws, n_params, n_tokens)
    yield {
        "name": "pretrain",
        "n_params": n_params,
        "n_tokens": n_tokens,
        "predicted_loss": None if prediction is None else prediction.loss,
        "low": None if prediction is None else prediction.low,
        "high": None if prediction is None else prediction.high,
        "measured_loss": curve[-1]["loss"],
        "extrapolation": None if prediction is None else prediction.extrapolation,
    }
