"""GPT-2's printable alphabet: the character that stands for each byte in its files.

The visible characters of Latin-1 stand for themselves, the other 68 bytes for U+0100 onwards (a
space is `Ġ`). Hugging Face's `tokenizer.json` uses the same.
"""

from typing import Final

from lmcore.tokenizer.config import N_BYTES

_VISIBLE: Final = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}


def printable_bytes() -> list[str]:
    """Return the character of each byte, 0 to 255."""
    hidden = (byte for byte in range(N_BYTES) if byte not in _VISIBLE)
    stand_ins = {byte: chr(N_BYTES + n) for n, byte in enumerate(hidden)}
    return [stand_ins.get(byte, chr(byte)) for byte in range(N_BYTES)]


def from_printable(text: str) -> bytes:
    """Return the bytes that a token in this alphabet stands for.

    Raises:
        ValueError: where a character stands for no byte.
    """
    try:
        return bytes([_BYTES[character] for character in text])
    except KeyError as error:
        raise ValueError(f"the character {error} of {text!r}, which stands for no byte") from None


_BYTES: Final = {character: byte for byte, character in enumerate(printable_bytes())}
