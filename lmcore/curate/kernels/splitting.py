"""Words of a text, one character after another, as `lmcore.curate.words.split_words` splits it."""

from typing import Final

from lmcore.curate.kernels.characters import (
    FIRST_LETTER,
    KIND,
    N_SCRIPTS,
    SOLO,
    SPACE,
    character,
    flags_of,
)
from lmcore.kernels.compiling import called, inlined
from lmcore.kernels.memory import Span

# What a word is while it may go on: none yet, a run of characters, or the kind of a character of
# a script without blanks, which only marks of that script follow.
NO_WORD: Final = 0
RUN: Final = 1
FIRST_MARK: Final = FIRST_LETTER + N_SCRIPTS


@inlined
def word_with(word: int, kind: int) -> tuple[int, bool]:
    """Return what the word is with one more character, and whether the character begins it."""
    if SOLO <= kind < FIRST_MARK:
        return kind, True
    if kind >= FIRST_MARK and kind - N_SCRIPTS == word:
        return word, False
    return RUN, word != RUN


@inlined
def next_word(text: Span, here: int, stop: int, flags: Span) -> tuple[int, int, int]:
    """Return (first byte, byte behind it, characters) of the next word; none: no characters."""
    start, n_chars, word = here, 0, NO_WORD
    while here < stop:
        code, width = character(text, here)
        kind = flags_of(code, flags) & KIND
        if kind == SPACE:
            if n_chars:
                break
        elif kind or word != RUN:
            word, begins = word_with(word, kind)
            if begins:
                if n_chars:
                    break
                start = here
            n_chars += 1
        else:
            n_chars += 1
        here += width
    return start, here, n_chars


@called
def longest_word(text: Span, here: int, stop: int, flags: Span) -> int:
    """Return the characters of the longest word."""
    longest = 0
    while here < stop:
        _, here, n_chars = next_word(text, here, stop, flags)
        longest = max(longest, n_chars)
    return longest
