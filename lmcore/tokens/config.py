"""How documents become shards: the size of a shard and the share held out for validation.

Standard library only, so that a plan can be drawn without loading numpy.
"""

from dataclasses import dataclass

from lmcore.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensConfig:
    """Identity of a set of token shards.

    Raises:
        ConfigError: on a fraction outside (0, 1), a shard without tokens or a negative seed.
    """

    validation_fraction: float = 0.02
    """Share of the distinct documents held out, decided by the hash of their text."""
    shard_tokens: int = 1 << 22
    """Most tokens in a shard, unless one document alone is longer."""
    seed: int = 0
    """Salt of the hash that decides the split, 0 to 2^64 - 1."""

    def __post_init__(self) -> None:
        """Refuse what cannot be written."""
        if not 0.0 < self.validation_fraction < 1.0:
            raise ConfigError(
                f"found validation_fraction {self.validation_fraction}; "
                "expected more than 0 and less than 1; choose for example 0.02"
            )
        if self.shard_tokens < 1:
            raise ConfigError(
                f"found shard_tokens {self.shard_tokens:,d}; expected at least 1; "
                "choose for example 4194304"
            )
        if not 0 <= self.seed < 1 << 64:
            raise ConfigError(
                f"found seed {self.seed}; expected 0 to 2^64 - 1; choose a smaller number"
            )
