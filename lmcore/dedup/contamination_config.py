"""What contamination is: which n-grams of an evaluation item a document must hold, and what follows.

Brown et al. 2020 (GPT-3, appendix C) call an item contaminated by 13 words in a row, Chowdhery et al. 2022
(PaLM, section 8) by 70% of its 8-grams, Dubey et al. 2024 (Llama 3, section 5.1.4) by a share of its 8-grams
that each set chooses.

Measured with 53,968 items of 25 evaluation sets. Of 1,034 web pages 1 holds 13 words in a row of one (a
passage of boolq, rightly found), 52 (5.0%) hold an 8-gram, nearly all by chance; 10% of an item's 8-grams are
in that 1 page alone, 20% of its 5-grams in 8 (0.8%). Of 4,000 items planted in pages as they are, all with 8 words
are found. With a fifth of the words replaced, each alone, 13 in a row find 45%, half of the 8-grams beside
them 45%, 10% of them 68% (94% of items of 80 words and more), 20% of the 5-grams beside them 90%; replaced in
runs of five, 82%, 83%, 91% and 95%. So the default takes 10% of the 8-grams, and a recipe that fears paraphrase
more than false alarms adds 5-grams: n_words = [13, 8, 5], min_share = [0, 0.1, 0.2].

Standard library only, so that a plan can be drawn without numpy.
"""

from dataclasses import dataclass
from typing import Literal

from lmcore.errors import ConfigError

SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".ndjson")
"""Files that hold evaluation sets end so."""
DECONTAMINATION_FIELDS = ("id_column", "text_columns", "n_words", "min_share", "action")
"""Fields that are identity; the sets themselves enter it by name and content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecontaminateConfig:
    """Evaluation sets that the corpus is checked against, and the rule.

    Raises:
        ConfigError: on lengths below 1, shares outside [0, 1], or not one share for each length.
    """

    sets: tuple[str, ...] = ()
    """paths, folders or globs of Parquet and JSON Lines files, an evaluation set each; the stage runs where there is one"""
    id_column: str = ""
    """column of the items' ids; empty: a usual name, or else the number of the row"""
    text_columns: tuple[str, ...] = ()
    """columns that make an item's text, in this order; empty: all of usual names"""
    n_words: tuple[int, ...] = (13, 8)
    """lengths of n-gram"""
    min_share: tuple[float, ...] = (0.0, 0.1)
    """for each length, the share of an item's n-grams that makes a document contaminated; 0: any one of them"""
    action: Literal["drop", "report"] = "drop"
    """whether contaminated documents go, or only the tables say which they are"""

    def __post_init__(self) -> None:
        if not self.n_words or min(self.n_words) < 1 or len(set(self.n_words)) < len(self.n_words):
            raise ConfigError(
                f"found n_words = {list(self.n_words)}; expected distinct lengths of at least 1; "
                "13 and 8 are usual"
            )
        if len(self.min_share) != len(self.n_words):
            raise ConfigError(
                f"found {len(self.min_share)} shares in min_share for {len(self.n_words)} lengths in "
                "n_words; expected one for each; state both"
            )
        if not all(0.0 <= share <= 1.0 for share in self.min_share):
            raise ConfigError(
                f"found min_share = {list(self.min_share)}; expected numbers from 0 to 1; "
                "0 stands for any one n-gram"
            )
