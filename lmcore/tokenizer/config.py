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

# Each pattern matches every character of every text, in order, exactly once. Beyond the end of
# a match it looks at no more than LOOKAHEAD characters; streaming relies on both.
_CONTRACTIONS = r"'(?:[sdmt]|ll|ve|re)"
_SPACES = r"\s+(?!\S)|\s+"
PATTERNS: Final = {
    "digits": rf"{_CONTRACTIONS}| ?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+|{_SPACES}",
    "gpt2": rf"{_CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|{_SPACES}",
}
"""Pre-token patterns by name: GPT-2's, and GPT-2's with every digit on its own."""

LOOKAHEAD: Final = 2
"""Characters after a pre-token that can still change where it ends (an apostrophe needs two)."""


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
    """Name of the pre-token pattern, a key of `PATTERNS`."""
    special_tokens: tuple[str, ...] = SPECIAL_TOKENS
    """Control tokens, in the order of their ids (the last ids of the vocabulary)."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.pattern not in PATTERNS:
            raise ConfigError(
                f"found pattern {self.pattern!r}; expected one of {', '.join(sorted(PATTERNS))}; "
                "choose one of these names"
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
