"""The normal form of each character, in a table: what `lmcore.dedup.normalize` makes of it.

The normal form of a text is, but for three things, the forms of its characters one after another:

1. Capital sigma has another form at the end of a word; `normal` looks at its neighbours,
   for which a second table says which characters are cased and which are passed over.
2. NFC puts combining marks in order. Marks that come in order already (each class, `CLASS_SHIFT`,
   not below the one before) stay where they are.
3. NFC composes a first and a second character into one. Where a `SECOND` does not follow a
   `FIRST` (marks and dropped characters between them aside) nothing is composed. Latin, Greek and
   Cyrillic accents do not count, for they are dropped.

A text in which marks are out of order, or a second follows a first, is *hard*: Python normalises
it. So is one with a character whose form does not fit an entry. On real pages that is one in
thousands: decomposed kana, Hangul and Bengali vowels.

Built from `unicodedata` and `normalize` themselves in 0.6 s and kept beside the machine code.
"""

import functools
import hashlib
import inspect
import os
import unicodedata
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from lmcore.dedup import normalize, shingles
from lmcore.kernels.compiling import cache_directory, inlined
from lmcore.kernels.memory import Span, load8

# An entry, 64 bits: 3 of the form's length in bytes (0 to 6), five flags, the class of its last
# character, and up to six bytes of UTF-8.
HARD: Final = 7
"""In place of a length: Python has to look at the text."""
LENGTH_MASK: Final = 7
STARTS: Final = 1 << 3
"""The form does not act on what is before it: no combining mark, no second of a pair."""
SPACE: Final = 1 << 4
UNSPACED: Final = 1 << 5
"""A word of its own: its script writes no spaces."""
FIRST: Final = 1 << 6
SECOND: Final = 1 << 7
CLASS_SHIFT: Final = 8
CLASS_MASK: Final = 255
FORM_SHIFT: Final = 16
SPACE_ENTRY: Final = 0x20 << FORM_SHIFT | SPACE | STARTS | 1
_FORM_BYTES: Final = 6

CASED: Final = 1
IGNORED: Final = 2
"""Passed over where the neighbours of a capital sigma are looked for."""
SIGMA, SMALL_SIGMA, FINAL_SIGMA = 0x3A3, 0x3C3, 0x3C2

_N_CODE_POINTS: Final = 0x110000
_SPACES: Final = frozenset({"Cc", "Cn", "Co", "Cs", "Zs", "Zl", "Zp"})
"""Categories of which a character becomes a space, if it is not dropped."""
_EXPANSION: Final = 2
"""A form, with the spaces around it, has at most so many times the bytes of its character."""


# Test runs wrap every function in a check of its types: a minute, for a million characters.
_form_of = inspect.unwrap(normalize.form_of)
_is_unspaced = inspect.unwrap(shingles.is_unspaced)


class FormTable(NamedTuple):
    """forms: an entry for each code point (uint64); kinds: CASED or IGNORED (uint8)."""

    forms: np.ndarray
    kinds: np.ndarray


@functools.cache
def form_table() -> FormTable:
    """Return the tables of this Python's version of Unicode; pages that no text needs stay on disk."""
    folder = cache_directory(Path(__file__).parent)
    name = f"forms-{unicodedata.unidata_version}-{_source_digest()}"
    paths = [folder / f"{name}-{field}.npy" for field in FormTable._fields]
    built: FormTable | None = None
    if not all(path.exists() for path in paths):
        built = build_forms()
        for path, array in zip(paths, built, strict=True):
            _keep(path, array)
    try:
        loaded = FormTable(*(np.asarray(np.load(path, mmap_mode="r")) for path in paths))
        if {array.shape for array in loaded} == {(_N_CODE_POINTS,)}:
            return loaded
    except (OSError, ValueError, EOFError):
        pass  # no folder to keep them in, or cut short
    return built or build_forms()


def _source_digest() -> str:
    """Return what changes where the definition of the forms does."""
    folder = Path(__file__).parents[1]
    sources = (folder / "normalize.py").read_bytes() + (folder / "shingles.py").read_bytes()
    return hashlib.sha256(sources).hexdigest()[:12]


