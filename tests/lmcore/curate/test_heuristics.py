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


def reference_repetition(text: str) -> dict[str, float]:
    """Gopher's repetition statistics by their definition, each n-gram length on its own."""
    words = text.split()
    n_chars = len(text)
    shares = {}
    for n in range(2, 11):
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        if n <= 4:
            top, count = Counter(grams).most_common(1)[0] if grams else ((), 0)
            shares[f"top_{n}gram_chars"] = min(count * len(" ".join(top)) / n_chars, 1.0)
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


def test_repetition_statistics_blank_lines_within_a_text_are_lines() -> None:
    statistics = repetition_statistics("\na\n \nb\n \n\nc\n")
    assert statistics.duplicate_lines == 2 / 7  # the second " ", and what is behind the last break
    assert statistics.duplicate_line_chars == 1 / 12
    assert statistics.duplicate_paragraphs == 0


def test_repetition_statistics_nothing_repeated_the_first_ngram_is_the_top_one() -> None:
    statistics = repetition_statistics("one three five seven")
    assert statistics.top_2gram_chars == len("one three") / 20
    assert statistics.top_4gram_chars == 1
    assert statistics.duplicate_5gram_chars == 0
    assert repetition_statistics("one").top_2gram_chars == 0


def test_repetition_statistics_equally_frequent_ngrams_the_first_counts() -> None:
    statistics = repetition_statistics("a b x a b y long words z long words")
    assert statistics.top_2gram_chars == 2 * len("a b") / 35


def test_statistics_empty_or_blank_text_is_all_zero() -> None:
    for text in ("", " \n\n "):
        assert set(repetition_statistics(text)) == {0}
        assert set(quality_statistics(text, "en")) == {0}
        assert set(fineweb_statistics(text, 30)) == {0}
        assert c4_statistics(clean_lines(text, CurateConfig())) == (0, False, False)


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
    assert quality_statistics("(to) THE The the, ...of", "en").n_stop_words == 3  # to, the, of


def test_fineweb_statistics_quotes_end_no_line() -> None:
    lines = ["One.", "two”", 'three"', "four…", "five።", "six? ", "(seven.)"]
    assert fineweb_statistics("\n".join(lines), 30).terminal_punctuation_lines == 3 / 7


def test_quality_statistics_stop_words_follow_the_language() -> None:
    german = "Der Hund und die Katze sind nicht mit dem Ball auf der Wiese"
    assert quality_statistics(german, "de").n_stop_words >= 6
    assert quality_statistics(german, "en").n_stop_words == 0
    assert quality_statistics(german, "xx").n_stop_words == NO_STOP_WORD_LIST
    assert quality_statistics("老灯塔", "zh").n_stop_words == NO_STOP_WORD_LIST


def test_c4_statistics_sentences_and_flags_are_found() -> None:
    text = 'One. Two! "Three?" Version 2.5 is out\nno full stop here\nLOREM Ipsum {'
    statistics = c4_statistics(clean_lines(text, CurateConfig()))
    assert statistics.n_sentences == 6
    assert statistics.has_lorem_ipsum
    assert statistics.has_curly_bracket
    assert c4_statistics(clean_lines("一。二！三？", CurateConfig())).n_sentences == 3


@pytest.mark.parametrize(
    ("line", "n_sentences"),
    [
        ("It ends. It goes on", 2),
        ('It ends with "a quote"', 1),
        ('"It ends." (It ends.) And "it ends."', 3),
        ("It ends ... or does it?!", 2),
        ("彼は言った。「行こう。」 はい", 3),
        ("Version 2.5 of a.b", 1),
    ],
)
def test_c4_statistics_sentences_are_ends_and_what_follows(line: str, n_sentences: int) -> None:
    assert c4_statistics(clean_lines(line, CurateConfig())).n_sentences == n_sentences


def test_fineweb_statistics_known_text_has_known_values() -> None:
    text = "short\nA line that is longer than thirty characters.\nshort\nshort"
    statistics = fineweb_statistics(text, 30)
    assert statistics.terminal_punctuation_lines == 1 / 4
    assert statistics.short_lines == 3 / 4
    assert statistics.line_duplicate_chars == pytest.approx(10 / len(text.replace("\n", "")))
    assert statistics.newlines_per_word == 3 / 11
