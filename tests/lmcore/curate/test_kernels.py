"""The compiled statistics are the reference's, to the last bit and type.

The kernels run as they are shipped; one slow test runs the heart of this file in a process where
every memory access of theirs is checked against its bounds.
"""

import gzip
import os
import random
import subprocess
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import cycle
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from lmcore.curate import statistics
from lmcore.curate.config import CurateConfig
from lmcore.curate.heuristics import measure_document
from lmcore.curate.statistics import Measurer
from lmcore.curate.words import FUNCTION_WORDS, GOPHER_STOP_WORDS

pytest.importorskip("numba")

from lmcore.curate.kernels import characters, phrases
from lmcore.curate.statistics_compiled import CompiledMeasurer
from lmcore.kernels import compiling

pytestmark = pytest.mark.timeout(300)  # the first test may wait for the compiler

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[3]
SHARED = Path(os.environ.get("C2M_SHARED_DATA", ROOT.parent / "shared" / "data"))

CONFIGS = [
    CurateConfig(),
    CurateConfig(
        c4_min_words_per_line=0,
        c4_max_word_chars=7,
        c4_drop_javascript_lines=False,
        fineweb_short_line_chars=0,
        refinedweb_drop_lines=True,
    ),
    CurateConfig(
        c4_min_words_per_line=5, c4_drop_policy_lines=False, c4_require_terminal_punctuation=True
    ),
]

# Whatever a rule looks at, characters of every kind, and blanks and breaks of all sorts.
PIECES = [
    *" \n\n\n.,;:!?…\"'”’)]»([{#-*•‣aAzZ1_",
    *("  ", "\n\n", "\r\n", "\t", "\0", "\x0b", "\x1c", "\x85", "\xa0", "\u2028", "\u3000"),
    *("...", "....", ". ", '."', '.")) ', '."’)] ', "?!", "。", "！", "।", "؟", "a.b"),
    *(
        "[1]",
        "[12",
        "[edit]",
        "[citation needed]",
        "[citation needed",
        "[١٢]",
        "[1234567890]",
        "]]",
    ),
    *(
        "javascript",
        "JavaScript",
        "privacy policy",
        "terms of use",
        "use coo\u212aies",
        "Uses Cookies",
    ),
    *(
        "lorem ipsum",
        "LOREM IPSUM",
        "lorem\nipsum",
        "javascrİpt",
        "cookie policy",
        "use of cookies",
    ),
    *("the", "The", "and,", "(of)", "to", "have", "with", "that", "be", "und", "हुन्छ", "।हुन्छ,", "и"),
    *"éÉßſK\u212aЖж中日々ーカ한ก\u0e31ข\u0e33ກ\u0eb1ခ\u102bក\u17b4ʰǅ\u0301\ufeff٣①Ⅷ½²İ﷽😀\U00010400\U0001d7ce",
    *(
        "ไทย",
        "ភាសា",
        "မြန်မာ",
        "老灯塔",
        "東京へ",
        "e\u0301",
        "\ud800",
        "\udfff",
        "\ud83d\ude00",
        "\U0010ffff",
    ),
    *(
        "3 likes",
        "1,2.3K Views",
        "\n12 shares\n",
        "Sign-In",
        "\nlog in",
        "READ more...\n",
        "read more",
    ),
    *("item in cart", "Items in cart", "\nHOME\n", "BREAKING NEWS", "\n12 34\n", "7 likes."),
    *("word", "sixteen-byte-wor", "fifteen-byte-wo", "a much longer line of words goes here.\n"),
    *("x" * 30, "é" * 8, "so it goes, and so it goes, and so", "\nA line.\n", "\n \n", "• item\n"),
]


@cache
def measurer(number: int) -> CompiledMeasurer:
    return CompiledMeasurer(CONFIGS[number])


def check(texts: Sequence[str], languages: Sequence[str], number: int = 0) -> None:
    """Assert that both ways measure the same; floats by their repr, so types count too."""
    found = measurer(number).measure(texts, languages)
    assert len(found) == len(texts)
    for text, language, measured in zip(texts, languages, found, strict=True):
        expected = measure_document(text, language, CONFIGS[number])
        assert repr(measured) == repr(expected), (text[:1000], language, number)


def nasty_text(state: random.Random) -> str:
    """Return a text of a few kinds of pieces, some of it again."""
    few = state.choice([1, 2, 3, 5, 8, len(PIECES)])
    pieces = state.sample(PIECES, few)
    parts = state.choices(pieces, k=state.choice([0, 1, 2, 5, 20, 60, 200]))
    blank = state.choice(["", "", " "])
    text = blank.join(parts)
    if state.random() < 0.3:
        text = state.choice([" ", "\n", "\n\n", ". "]).join([text] * state.choice([2, 3, 9]))
    return text


LANGUAGES = [*FUNCTION_WORDS, "zh", "th", "xx", "und"]


