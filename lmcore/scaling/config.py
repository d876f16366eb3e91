"""What defines a scaling sweep: change a field, change which models are trained.

Standard library only, so that a plan can be read without numpy or torch.
"""

from dataclasses import dataclass

from lmcore.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingConfig:
    """An IsoFLOP sweep: every size at every compute budget (arXiv:2203.15556, approach 2)."""

    budgets: tuple[float, ...] = (5e11, 2e12)
    """Training compute of a run in FLOPs, counted as 6 N D."""

    sizes: tuple[tuple[int, int], ...] = ((32, 2), (64, 2), (96, 3))
    """Shapes (d_model, n_layers) that are trained at each budget."""

    head_dim: int = 32
    """Width of an attention head; d_model is a multiple of it."""

    batch_size: int = 8
    """Windows in a step."""

    context_length: int = 256
    """Tokens in a window."""

    lr: float = 4e-3
    """Highest learning rate of a model of width lr_width."""

    lr_width: int = 128
    """The width at which lr holds."""

    lr_exponent: float = 1.0
    """lr falls with width as (lr_width / d_model)^lr_exponent; 1 is muP's rule for Adam
    (arXiv:2203.03466)."""

    max_lr: float = 1e-2
    """The rule gives no model a higher learning rate than this."""

    warmup_share: float = 0.05
    """Share of the steps over which the learning rate rises."""

    min_steps: int = 20
    """A run of fewer steps measures its warm-up and not its size; it is skipped."""

    max_epochs: float = 4.0
    """A run that would read the training tokens more often than this is skipped: up to about
    four epochs repeated tokens are worth as much as new ones (arXiv:2305.16264)."""

    seed: int = 0
    """Fixes first weights, data order and the bootstrap."""

    def __post_init__(self) -> None:
        self._check_lists()
        for name in ("head_dim", "batch_size", "context_length", "lr_width", "min_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"found scaling.{name} {getattr(self, name)}; expected at least 1; raise it"
                )
        for name in ("lr", "max_lr", "max_epochs"):
            if not 0.0 < getattr(self, name) < float("inf"):
                raise ConfigError(
                    f"found scaling.{name} {getattr(self, name)}; expected above 0; raise it"
                )
        if not 0.0 <= self.warmup_share < 1.0 or self.lr_exponent < 0.0 or self.seed < 0:
            raise ConfigError(
                f"found scaling.warmup_share {self.warmup_share}, lr_exponent {self.lr_exponent} "
                f"and seed {self.seed}; expected [0, 1), at least 0 and at least 0; change them"
            )
        for d_model, n_layers in self.sizes:
            if n_layers < 1 or d_model < 1 or d_model % self.head_dim or self.head_dim % 2:
                raise ConfigError(
                    f"found scaling.sizes ({d_model}, {n_layers}) with head_dim {self.head_dim}; "
                    "expected an even head_dim, d_model a multiple of it and n_layers at least 1; "
                    "change the size"
                )

    def _check_lists(self) -> None:
        for name in ("budgets", "sizes"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ConfigError(
                    f"found scaling.{name} {values}; expected one or more, all different; "
                    "list each once"
                )
        if len({f"{budget:.6g}" for budget in self.budgets}) < len(self.budgets):
            raise ConfigError(
                f"found scaling.budgets {self.budgets}; expected them to differ in the first six "
                "digits, which name the runs; move them apart"
            )
        if not all(0.0 < budget < float("inf") for budget in self.budgets):
            raise ConfigError(
                f"found scaling.budgets {self.budgets}; expected FLOPs above 0; raise them"
            )
