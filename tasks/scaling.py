"""A sweep of small models, the laws fitted to it, and the prediction beside what was measured."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from lmcore.model.config import ModelConfig
from lmcore.model.files import load_model
from lmcore.scaling.config import ScalingConfig
from lmcore.scaling.isoflop import MeasuredPoint
from lmcore.scaling.laws import ScalingFit, predict_loss
from lmcore.scaling.laws import fit as fit_laws
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.shards import TokenShards
from lmcore.train.config import TrainConfig
from lmcore.train.loop import run
from lmcore.train.spec import TrainSpec
from tasks.job import Job, Row
from tasks.training import DRAWS, METRICS, adopt, draws
from warehouse.parquet import read_rows


def sweep(job: Job) -> None:
    """Train one point; one that would read the tokens too often is skipped and says so."""
    model = job.config(ModelConfig, "model")
    config = job.config(TrainConfig, "train")
    available = TokenShards(job.path("tokens"), "train").n_tokens
    n_tokens = config.steps * config.batch_size * model.context_length
    max_epochs = float(str(job.spec.config["max_epochs"]))
    if n_tokens > max_epochs * available:
        job.write("sweep_points", "sweep_points.parquet", [])
        job.write("metrics", METRICS, [])
        job.write("draws", DRAWS, [])
        job.result.attributes = {
            "skipped": f"{n_tokens:,d} tokens, more than {max_epochs:g} epochs of {available:,d}"
        }
        return
    spec = TrainSpec(
        model=model,
        train=config,
        vocab_size=Tokenizer.load(job.path("tokenizer")).vocab_size,
        shards_dir=job.path("tokens"),
        out_dir=job.work / "training",
    )
    spec.out_dir.mkdir()
    run(spec)
    rows = adopt(job, spec.out_dir / "final")
    job.write("draws", DRAWS, draws(job.spec.key, spec, 1, config.steps))
    last = [row for row in rows if row["split"] == "validation"][-1]
    point = {
        "name": job.spec.step.split("/", 1)[1],
        "budget_flops": job.spec.config["budget_flops"],
        "d_model": model.d_model,
        "n_layers": model.n_layers,
        "n_params": model.n_parameters(spec.vocab_size),
        "n_tokens": n_tokens,
        "steps": config.steps,
        "loss": last["loss"],
        "bits_per_byte": last["bits_per_byte"],
    }
    job.write("sweep_points", "sweep_points.parquet", [point])


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
    model = load_model(pretrained)
    curve = [row for row in read_rows(pretrained / METRICS) if row["split"] == "validation"]
    n_params = model.n_parameters()
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