def check_nasty_documents(state: random.Random, n_batches: int) -> None:
    for _ in range(n_batches):
        texts = [nasty_text(state) for _ in range(state.choice([1, 2, 7, 20]))]
        languages = state.choices([*LANGUAGES, *["en"] * 20], k=len(texts))
        check(texts, languages, state.randrange(len(CONFIGS)))


def test_measure_nasty_documents_equals_reference() -> None:
    check_nasty_documents(random.Random(1), 40)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_measure_a_hundred_thousand_nasty_documents_equals_reference() -> None:
    check_nasty_documents(random.Random(2), 14_000)


CONTEXTS = ("a{0}b {0} .{0} {0}.\n{0}the{0} [1{0}]x", "{0}{0}ก{0}ั {0}the\n", "co{0} ab{0}cd{0}")


def check_code_points(codes: Sequence[int], numbers: Iterable[int] = range(len(CONFIGS))) -> None:
    for number in numbers:
        texts = [context.format(chr(code)) for code in codes for context in CONTEXTS]
        check(texts, ["en"] * len(texts), number)


def test_measure_code_points_of_all_kinds_equals_reference() -> None:
    flags = characters.character_flags()
    _, rare = np.unique(flags, return_index=True)  # the first of each combination of flags
    check_code_points(sorted({*rare.tolist(), *range(0, 0x110000, 40_009)}))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_measure_every_assigned_code_point_equals_reference() -> None:
    """Those that Unicode has not assigned have the flags of others, which another test compares."""
    codes = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in {"Cn", "Co", "Cs"}]
    assert len(codes) > 140_000
    for block, start in enumerate(range(0, len(codes), 500)):
        check_code_points(codes[start : start + 500], [block % len(CONFIGS)])


GIANTS = {
    "empty": "",
    "blank": " \t\n" * 100,
    "line breaks": "\n" * 20_000,
    "one letter": "a" * 60_000,
    "one line": "so it goes " * 2_000,
    "equal words": "word " * 2_000,
    "unequal words": " ".join(map(str, range(10_000))),
    "equal lines": "the same line again\n" * 2_000,
    "blank lines": "\n".join(" " * (k % 7) for k in range(5_000)),
    "unequal paragraphs": "\n\n".join(map(str, range(6_000))),
    "brackets": "a b c " + "[" * 2_000 + "]" * 2_000,
    "closed brackets": "a b c " + "[1]" * 2_000,
    "dots": "." * 20_000,
    "closers": "." + ")" * 20_000,
    "Chinese": "老灯塔" * 2_000,
    "Thai marks": "ก" + "\u0e31" * 20_000,
    "NUL": "\0" * 2_000,
    "surrogates": "\ud800 \udfff" * 2_000,
    "astral": "😀" * 2_000,
    "CRLF": "a line of words.\r\n" * 2_000,
    "anchors": "vkm" * 2_000,
}


