"""What makes one tokenizer differ from another: its size, its pre-token pattern, its specials.

Standard library only, so that a plan can be drawn without loading the tokenizer.
"""

from dataclasses import dataclass
from typing import Final

from lmcore.errors import ConfigError

N_BYTES: Final = 256
"""Every tokenizer starts from the 256 single bytes, so no text is out of vocabulary."""

END_OF_TEXT: Final = "<|endoftext|>"
SPECIAL_TOKENS: Final = (END_OF_TEXT, "<|user|>", "<|assistant|>", "<|end|>")

# Each pattern matches every character of every text, in order, exactly once.
_CONTRACTIONS = r"'(?:[sdmt]|ll|ve|re)"
_SPACES = r"\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_PREFIX = r"[^\r\n\p{L}\p{N}]?"
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PATTERNS: Final = {
    "digits": rf"{_CONTRACTIONS}| ?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+|{_SPACES}",
    "gpt2": rf"{_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|{_SPACES}",
    "cl100k": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    "o200k": (
        rf"{_PREFIX}{_UPPER}*{_LOWER}+{_SUFFIX}|{_PREFIX}{_UPPER}+{_LOWER}*{_SUFFIX}"
        rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|{_SPACES}"
    ),
}
"""Pre-token patterns by name: those of OpenAI's tokenizers, and GPT-2's with single digits."""

CUSTOM: Final = "regex:"
"""What the name of a pattern of one's own begins with; the regular expression follows."""

TIES: Final = ("greatest", "smallest")


def expression_of(pattern: str) -> str:
    """Return the regular expression of a pattern's name.

    Raises:
        KeyError: where there is no pattern of that name.
    """
    return pattern[len(CUSTOM) :] if pattern.startswith(CUSTOM) else PATTERNS[pattern]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerConfig:
    """Identity of a trained tokenizer.

    Raises:
        ConfigError: on a pattern that does not exist, specials that are empty, repeated or a
            single character, or a vocabulary too small for the bytes and the specials.
    """

    vocab_size: int = 4096
    """Number of ids in total: 256 bytes + merges + special tokens."""
    pattern: str = "digits"
    """Name of the pre-token pattern, a key of `PATTERNS`, or `regex:` and an expression.

    What an expression of one's own does not match becomes pre-tokens as well, so no text is lost.
    """
    special_tokens: tuple[str, ...] = SPECIAL_TOKENS
    """Control tokens, in the order of their ids (the last ids of the vocabulary)."""
    ties: str = "greatest"
    """Which of the pairs with the highest count is merged: the greatest pair of bytes (CS336), or
    the smallest pair of ids, bytes in the order that Hugging Face numbers them ("smallest")."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.pattern not in PATTERNS and not self.pattern.startswith(CUSTOM):
            raise ConfigError(
                f"found pattern {self.pattern!r}; expected one of {', '.join(sorted(PATTERNS))} "
                f"or {CUSTOM} and an expression; choose one of these names"
            )
        if self.ties not in TIES:
            raise ConfigError(
                f"found ties {self.ties!r}; expected one of {', '.join(TIES)}; choose one of these"
            )
        if len(set(self.special_tokens)) != len(self.special_tokens):
            raise ConfigError(
                f"found special_tokens {self.special_tokens}; expected each once; drop the repeats"
            )
        for special in self.special_tokens:
            if len(special) < 2:  # one character could be a byte of its own
                raise ConfigError(
                    f"found special token {special!r}; expected at least 2 characters; rename it"
                )
        smallest = N_BYTES + len(self.special_tokens)
        if self.vocab_size < smallest:
            raise ConfigError(
                f"found vocab_size {self.vocab_size:,d}; expected at least {smallest:,d} "
                f"(256 bytes and {len(self.special_tokens)} specials); raise it"
            )
