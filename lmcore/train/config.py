"""How a model is trained: every field changes the weights that come out."""

from dataclasses import dataclass, field

from lmcore.errors import ConfigError
from lmcore.optim.schedule import SCHEDULES
from lmcore.tokens.data_config import DataConfig

PRECISIONS = ("float32", "bfloat16")
OPTIMIZERS = ("adamw", "sgd", "lion", "adafactor", "muon", "soap")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Steps, batches, optimizer and numerics of one training run."""

    steps: int = 400
    """Updates of the weights."""
    batch_size: int = 16
    """Windows in a step, over all processes."""
    optimizer: str = "adamw"
    """adamw, sgd, lion or adafactor for all parameters; muon or soap for the matrices of the blocks."""
    schedule: str = "cosine"
    """Learning rate over the steps: cosine, linear, inverse_sqrt or wsd (warm-up, stable, decay)."""
    decay_share: float = 0.2
    """Share of the steps in which wsd decays."""
    lr: float = 4e-3
    """Highest learning rate."""
    min_lr_ratio: float = 0.1
    """Learning rate of the last step as a share of the highest."""
    warmup_steps: int = 60
    """Steps over which the learning rate rises from zero; a short warm-up costs more than it saves."""
    weight_decay: float = 0.1
    """Decay of the matrices per step, times the learning rate; gains do not decay."""
    beta1: float = 0.9
    """Decay of the first moment (AdamW, Lion, SOAP)."""
    beta2: float = 0.95
    """Decay of the second moment (AdamW, SOAP), or of Lion's momentum."""
    momentum: float = 0.95
    """Momentum of Muon and SGD."""
    clip_norm: float = 1.0
    """Largest norm of the gradient over all parameters."""
    eval_every: int = 50
    """Steps between two measurements of the validation loss; the first and last always count."""
    eval_batches: int = 8
    """Batches of the validation split that are measured, always the same from its start."""
    checkpoint_every: int = 100
    """Steps between two checkpoints; there is always one at the end."""
    seed: int = 0
    """Fixes the first weights and the order of the windows."""
    threads: int = 2
    """Compute threads of each process; another number adds in another order."""
    world_size: int = 1
    """Processes; above 1 the model is sharded over them (FSDP2)."""
    precision: str = "float32"
    """Type of the matrix products: float32, or bfloat16 where the CPU multiplies it faster."""
    data: DataConfig = field(default_factory=DataConfig)
    """The order in which tokens are read."""

    def __post_init__(self) -> None:
        """Raises ConfigError for a run that cannot be."""
        counts = ("steps", "batch_size", "eval_every", "eval_batches", "checkpoint_every")
        for name in (*counts, "threads", "world_size"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"found train.{name} {getattr(self, name)}; expected at least 1; raise it"
                )
        if self.seed < 0:
            raise ConfigError(f"found train.seed {self.seed}; expected 0 or more; raise it")
        if not 0 <= self.warmup_steps <= self.steps:
            raise ConfigError(
                f"found train.warmup_steps {self.warmup_steps}; expected 0 to {self.steps}, which "
                "is train.steps; change one of the two"
            )
        if self.batch_size % self.world_size:
            raise ConfigError(
                f"found train.batch_size {self.batch_size} for {self.world_size} processes; "
                "expected a multiple; change batch_size or world_size"
            )
        if self.optimizer == "soap" and self.world_size > 1:
            raise ConfigError(
                f"found train.optimizer soap with {self.world_size} processes; expected one: its "
                "eigenvectors depend on the last bits of sums, so each number of processes would "
                "train another model; choose muon or world_size 1"
            )
        names = {"precision": PRECISIONS, "optimizer": OPTIMIZERS, "schedule": SCHEDULES}
        for name, known in names.items():
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"found train.{name} {getattr(self, name)!r}; expected one of "
                    f"{', '.join(known)}; choose one of these"
                )
        self._check_optimizer()

    def _check_optimizer(self) -> None:
        fits = {
            "lr": (self.lr > 0.0, "a number above 0"),
            "clip_norm": (self.clip_norm > 0.0, "a number above 0"),
            "weight_decay": (self.weight_decay >= 0.0, "0 or more"),
            "min_lr_ratio": (0.0 <= self.min_lr_ratio <= 1.0, "0 to 1"),
            "beta1": (0.0 <= self.beta1 < 1.0, "0 or more and below 1"),
            "momentum": (0.0 <= self.momentum < 1.0, "0 or more and below 1"),
            "decay_share": (0.0 < self.decay_share <= 1.0, "more than 0 and at most 1"),
            "beta2": (0.0 <= self.beta2 < 1.0, "0 or more and below 1"),
        }
        for name, (is_fit, expected) in fits.items():
            if not is_fit:
                raise ConfigError(
                    f"found train.{name} {getattr(self, name)}; expected {expected}; change it"
                )