@pytest.mark.parametrize("name", GIANTS)
def test_measure_giant_document_equals_reference(name: str) -> None:
    check([GIANTS[name]], ["en"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_measure_a_million_equal_words_equals_reference() -> None:
    check(["word " * 1_000_000, "a\n" * 1_000_000], ["en", "en"])


def test_measure_any_batches_give_the_same() -> None:
    state = random.Random(3)
    texts = [nasty_text(state) for _ in range(60)]
    languages = state.choices(LANGUAGES, k=60)
    together = measurer(0).measure(texts, languages)
    assert measurer(0).measure([], []) == []
    for size in (1, 7, 59):
        apart = []
        for start in range(0, 60, size):
            batch = slice(start, start + size)
            apart += measurer(0).measure(texts[batch], languages[batch])
        assert apart == together
    order = state.sample(range(60), 60)
    shuffled = measurer(0).measure([texts[k] for k in order], [languages[k] for k in order])
    assert shuffled == [together[k] for k in order]


def test_measure_cleaned_text_is_cleaned_already() -> None:
    state = random.Random(4)
    for number in range(len(CONFIGS)):
        texts = [nasty_text(state) for _ in range(100)]
        once = measurer(number).measure(texts, ["en"] * 100)
        twice = measurer(number).measure([found.page.text for found in once], ["en"] * 100)
        assert [found.page.text for found in twice] == [found.page.text for found in once]
        assert not any(found.page.n_lines_removed for found in twice)


def test_measure_every_stop_word_of_every_language_is_found() -> None:
    for language, words in FUNCTION_WORDS.items():
        listed = GOPHER_STOP_WORDS if language == "en" else words
        text = " ".join(f"«{word}…" for word in sorted(listed)) + " " + " ".join(words)
        (found,) = measurer(0).measure([text], [language])
        assert found.quality.n_stop_words == len({word.strip("'") for word in listed} & listed)
        check([text, text], [language, "fi"])


@pytest.mark.parametrize("text", ["日the the", "the日 the to", "the 日the and", "ก the日 日 the"])
def test_measure_stop_word_joined_to_a_script_without_blanks_is_none(text: str) -> None:
    check([text], ["en"])


def shared_texts() -> Iterator[list[str]]:
    for path in sorted((SHARED / "text").iterdir()):
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            column = next(name for name in ("text", "story") if name in table.column_names)
            yield [text for text in table[column].to_pylist() if text]
        elif path.name.endswith(".txt.gz"):
            yield [gzip.decompress(path.read_bytes()).decode(errors="replace")]


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.skipif(not (SHARED / "text").is_dir(), reason="the shared data is not here")
def test_measure_real_texts_equals_reference() -> None:
    n_texts = 0
    for texts in shared_texts():
        languages = [code for _, code in zip(texts, cycle(["en", "de", "ru", "zh"]), strict=False)]
        for start in range(0, len(texts), 100):
            batch = slice(start, start + 100)
            check(texts[batch], languages[batch])
        n_texts += len(texts)
    assert n_texts > 1000


def test_character_flags_are_what_python_says() -> None:
    flags = characters.character_flags()
    every = [chr(code) for code in range(0x110000)]
    kinds = flags & characters.KIND
    assert (kinds == characters.SPACE).tolist() == [c.isspace() for c in every]
    digits = (flags & characters.DIGIT != 0).tolist()
    assert digits == [c.isdecimal() for c in every]
    letters = [c.isalnum() and not digit for c, digit in zip(every, digits, strict=True)]
    assert (flags & characters.LETTER != 0).tolist() == letters


def test_phrases_lower_case_of_other_characters_makes_none() -> None:
    """Why the kernels may look at ASCII letters and the sign for kelvin alone."""
    beyond = map(chr, range(0x80, 0x110000))
    becomes_ascii = {c for c in beyond if (low := c.lower()) != c and min(low) < "\x80"}
    assert becomes_ascii == {"\u212a", "İ"}  # the second to an i and a dot above it
    letters, rows = phrases.phrase_tables()
    for anchor, _, before, behind, start in rows.tolist():
        rest = letters[start : start + before + behind].tobytes().decode()
        assert chr(anchor) in characters.ANCHORS
        assert "k" not in rest
        assert not rest.endswith("i")  # what precedes the dot above may end no phrase


def test_measurer_little_text_loads_no_kernels() -> None:
    code = (
        "import sys\n"
        "from lmcore.curate.config import CurateConfig\n"
        "from lmcore.curate.statistics import Measurer\n"
        "Measurer(CurateConfig()).measure(['some text'] * 1000, ['en'] * 1000)\n"
        "raise SystemExit('numba' in sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment)
    assert done.returncode == 0


def test_is_worth_while_between_the_thresholds_where_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warm, cold = statistics.WARM_CHARS, statistics.COLD_CHARS
    monkeypatch.setattr(compiling, "is_compiled", lambda *_: False)
    assert [statistics.is_worth_while(n) for n in (warm, warm + 1, cold, cold + 1)] == [0, 0, 0, 1]
    monkeypatch.setattr(compiling, "is_compiled", lambda *_: True)
    assert [statistics.is_worth_while(n) for n in (warm, warm + 1)] == [False, True]
    monkeypatch.setattr(compiling, "is_installed", lambda: False)
    assert not statistics.is_worth_while(cold + 1)


def test_measurer_goes_over_to_kernels_and_measures_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statistics, "WARM_CHARS", 500)
    monkeypatch.setattr(statistics, "COLD_CHARS", 500)
    measured = Measurer(CONFIGS[0])
    texts = ["so it goes. " * 20] * 4
    for _ in range(3):
        expected = [measure_document(text, "en", CONFIGS[0]) for text in texts]
        assert measured.measure(texts[:1], ["en"]) == expected[:1]
        assert measured.measure(texts, ["en"] * 4) == expected
    assert measured._compiled is not None


CHECKED = """
import random
from lmcore.kernels import compiling
import test_kernels as fuzz

assert compiling.CHECKED
fuzz.check_nasty_documents(random.Random(5), 400)
fuzz.check_code_points(range(0, 0x110000, 997))
fuzz.test_measure_any_batches_give_the_same()
fuzz.test_measure_every_stop_word_of_every_language_is_found()
for text in fuzz.GIANTS.values():
    fuzz.check([text, text], ["en", "de"])
    fuzz.check([text[:k] for k in range(60)], ["en"] * 60, 1)
print("checked")
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fuzz_with_every_memory_access_checked() -> None:
    environment = {
        **os.environ,
        "NUMBA_BOUNDSCHECK": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT)]),
    }
    assert not compiling.CHECKED
    done = subprocess.run(
        [sys.executable, "-c", CHECKED], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "checked\n"
