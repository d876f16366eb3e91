import random
from collections import Counter

import pytest

from lmcore.curate.config import CurateConfig
from lmcore.curate.heuristics import (
    NO_STOP_WORD_LIST,
    c4_statistics,
    fineweb_statistics,
    quality_statistics,
    repetition_statistics,
)
from lmcore.curate.line_rules import clean_lines
from lmcore.curate.words import split_words


def reference_repetition(text: str) -> dict[str, float]:
    """Gopher's repetition statistics by their definition, each n-gram length on its own."""
    words = text.split()
    n_chars = len(text.strip())
    shares = {}
    for n in range(2, 11):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        if n <= 4:
            lengths = [
                count * len(" ".join(gram))
                for gram, count in Counter(grams).items()
                if count > 1 and count == max(Counter(grams).values())
            ]
            shares[f"top_{n}gram_chars"] = min(max(lengths, default=0) / n_chars, 1.0)
            continue
        seen = set()
        repeated = i = 0
        while i < len(grams):
            if grams[i] in seen:
                repeated += len("".join(grams[i]))
                i += n
            else:
                seen.add(grams[i])
                i += 1
        shares[f"duplicate_{n}gram_chars"] = repeated / n_chars
    return shares


@pytest.mark.parametrize("seed", range(60))
def test_repetition_statistics_random_text_equals_the_reference(seed: int) -> None:
    rng = random.Random(seed)
    vocabulary = ["a", "bb", "ccc", "dd", "eeeee", "f"][: rng.randint(1, 6)]
    text = " ".join(rng.choices(vocabulary, k=rng.randint(1, 120)))
    phrase = " ".join(
        rng.choices(["the", "cat", "sat", "on", "a", "mat", "x"], k=rng.randint(5, 14))
    )
    for _ in range(rng.randint(0, 4)):
        text += f" w{rng.random()} {phrase}"
    measured = repetition_statistics(text)._asdict()
    for name, share in reference_repetition(text).items():
        assert measured[name] == pytest.approx(share, abs=1e-12), name


def test_repetition_statistics_repeated_lines_count_from_the_second_on() -> None:
    statistics = repetition_statistics("aaaa\nbbbb\naaaa\naaaa\n\ncccc\n\ncccc")
    assert statistics.duplicate_lines == 3 / 6
    assert statistics.duplicate_line_chars == 12 / 31
    assert statistics.duplicate_paragraphs == 1 / 3
    assert statistics.duplicate_paragraph_chars == 4 / 31


def test_statistics_empty_or_blank_text_is_all_zero() -> None:
    for text in ("", " \n\n "):
        assert set(repetition_statistics(text)) == {0}
        assert set(quality_statistics(text, "en")) == {0}
        assert set(fineweb_statistics(text, 30)) == {0}
        assert c4_statistics(text, text) == (0, False, False)


def test_quality_statistics_known_text_has_known_values() -> None:
    text = "- The cat, and the dog...\n• 12 # to\nend of it…"
    statistics = quality_statistics(text, "en")
    assert statistics.n_words == 13
    assert statistics.mean_word_length == pytest.approx(sum(map(len, text.split())) / 13)
    assert statistics.hash_ratio == 1 / 13
    assert statistics.ellipsis_ratio == 2 / 13
    assert statistics.bullet_lines == 2 / 3
    assert statistics.ellipsis_lines == 2 / 3
    assert statistics.alphabetic_words == 9 / 13
    assert statistics.n_stop_words == 4  # the, and, to, of: once each


def test_quality_statistics_stop_words_follow_the_language() -> None:
    german = "Der Hund und die Katze sind nicht mit dem Ball auf der Wiese"
    assert quality_statistics(german, "de").n_stop_words >= 6
    assert quality_statistics(german, "en").n_stop_words == 0
    assert quality_statistics(german, "xx").n_stop_words == NO_STOP_WORD_LIST
    assert quality_statistics("老灯塔", "zh").n_stop_words == NO_STOP_WORD_LIST


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("two words", ["two", "words"]),
        ("老灯塔 AI看守", ["老", "灯", "塔", "AI", "看", "守"]),
        ("東京へ", ["東", "京", "へ"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("naïve café", ["naïve", "café"]),
        ("", []),
    ],
)
def test_split_words_scripts_without_blanks_give_characters(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_c4_statistics_sentences_and_flags_are_found() -> None:
    text = 'One. Two! "Three?" Version 2.5 is out\nno full stop here\nLOREM Ipsum {'
    statistics = c4_statistics(text, text)
    assert statistics.n_sentences == 6
    assert statistics.has_lorem_ipsum
    assert statistics.has_curly_bracket
    assert c4_statistics("一。二！三？", "一。二！三？").n_sentences == 3


def test_fineweb_statistics_known_text_has_known_values() -> None:
    text = "short\nA line that is longer than thirty characters.\nshort\nshort"
    statistics = fineweb_statistics(text, 30)
    assert statistics.terminal_punctuation_lines == 1 / 4
    assert statistics.short_lines == 3 / 4
    assert statistics.line_duplicate_chars == pytest.approx(10 / len(text.replace("\n", "")))
    assert statistics.newlines_per_word == 3 / 11


KEPT_LINE = "This line holds enough words to stay."


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        ("two words", False),
        ("three small words", True),
        ("Please enable JavaScript to read this page.", False),
        ("By reading you accept our Cookie Policy today.", False),
        ("a b " + "x" * 1001, False),
        ("a b " + "x" * 1000, True),
        ("老灯塔", True),
    ],
)
def test_clean_lines_each_rule_removes_its_lines_only(line: str, is_kept: bool) -> None:
    cleaned, n_removed = clean_lines(f"{KEPT_LINE}\n\n  {line}  \n{KEPT_LINE}", CurateConfig())
    assert cleaned.split("\n") == [KEPT_LINE, *([line] if is_kept else []), KEPT_LINE]
    assert n_removed == (not is_kept)


def test_clean_lines_citation_marks_are_taken_out() -> None:
    assert clean_lines("It rained [12] a lot.[citation needed][edit]", CurateConfig()) == (
        "It rained  a lot.",
        0,
    )


def test_clean_lines_switched_off_keeps_every_line() -> None:
    config = CurateConfig(
        c4_min_words_per_line=0, c4_drop_javascript_lines=False, c4_drop_policy_lines=False
    )
    text = "one\njavascript\nprivacy policy"
    assert clean_lines(text, config) == (text, 0)


def test_clean_lines_terminal_punctuation_demanded_removes_open_lines() -> None:
    config = CurateConfig(c4_require_terminal_punctuation=True)
    cleaned, n_removed = clean_lines(
        "This one ends.\nThis one does not\nThis one trails off...", config
    )
    assert (cleaned, n_removed) == ("This one ends.", 2)


def test_clean_lines_its_own_output_is_unchanged() -> None:
    text = "\n".join([KEPT_LINE, "no", "A line [3] with a mark.", "terms of use apply here"])
    once, _ = clean_lines(text, CurateConfig())
    assert clean_lines(once, CurateConfig()) == (once, 0)
