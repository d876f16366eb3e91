"""How a model is trained: every field changes the weights that come out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from lmcore.errors import ConfigError
from lmcore.optim.schedule import SCHEDULES
from lmcore.parallel.config import ParallelConfig
from lmcore.tokens.data_config import DataConfig

PRECISIONS = ("float32", "bfloat16", "float16", "float8", "float8_emulated")
SPIKE_POLICIES = ("stop", "skip", "roll_back")
RECOMPUTE = ("none", "full", "selective")
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
    decay_end_ratio: float = 1.0
    """Weight decay of the last step as a share of the first, in a straight line over the steps."""
    beta1: float = 0.9
    """Decay of the first moment (AdamW, Lion, SOAP)."""
    beta2: float = 0.95
    """Decay of the second moment (AdamW, SOAP), or of Lion's momentum."""
    momentum: float = 0.95
    """Momentum of Muon and SGD."""
    hidden_lr_ratio: float = 1.0
    """Learning rate of the blocks' matrices, as a multiple of that of the other parameters."""
    clip_norm: float = 1.0
    """Largest norm of the gradient over all parameters."""
    micro_batch_size: int = 0
    """Windows that a process passes through the model at once; their gradients add up to the batch's. 0 takes all."""
    ema_decay: float = 0.0
    """Share that the running average of the weights keeps in an update; 0 keeps no average."""
    noise_scale_every: int = 0
    """Steps between two measurements of the critical batch size, from the gradients of the microbatches; 0 makes none."""
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
    """Processes; `parallel` says how they share the work."""
    parallel: ParallelConfig = field(default_factory=ParallelConfig)
    """What is cut over the processes, and by how many."""
    precision: str = "float32"
    """Type of the matrix products: float32, bfloat16, float16 with a loss scale, float8 where the
    hardware multiplies it, or float8_emulated, which rounds the same way on any hardware and gains no time."""
    loss_scale: float = 65536.0
    """First factor of the loss under float16, a power of two; halved when a gradient overflows."""
    loss_scale_interval: int = 2000
    """Updates without an overflow after which the loss scale doubles."""
    on_spike: str = "stop"
    """What to do with a step whose loss or gradient is not finite or far above the last ones: stop, skip
    its update, or roll_back to the last checkpoint and go on behind the batches read since."""
    spike_sigmas: float = 0.0
    """How many standard deviations above the mean of the window a loss or gradient norm is a spike; 0
    takes only what is not finite."""
    spike_window: int = 128
    """Last updates that a step is compared with, once half of them are there."""
    max_spikes: int = 10
    """Spikes that a run passes over; one more stops it."""
    recompute: str = "none"
    """What backward computes again rather than keep: none, full (all of a block but its input) or
    selective (all but the matrix products). The gradient is the same to the bit."""
    offload_activations: bool = False
    """Whether what backward needs waits in the memory of the CPU; needs an accelerator."""
    data: DataConfig = field(default_factory=DataConfig)
    """The order in which tokens are read."""

    def __post_init__(self) -> None:
        """Raises ConfigError for a run that cannot be."""
        self._check_counts()
        self._check_processes()
        self._check_names()
        self._check_optimizer()
        self._check_numerics()

    def _check_counts(self) -> None:
        counts = ("steps", "batch_size", "eval_every", "eval_batches", "checkpoint_every")
        also = ("threads", "world_size", "loss_scale_interval", "max_spikes")
        for name in (*counts, *also):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"found pretrain.{name} {getattr(self, name)}; expected at least 1; raise it"
                )
        for name in ("seed", "micro_batch_size", "noise_scale_every"):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"found pretrain.{name} {getattr(self, name)}; expected 0 or more; raise it"
                )
        if not 0 <= self.warmup_steps <= self.steps:
            raise ConfigError(
                f"found pretrain.warmup_steps {self.warmup_steps}; expected 0 to {self.steps}, which "
                "is pretrain.steps; change one of the two"
            )

    def _check_processes(self) -> None:
        self.parallel.check_batch(self.world_size, self.batch_size)
        if self.optimizer == "soap" and self.world_size > 1:
            raise ConfigError(
                f"found pretrain.optimizer soap with {self.world_size} processes; expected one: its "
                "eigenvectors depend on the last bits of sums, so each number of processes would "
                "train another model; choose muon or world_size 1"
            )
        self._check_cuts()
        n_rows = self.batch_size // self.parallel.data_size(self.world_size)
        if self.noise_scale_every and not 0 < self.micro_batch_size < n_rows:
            raise ConfigError(
                f"found pretrain.noise_scale_every {self.noise_scale_every} with micro_batch_size "
                f"{self.micro_batch_size} for {n_rows} windows a process; expected at least two "
                "microbatches, whose gradients are compared; lower micro_batch_size, to 1 or more"
            )

    def _check_cuts(self) -> None:
        """Refuses what a mesh that cuts more than rows cannot do."""
        cut = self.parallel
        only_rows = cut.data == "fsdp" and cut.tensor == cut.context == 1
        for is_wrong, found, expected in (
            (
                self.noise_scale_every and self.world_size > 1 and not only_rows,
                "pretrain.noise_scale_every",
                "processes that share rows alone, by fsdp; set noise_scale_every to 0",
            ),
            (
                cut.offload and cut.data_size(self.world_size) * cut.context == 1,
                f"parallel.offload with no two processes that share a weight ({self.world_size} all told)",
                "some, between which fsdp shards; raise world_size, or set offload to false",
            ),
            (
                self.micro_batch_size and cut.pipeline > 1,
                "pretrain.micro_batch_size with a pipeline",
                "parallel.microbatches to say how rows are parted; set micro_batch_size to 0",
            ),
            (
                self.data.packing != "none" and cut.context > 1,
                f"pretrain.data.packing {self.data.packing} with parallel.context {cut.context}",
                "a causal mask, the only one of the ring; set packing to none, or context to 1",
            ),
            (
                self.precision.startswith("float8") and cut.tensor > 1,
                f"pretrain.precision {self.precision} with parallel.tensor {cut.tensor}",
                "whole matrices, which float8 scales by their largest number; choose bfloat16",
            ),
        ):
            if is_wrong:
                raise ConfigError(f"found {found}; expected {expected}")

    def _check_names(self) -> None:
        names = {
            "precision": PRECISIONS,
            "optimizer": OPTIMIZERS,
            "schedule": SCHEDULES,
            "on_spike": SPIKE_POLICIES,
            "recompute": RECOMPUTE,
        }
        for name, known in names.items():
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"found pretrain.{name} {getattr(self, name)!r}; expected one of "
                    f"{', '.join(known)}; choose one of these"
                )

    def _check_optimizer(self) -> None:
        self._refuse(
            {
                "lr": (self.lr > 0.0, "a number above 0"),
                "clip_norm": (self.clip_norm > 0.0, "a number above 0"),
                "weight_decay": (self.weight_decay >= 0.0, "0 or more"),
                "decay_end_ratio": (self.decay_end_ratio >= 0.0, "0 or more"),
                "hidden_lr_ratio": (self.hidden_lr_ratio > 0.0, "a number above 0"),
                "min_lr_ratio": (0.0 <= self.min_lr_ratio <= 1.0, "0 to 1"),
                "beta1": (0.0 <= self.beta1 < 1.0, "0 or more and below 1"),
                "momentum": (0.0 <= self.momentum < 1.0, "0 or more and below 1"),
                "decay_share": (0.0 < self.decay_share <= 1.0, "more than 0 and at most 1"),
                "beta2": (0.0 <= self.beta2 < 1.0, "0 or more and below 1"),
            }
        )

    def _check_numerics(self) -> None:
        is_power_of_two = self.loss_scale >= 1.0 and math.frexp(self.loss_scale)[0] == 0.5
        self._refuse(
            {
                "ema_decay": (0.0 <= self.ema_decay < 1.0, "0 or more and below 1"),
                "loss_scale": (is_power_of_two, "a power of two, 1 or more"),
                "spike_sigmas": (self.spike_sigmas >= 0.0, "0 or more"),
                "spike_window": (self.spike_window >= 4, "4 or more"),
            }
        )

    def _refuse(self, fits: Mapping[str, tuple[bool, str]]) -> None:
        for name, (is_fit, expected) in fits.items():
            if not is_fit:
                raise ConfigError(
                    f"found pretrain.{name} {getattr(self, name)}; expected {expected}; change it"
                )
