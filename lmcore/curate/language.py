"""Which language a page is written in, with a score in [0, 1].

Built in, without a model file: the script decides where one language owns it (kana, Hangul, Thai,
Greek, Hebrew ...), else resiliparse's character-n-gram profiles give each language a rank (a distance;
101 languages) and the share of its function words improves that rank, which tells close relatives
apart (da/no, hi/mr/ne, es/gl). The score is a softmax over the candidates' ranks, times the share of the
letters that no such script has. On ten concatenated
sentences (Tatoeba and others; 30 languages, 4,798 texts) accuracy is .998; resiliparse alone .964.
Where the path of a fastText model such as `lid.176.bin` is given, that model answers instead; where
the pipeline trained one from labelled sentences (`language_training.py`), that.
Linear in the first `MAX_CHARS` characters; about 0.2 ms a page of 400 words.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from resiliparse.parse.lang import detect_fast

from lmcore.curate.fasttext.format import read_model
from lmcore.curate.fasttext.predictor import Predictor
from lmcore.curate.head_line import one_line
from lmcore.curate.language_codes import to_code
from lmcore.curate.language_training import LanguageModel
from lmcore.curate.words import EDGE_PUNCTUATION, FUNCTION_WORDS

UNDETERMINED = "und"
"""ISO 639-2 code for "no language could be determined" (no letters at all)."""

MAX_CHARS = 10_000  # more text changes no decision
_CANDIDATES = 20  # languages that enter the softmax
_TEMPERATURE = 15.0  # ranks: two languages 15 apart are e times as likely
_RANK_PER_SHARE = 600.0  # a text with 10 % of a language's function words moves 60 ranks nearer
_NO_LANGUAGE_RANK = (
    640.0  # rank at which "none of these" is as likely as the best; prose has 150-350
)
_NO_LANGUAGE_RANK_CHARS = 12_000.0  # ... plus this over the length: short texts rank far from all
_RARE_PENALTY = (
    25.0  # ranks; these share most n-grams with a language that is 100 times more common
)
_RARE = frozenset({"gl", "lb", "la", "af", "sc", "fo", "rm", "io", "vo", "eo", "br", "fy", "gd"})

_LETTER = re.compile(r"[^\W\d_]")
_SCRIPTS = {
    "ja": re.compile("[\u3041-\u30fa]"),
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff]"),
    "ko": re.compile("[\u1100-\u11ff\uac00-\ud7a3]"),
    "th": re.compile("[\u0e01-\u0e4e]"),
    "el": re.compile("[\u0370-\u03ff\u1f00-\u1fff]"),
    "he": re.compile("[\u05d0-\u05ea]"),
    "hy": re.compile("[\u0531-\u0586]"),
    "ka": re.compile("[\u10d0-\u10ff]"),
    "ta": re.compile("[\u0b85-\u0bb9]"),
    "te": re.compile("[\u0c05-\u0c39]"),
    "bn": re.compile("[\u0985-\u09b9]"),
}
_ANY_SCRIPT = re.compile("[" + "".join(script.pattern[1:-1] for script in _SCRIPTS.values()) + "]")
_MIN_SCRIPT_SHARE = 0.5  # of the letters; a CJK character counts like the word that it is
_CHARS_PER_CJK = 3.0  # letters of an alphabet that say as much as one Chinese character
_MIN_KANA_SHARE = (
    0.05  # of kana and Chinese characters: Japanese prose holds far more, Chinese none
)

_LANGUAGES_OF_WORD: dict[str, tuple[str, ...]] = {}
for _language, _words in FUNCTION_WORDS.items():
    for _word in _words:
        _LANGUAGES_OF_WORD[_word] = (*_LANGUAGES_OF_WORD.get(_word, ()), _language)

Detector = Callable[[str], tuple[str, float]]


def _by_script(text: str) -> tuple[str, float] | None:
    """The language that owns a script of the text, with its share of the letters, or None."""
    if text.isascii() or _ANY_SCRIPT.search(text) is None:
        return None
    counts = {language: len(script.findall(text)) for language, script in _SCRIPTS.items()}
    cjk = counts["ja"] + counts["zh"]
    if cjk:
        counts["ja" if counts["ja"] >= _MIN_KANA_SHARE * cjk else "zh"] = cjk
        counts["zh" if counts["ja"] == cjk else "ja"] = 0
    best = max(counts, key=lambda language: (counts[language], language))
    if not counts[best]:
        return None
    others = len(_LETTER.findall(text)) - counts[best]
    weight = counts[best] * (_CHARS_PER_CJK if best in {"ja", "zh"} else 1.0)
    return best, weight / (weight + max(others, 0))


def _function_word_shares(text: str) -> dict[str, float]:
    words = text.lower().split()
    counts: dict[str, int] = {}
    for word, count in Counter(words).items():
        known = _LANGUAGES_OF_WORD.get(word) or _LANGUAGES_OF_WORD.get(word.strip(EDGE_PUNCTUATION))
        for language in known or ():
            counts[language] = counts.get(language, 0) + count
    return {language: count / len(words) for language, count in counts.items()}


def detect(text: str) -> tuple[str, float]:
    """Language (ISO 639-1, or `UNDETERMINED`) and score in [0, 1] of a text, without a model file."""
    text = unicodedata.normalize("NFC", " ".join(text[:MAX_CHARS].split()))
    if _LETTER.search(text) is None:
        return UNDETERMINED, 0.0
    owned = _by_script(text)
    if owned is not None and owned[1] >= _MIN_SCRIPT_SHARE:
        return owned
    ranked: list[tuple[str, int]] = detect_fast(  # type: ignore[assignment]  # a list when n_results > 1
        text, cutoff=100_000, n_results=_CANDIDATES
    )
    shares = _function_word_shares(text)
    ranks = sorted(
        (
            rank
            - _RANK_PER_SHARE * shares.get(language, 0.0)
            + _RARE_PENALTY * (language in _RARE),
            language,
        )
        for language, rank in ranked
    )
    best_rank, best = ranks[0]
    weights = [math.exp((best_rank - rank) / _TEMPERATURE) for rank, _ in ranks]
    # "none of these" is softer: junk differs from every language by much more than languages differ
    no_language_rank = _NO_LANGUAGE_RANK + _NO_LANGUAGE_RANK_CHARS / len(text)
    nothing = math.exp(min((best_rank - no_language_rank) / (2 * _TEMPERATURE), 50.0))
    # the rest of a mixed page, say English menus around a Georgian text, speaks for its own share
    rest = 1.0 - owned[1] if owned is not None else 1.0
    return best, rest / (sum(weights) + nothing)


def fasttext_detector(path: Path) -> Detector:
    """A detector that asks a fastText model: lid.176 (.bin or .ftz), GlotLID, or one trained elsewhere.

    Raises:
        InputError: the file is missing or no fastText model.
    """
    model = read_model(path)
    predictor = Predictor([model])

    def detect_with_model(text: str) -> tuple[str, float]:
        line = one_line(text[:MAX_CHARS])
        (scores,) = predictor.score([line])
        best = int(scores.probabilities[0].argmax())
        score = float(scores.probabilities[0, best])
        # a line without a feature has no probability at all
        return (to_code(model.labels[best]), score) if line and score > 0 else (UNDETERMINED, 0.0)

    return detect_with_model


def trained_detector(files: Sequence[Path]) -> Detector:
    """A detector that asks the language model that the pipeline trained.

    Raises:
        InputError: a file is missing or no fastText model.
    """
    model = LanguageModel(files)

    def detect_with_trained(text: str) -> tuple[str, float]:
        text = text[:MAX_CHARS]
        if _LETTER.search(text) is None:
            return UNDETERMINED, 0.0
        (shares,) = model.probabilities([text])
        best = int(shares.argmax())
        return to_code(model.languages[best]), float(shares[best])

    return detect_with_trained


def detector(lid_model: Path | None, trained: Sequence[Path] = ()) -> Detector:
    """The detector of a run: the model whose path is given, else the one trained, else the built-in."""
    if lid_model is not None:
        return fasttext_detector(lid_model)
    return trained_detector(trained) if trained else detect
