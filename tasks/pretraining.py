"""Token shards become a language model."""

from lmcore.model.config import ModelConfig
from lmcore.train.config import TrainConfig
from tasks.job import Job
from tasks.training import DRAWS, METRICS, adopt, draws, positions_of, train


def pretrain(job: Job) -> None:
    """Pretrain the model of the recipe."""
    spec, final = train(job, job.config(ModelConfig, "model"), job.config(TrainConfig, "pretrain"))
    adopt(job, final)
    job.write("draws", DRAWS, draws(job.spec.key, spec, positions_of(final / METRICS)))
