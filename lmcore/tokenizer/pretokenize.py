r"""Text to pre-tokens: the pieces inside which BPE merges, and across which it never does.

Special tokens are cut out first (longest first where they overlap), then a regular expression
divides what is between them. `stream_pretokens` does so over chunks of any size and yields what
one pass over the joined text would: it stops at the last place of a block where a pre-token starts
whatever comes before and after, and where no special token can be half there.

Such a place is a blank behind a visible ASCII character, or any character but a letter, a mark or
an apostrophe behind a letter: in all `PATTERNS`, no rule matches across it. A pattern of one's own
is not known well enough to be cut anywhere.

Cost: one pass of the `regex` engine, about 6.5 MB/s on one core for English; memory one block of
16 Ki characters or twice the longest piece without such a place, whichever is more.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final

import regex

from lmcore.errors import InputError
from lmcore.tokenizer.config import CUSTOM, PATTERNS, expression_of

BLOCK_CHARS: Final = 1 << 14
"""Characters cut in one call of the regex engine: bounds the list of pre-tokens alive at once."""

_BEFORE_BLANK: Final = regex.compile(r"(?r)(?<=[!-~]) ")
_BEHIND_LETTER: Final = regex.compile(r"(?r)(?<=\p{L})[^\p{L}\p{M}']")


@cache
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """Return the compiled pattern of that name."""
    try:
        return regex.compile(expression_of(pattern))
    except (KeyError, regex.error) as error:
        raise InputError(
            f"found pattern {pattern!r} ({error}); expected one of {', '.join(sorted(PATTERNS))} "
            f"or {CUSTOM} and an expression; choose one of these names"
        ) from error


@cache
def compile_specials(special_tokens: tuple[str, ...]) -> regex.Pattern[str]:
    """Return a pattern that finds special tokens, the longest where several start together."""
    longest_first = sorted(special_tokens, key=lambda special: (-len(special), special))
    # `(?!)` never matches: without specials nothing is special.
    return regex.compile("|".join(map(regex.escape, longest_first)) or "(?!)")


def pieces(expression: regex.Pattern[str], text: str) -> list[str]:
    """Return the matches of an expression and what it leaves out between them, in order."""
    found: list[str] = []
    end = 0
    for match in expression.finditer(text):
        if match.start() > end:
            found.append(text[end : match.start()])
        if match.end() > match.start():
            found.append(match.group())
        end = match.end()
    return [*found, text[end:]] if end < len(text) else found


def last_cut(text: str, start: int, stop: int) -> int:
    """Return the last place in start + 1 .. stop - 1 to cut at, or `start` where none is."""
    for places in (_BEFORE_BLANK, _BEHIND_LETTER):
        match = places.search(text, start, stop)
        if match is not None and match.start() > start:
            return int(match.start())
    return start


def stream_pretokens(
    chunks: Iterable[str], pattern: str, special_tokens: Sequence[str] = ()
) -> Iterator[tuple[list[str], str | None]]:
    """Yield (pre-tokens, the special token after them or None) for the joined chunks, in order.

    The pre-tokens and specials, joined, are the text. How the text is cut into chunks never
    changes them; how they are grouped into lists is not promised.
    """
    expression = compile_pattern(pattern)
    is_custom = pattern.startswith(CUSTOM)
    for text, special in stream_texts(chunks, special_tokens, can_cut=not is_custom):
        yield pieces(expression, text) if is_custom else expression.findall(text), special


def stream_texts(
    chunks: Iterable[str], special_tokens: Sequence[str], *, can_cut: bool
) -> Iterator[tuple[str, str | None]]:
    """Yield (text, the special token after it or None): pieces that can be divided on their own."""
    find_specials = compile_specials(tuple(special_tokens)).finditer
    # A special is certain once the longest one could be seen whole from where it starts.
    overhang = max((len(special) for special in special_tokens), default=1) - 1
    parts: list[str] = []
    n_waiting, enough = 0, BLOCK_CHARS
    for chunk in chunks:
        parts.append(chunk)
        n_waiting += len(chunk)
        if n_waiting < enough:
            continue
        text, start = "".join(parts), 0
        certain = len(text) - overhang
        for match in find_specials(text):
            if match.start() >= certain:
                break
            yield text[start : match.start()], match.group()
            start = match.end()
        end = last_cut(text, start, certain) if can_cut and start < certain else start
        if end > start:
            yield text[start:end], None
        parts, n_waiting = [text[end:]], len(text) - end
        enough = max(BLOCK_CHARS, 2 * n_waiting)  # a giant pre-token is scanned O(1) times a byte
    text, start = "".join(parts), 0
    for match in find_specials(text):
        yield text[start : match.start()], match.group()
        start = match.end()
    if start < len(text):
        yield text[start:], None


def text_pretokens(
    text: str, pattern: str, special_tokens: Sequence[str] = ()
) -> Iterator[tuple[list[str], str | None]]:
    """Yield what `stream_pretokens` yields for one text, a block at a time."""
    blocks = (text[i : i + BLOCK_CHARS] for i in range(0, len(text), BLOCK_CHARS))
    return stream_pretokens(blocks, pattern, special_tokens)


def encode_utf8(text: str) -> bytes:
    """Return the UTF-8 bytes of a text.

    Raises:
        InputError: where the text holds half of a surrogate pair, which has no UTF-8 form.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"found the lone surrogate U+{ord(text[error.start]):04X} at character "
            f"{error.start:,d} of a text; expected text that UTF-8 can hold; "
            "decode the source with errors='replace'"
        ) from error