def _keep(path: Path, array: np.ndarray) -> None:
    """Write a table aside and rename it, or leave it where that cannot be."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.save(file, array)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)


def build_forms() -> FormTable:
    """Return the tables, from one look at every code point."""
    firsts, seconds = _composing()
    forms = np.full(_N_CODE_POINTS, SPACE_ENTRY, np.uint64)
    kinds = np.zeros(_N_CODE_POINTS, np.uint8)
    entry, kind = inspect.unwrap(_entry), inspect.unwrap(_kind)
    for code in range(_N_CODE_POINTS):
        character = chr(code)
        if unicodedata.category(character) in _SPACES and _form_of(character):
            continue
        forms[code] = entry(character, firsts, seconds)
        kinds[code] = kind(character)
    forms.flags.writeable = kinds.flags.writeable = False
    return FormTable(forms, kinds)


def _composing() -> tuple[frozenset[str], frozenset[str]]:
    """Return the characters that begin and that end a pair which NFC makes one character.

    Pairs whose second is dropped from every text are left out.
    """
    pairs = []
    for character in map(chr, range(_N_CODE_POINTS)):
        decomposition = unicodedata.decomposition(character)
        if not decomposition or "<" in decomposition:
            continue
        parts = [chr(int(code, 16)) for code in decomposition.split()]
        if len(parts) == 2 and unicodedata.normalize("NFC", character) == character:
            pairs.append((parts[0], parts[1]))
    kept = [pair for pair in pairs if _form_of(pair[1])]
    jamo = [(0x1100, 19), (0x1161, 21), (0x11A8, 27)]  # leading, vowel, trailing
    leading, vowel, trailing = ({chr(at + k) for k in range(n)} for at, n in jamo)
    without_trailing = {chr(code) for code in range(0xAC00, 0xD7A4, 28)}
    firsts = {first for first, _ in kept} | leading | without_trailing
    seconds = {second for _, second in kept} | vowel | trailing
    return frozenset(firsts), frozenset(seconds)


def _entry(character: str, firsts: frozenset[str], seconds: frozenset[str]) -> int:
    """Return the entry of one character."""
    if ord(character) == SIGMA:
        return HARD
    decomposed = unicodedata.normalize("NFD", character.lower())
    composed = unicodedata.normalize("NFC", "".join(map(_form_of, decomposed)))
    form = composed.lower()
    data = form.encode()
    if form in ("", " "):
        return SPACE_ENTRY if form else 0
    unspaced = _is_unspaced(form)
    order = unicodedata.combining(composed[0])
    starts = not order and composed[0] not in seconds
    fits = len(data) <= _FORM_BYTES
    fits &= len(data) + 2 * unspaced <= _EXPANSION * len(character.encode())
    if not fits or " " in form or (len(composed) > 1 and (unspaced or not starts)):
        return HARD
    starters = [each for each in composed if not unicodedata.combining(each)]
    return (
        len(data)
        | (STARTS if starts else 0)
        | (UNSPACED if unspaced else 0)
        | (FIRST if starters and starters[-1] in firsts else 0)
        | (SECOND if composed[0] in seconds else 0)
        | unicodedata.combining(composed[-1]) << CLASS_SHIFT
        | int.from_bytes(data, "little") << FORM_SHIFT
    )


def _kind(character: str) -> int:
    """Return what a character is to a capital sigma, as `str.lower` shows it."""
    if f"a\u03a3{character}".lower()[1] == "\u03c3":
        return CASED
    return IGNORED if f"a\u03a3{character}a".lower()[1] == "\u03c3" else 0


@inlined
def decode(text: Span, here: int, stop: int) -> tuple[int, int]:
    """Return (code point, bytes) of the character at `here`; a byte that is no UTF-8 is (-1, 1)."""
    first = load8(text, here)
    if first < 0x80:
        return first, 1
    # The padding may be read, and what lies behind `stop` is no part of a character.
    second, third = load8(text, here + 1) ^ 0x80, load8(text, here + 2) ^ 0x80
    if first < 0xC2 or second > 0x3F or here + 2 > stop:
        return -1, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | second, 2
    if third > 0x3F or here + 3 > stop:
        return -1, 1
    if first < 0xF0:
        code = (first & 0x0F) << 12 | second << 6 | third
        is_valid = code >= 0x800 and code >> 11 != 0x1B  # neither overlong nor a surrogate
        return (code, 3) if is_valid else (-1, 1)
    fourth = load8(text, here + 3) ^ 0x80
    code = (first & 0x07) << 18 | second << 12 | third << 6 | fourth
    if fourth > 0x3F or here + 4 > stop or first > 0xF4 or not 0x10000 <= code < 0x110000:
        return -1, 1
    return code, 4
