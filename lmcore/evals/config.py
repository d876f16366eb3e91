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


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionConfig:
    """On how much text tokenizers are compared, and how many of the longest tokens are listed."""

    max_bytes: int = 1 << 18
    """bytes of each language in each set of texts (training split, validation split, all pages) that
    every tokenizer divides: the documents with the smallest doc_id"""
    train_bytes: int = 1 << 23
    """bytes of the training split on which the character and the word tokenizer are trained, chosen
    alike. The artifact's attributes say how many were read and how many there were"""
    n_longest: int = 20
    """tokens listed, the longest first"""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if self.max_bytes < 1 or self.train_bytes < 1 or self.n_longest < 1:
            msg = (
                f"Found max_bytes {self.max_bytes:,d}, train_bytes {self.train_bytes:,d}, "
                f"n_longest {self.n_longest:,d}; expected each to be at least 1."
            )
            raise ConfigError(msg)
