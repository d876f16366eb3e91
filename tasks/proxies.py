"""Small models read random mixtures of the training split, and teach the weights of the large one (RegMix).

The first of them reads the groups in proportion to their tokens: what mixing has to beat. Each draws
its mixture as the stage ``mix`` does, so the weights that are regressed are those it read.
"""

import numpy as np

from lmcore.mixing.config import MixConfig
from lmcore.mixing.draw import Share, draw_copies, mixture
from lmcore.mixing.groups import Document, group_tokens
from lmcore.mixing.regression import fit_weights, random_mixtures
from lmcore.mixing.weights import ask_tokens, temperature_weights
from lmcore.model.config import ModelConfig
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.mixed import write_mixed
from lmcore.tokens.shards import IndexRow
from lmcore.train.config import TrainConfig
from lmcore.train.loop import run
from lmcore.train.spec import TrainSpec
from tasks.job import Job, Row, read_all
from tasks.mixing import PROXIES, grouped, read_index
from tasks.training import adopt

_HEAD_DIM = 16
_EVAL_BATCHES = 64


def mix_proxy(job: Job) -> None:
    """Train one small model on the mixture of its number."""
    config = job.config(MixConfig, "mix")
    index = read_index(job)
    documents = grouped(job, config, index)
    sizes = group_tokens(documents)
    number = int(str(job.spec.config["number"]))
    if number:
        drawn = random_mixtures([*sizes.values()], 1, (config.seed, number))[0]
        weights = dict(zip(sizes, drawn.tolist(), strict=True))
    else:
        weights = temperature_weights(sizes, 1.0)
    job.write("mix_proxies", PROXIES, _train(job, config, index, documents, weights))


def mix_fit(job: Job) -> None:
    """Regress the losses on the weights, and train one more model on the mixture predicted to be best."""
    config = job.config(MixConfig, "mix")
    rows = [*read_all(job.paths("proxies"), PROXIES)]
    names = sorted({str(row["name"]) for row in rows})
    index = read_index(job)
    documents = grouped(job, config, index)
    sizes = group_tokens(documents)
    read = {(str(row["name"]), str(row["group_name"])): row for row in rows}
    weights = np.array([[_float(read[name, group], "weight_read") for group in sizes] for name in names])  # fmt: skip
    losses = np.array([_float(read[name, next(iter(sizes))], "loss") for name in names])
    learnt = fit_weights(weights, losses, [*sizes.values()], config.seed)
    best = dict(zip(sizes, learnt.weights, strict=True))
    proxy = _train(job, config, index, documents, best)
    job.write("mix_proxies", PROXIES, proxy)
    job.write(
        "mix_fit",
        "mix_fit.parquet",
        (
            {
                "kind": form.kind,
                "ridge": form.ridge,
                "cv_error": form.cv_error,
                "is_chosen": form == learnt.chosen,
                "predicted_loss": learnt.predicted_loss if form == learnt.chosen else None,
                "measured_loss": proxy[0]["loss"],
                "proportional_loss": float(losses[0]),
            }
            for form in learnt.candidates
        ),
    )


def _float(row: Row, name: str) -> float:
    return float(str(row[name]))


def _train(
    job: Job,
    config: MixConfig,
    index: list[IndexRow],
    documents: list[Document],
    weights: dict[str, float],
) -> list[Row]:
    """Train a small model on a mixture, once through it; a row for each group."""
    model, train = _small(config)
    budget = train.steps * train.batch_size * model.context_length + 1
    asked = ask_tokens(weights, group_tokens(documents), budget, config.max_epochs)
    copies = draw_copies(documents, asked, config.seed)
    shares = mixture(documents, weights, asked, copies, budget=budget)
    mixed = job.work / "mixed"
    shard_tokens = int(str(job.spec.config["shard_tokens"]))
    write_mixed(job.path("tokens"), index, copies, mixed, shard_tokens)
    spec = TrainSpec(
        model=model,
        train=train,
        vocab_size=Tokenizer.load(job.path("tokenizer")).vocab_size,
        shards_dir=mixed,
        out_dir=job.work / "training",
    )
    spec.out_dir.mkdir()
    run(spec)
    curve = [row for row in adopt(job, spec.out_dir / "final") if row["split"] == "validation"]
    return [_row(job, share, sum(s.n_tokens_drawn for s in shares), curve[-1]) for share in shares]


def _row(job: Job, share: Share, n_drawn: int, last: Row) -> Row:
    return {
        "name": job.spec.step,
        "group_name": share.group_name,
        "n_tokens": share.n_tokens,
        "weight": share.weight,
        "weight_read": share.n_tokens_drawn / n_drawn,
        "n_tokens_drawn": share.n_tokens_drawn,
        "loss": last["loss"],
    }


def _small(config: MixConfig) -> tuple[ModelConfig, TrainConfig]:
    """The shape of the small models, and how each is trained."""
    model = ModelConfig(
        d_model=config.proxy_d_model,
        n_layers=config.proxy_n_layers,
        n_heads=max(1, config.proxy_d_model // _HEAD_DIM),
        context_length=config.proxy_context_length,
    )
    train = TrainConfig(
        steps=config.proxy_steps,
        batch_size=config.proxy_batch_size,
        lr=config.proxy_lr,
        warmup_steps=config.proxy_steps // 10,
        eval_every=config.proxy_steps,
        eval_batches=_EVAL_BATCHES,
        checkpoint_every=config.proxy_steps,
        seed=config.seed,
        threads=1,
    )
    return model, train
