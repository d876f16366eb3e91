"""A sweep of small models at equal compute."""

from lmcore.model.config import ModelConfig
from lmcore.tokenizer.bpe import Tokenizer
from lmcore.tokens.shards import TokenShards
from lmcore.train.config import TrainConfig
from lmcore.train.loop import run
from lmcore.train.spec import TrainSpec
from tasks.job import Job
from tasks.training import DRAWS, METRICS, adopt, draws, positions_of


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
    final = spec.out_dir / "final"
    rows = adopt(job, final)
    job.write("draws", DRAWS, draws(job.spec.key, spec, positions_of(final / METRICS)))
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
