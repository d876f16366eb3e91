"""What the evaluation measures. Standard library only."""

from dataclasses import dataclass

from lmcore.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig:
    """Held-out bits per byte, the n-gram baseline, and samples."""

    max_validation_tokens: int = 65_536
    """validation tokens scored by the model and by the n-gram baseline"""
    ngram_order: int = 5
    """order of the Kneser-Ney baseline"""
    ngram_train_tokens: int = 0
    """training tokens the baseline is counted on, from the start of the shards; 0 = all of them.
    Counting takes 0.1 GB of memory and 2 s a million tokens (measured at order 5 to 4 M tokens):
    above 100 M tokens, 10 GB, a limit may be needed, and the baseline is then the weaker for it.
    The artifact's attributes say how many tokens were counted and how many there were"""
    generations: int = 6
    """samples of the pretrained model"""
    generation_tokens: int = 80
    """tokens of each sample"""
    temperature: float = 0.7
    """sampling temperature"""
    top_p: float = 0.95
    """nucleus of the sampling distribution"""
    seed: int = 0
    """seed of the samples"""
    threads: int = 2
    """threads of the model's arithmetic: they change last bits, so they are identity"""
    max_sources: int = 12
    """hosts reported one by one; the rest are summed as "other" """

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.ngram_order < 1 or self.generations < 1 or self.threads < 1:
            msg = (
                f"Found ngram_order {self.ngram_order}, generations {self.generations}, threads "
                f"{self.threads}; expected each to be at least 1."
            )
            raise ConfigError(msg)
        if self.ngram_train_tokens < 0:
            msg = (
                f"Found ngram_train_tokens {self.ngram_train_tokens:,d}; expected 0 (all training "
                "tokens) or how many to count; choose one."
            )
            raise ConfigError(msg)
