"""What a mixture is: how documents are grouped, how much of each group is read, and how often at most.

Standard library only, so that a plan can be drawn without numpy.
"""

from dataclasses import dataclass
from typing import Literal

from lmcore.errors import ConfigError

KEYS = ("language", "host", "quality", "cluster_size", "file")
"""What documents can be grouped by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MixConfig:
    """Identity of a mixture of the training split.

    Raises:
        ConfigError: on what names no mixture.
    """

    by: tuple[str, ...] = ()
    """what makes a group: language, host, quality, cluster_size, file, or several of them; empty: nothing is mixed"""
    method: Literal["temperature", "weights", "unimax", "factors", "sources"] = "temperature"
    """temperature: p ~ tokens^(1/temperature). weights: those of groups. unimax: the same for all,
    up to max_epochs (Chung et al. 2023, arXiv 2304.09151). factors: each group's tokens times its factor.
    sources: all documents once, group after group, for pretrain.data to draw from by weight as it trains"""
    temperature: float = 1.0
    """1 takes groups as they come, more lifts small ones, inf makes all the same"""
    groups: tuple[str, ...] = ()
    """names of groups; all that are not named are the group other"""
    weights: tuple[float, ...] = ()
    """weight or factor of each named group; weights are divided by their sum"""
    max_epochs: float = 4.0
    """most times that a group is read; up to 4 are worth nearly as much as new text (Muennighoff et al. 2023, arXiv 2305.16264)"""
    n_tokens: int = 0
    """tokens of the mixture; 0: as many as there are, or with factors as many as they make"""
    max_groups: int = 16
    """where no groups are named: the largest ones stay, the rest are the group other"""
    quality_edges: tuple[float, ...] = (0.5, 0.8)
    """quality at which a bucket ends and the next begins"""
    cluster_edges: tuple[float, ...] = (2.0, 5.0, 20.0)
    """documents of a duplicate cluster at which a bucket ends and the next begins; FineWeb-2 reads
    texts that were found more often more often (Penedo et al. 2025, arXiv 2506.20920)"""
    seed: int = 0
    """salt of the hash that decides which documents are read once more than the others"""
    learn: bool = False
    """whether small models that read random mixtures teach the weights (RegMix, arXiv 2407.01492)"""
    n_proxies: int = 16
    """small models"""
    proxy_d_model: int = 32
    """width of a small model"""
    proxy_n_layers: int = 1
    """layers of a small model"""
    proxy_context_length: int = 128
    """window of a small model"""
    proxy_steps: int = 100
    """steps that a small model is trained"""
    proxy_batch_size: int = 4
    """windows in one of its steps"""
    proxy_lr: float = 8e-3
    """its highest learning rate"""

    def __post_init__(self) -> None:
        unknown = [key for key in self.by if key not in KEYS]
        if unknown or len(set(self.by)) < len(self.by):
            raise ConfigError(
                f"found mix.by = {list(self.by)}; expected distinct ones of {', '.join(KEYS)}; correct it"
            )
        self._check_weights()
        if self.method == "sources" and (self.n_tokens or not self.by):
            raise ConfigError(
                f"found mix.method = 'sources' with mix.by = {list(self.by)} and mix.n_tokens = "
                f"{self.n_tokens:,d}; expected groups to lay out, and all their tokens; set mix.by alone"
            )
        least = {"temperature": 0.0, "max_epochs": 0.0, "proxy_lr": 0.0}
        for name, above in least.items():
            if not getattr(self, name) > above:
                raise ConfigError(
                    f"found mix.{name} = {getattr(self, name)}; expected more than {above:g}; raise it"
                )
        if self.max_epochs == float("inf"):
            raise ConfigError(
                "found mix.max_epochs = inf; expected a number; 1000 is as good as no cap"
            )
        counts = ("max_groups", "n_proxies", "proxy_d_model", "proxy_n_layers")
        for name in (*counts, "proxy_context_length", "proxy_steps", "proxy_batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"found mix.{name} = {getattr(self, name)}; expected at least 1; raise it"
                )
        if self.n_tokens < 0 or self.seed < 0:
            raise ConfigError(
                f"found mix.n_tokens = {self.n_tokens:,d} and mix.seed = {self.seed}; expected none "
                "below 0; n_tokens = 0 takes as many as there are"
            )
        self._check_edges()

    def _check_edges(self) -> None:
        for name in ("quality_edges", "cluster_edges"):
            edges = getattr(self, name)
            if list(edges) != sorted(set(edges)):
                raise ConfigError(
                    f"found mix.{name} = {list(edges)}; expected rising numbers; sort them"
                )
        if self.learn and (self.method != "temperature" or not self.by):
            raise ConfigError(
                f"found mix.learn with mix.method = {self.method!r} and mix.by = {list(self.by)}; "
                "expected groups to learn weights for and no weights of your own; set mix.by alone"
            )

    def _check_weights(self) -> None:
        is_weighted = self.method in ("weights", "factors")
        if is_weighted and (not self.groups or len(self.groups) != len(self.weights)):
            raise ConfigError(
                f"found {len(self.groups)} mix.groups and {len(self.weights)} mix.weights; expected one "
                f"weight for each group, and at least one, for mix.method = {self.method!r}; state both"
            )
        if self.weights and not is_weighted:
            raise ConfigError(
                f"found mix.weights with mix.method = {self.method!r}, which makes its own; expected "
                "weights or factors; change one of the two"
            )
        if len(set(self.groups)) < len(self.groups):
            raise ConfigError(f"found mix.groups = {list(self.groups)}; expected each name once")
        if any(weight < 0 for weight in self.weights) or (self.weights and not sum(self.weights)):
            raise ConfigError(
                f"found mix.weights = {list(self.weights)}; expected none below 0 and one above it"
            )


PROXY_FIELDS = (
    "by", "groups", "max_epochs", "max_groups", "quality_edges", "cluster_edges", "seed",
    "proxy_d_model", "proxy_n_layers", "proxy_context_length", "proxy_steps", "proxy_batch_size", "proxy_lr",
)  # fmt: skip
"""Fields that are identity of a small model; how many there are is none: more are trained beside those there are."""
MIX_FIELDS = (
    "by", "method", "temperature", "groups", "weights", "max_epochs", "n_tokens", "max_groups",
    "quality_edges", "cluster_edges", "seed", "learn",
)  # fmt: skip
"""Fields that are identity of the mixture, beside weights that were learnt."""
