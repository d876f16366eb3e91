"""ARPA files: what is written is read again, what others write is read, what is none is refused."""

import gzip
import random

import numpy as np
import pytest

from lmcore.errors import InputError
from lmcore.ngram.arpa import read_arpa, write_arpa
from lmcore.ngram.backoff import estimate
from lmcore.ngram.reference import ReferenceScorer
from lmcore.ngram.scorer import Scorer

FOREIGN = """\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-1.2\t<unk>
0\t<s>\t-0.3
-0.9\t</s>
-0.7\tred\t-0.25
-0.8 fox

\\2-grams:
-0.4\t<s> red\t-0.1
-0.2\tred fox\t0
-0.6\tfox </s>

\\3-grams:
-0.05\t<s> red fox

\\end\\
"""
"""As other tools may write it: blanks for tabs, no weight where it is 0, no suffix of the trigram's."""


@pytest.fixture
def foreign(tmp_path):
    path = tmp_path / "en.arpa"
    path.write_text(FOREIGN)
    return path


@pytest.mark.parametrize("order", [1, 2, 4])
def test_written_model_is_read_again_exactly(tmp_path, order):
    chance = random.Random(2)
    sentences = [chance.choices(["är", "b", "词", "d'e"], k=chance.randrange(7)) for _ in range(60)]
    model = estimate(sentences, order)
    write_arpa(model, tmp_path / "x.arpa")
    again = read_arpa(tmp_path / "x.arpa")
    assert (again.words, again.order_ends) == (model.words, model.order_ends)
    for name in ("contexts", "last_words", "log10_probabilities", "log10_backoffs"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name))


def test_foreign_file_scores_as_its_numbers_add_up(foreign):
    scorer = Scorer(read_arpa(foreign))
    found = scorer.log10_probabilities([["red", "fox"], ["fox"], ["owl"], ["red", "red"]])
    expected = [
        -0.4 - 0.05 - 0.6,  # nothing is listed after "red fox", and its weight is 0
        -0.3 - 0.8 - 0.6,
        -0.3 - 1.2 - 0.9,
        -0.4 + (-0.1 - 0.25 - 0.7) + (-0.25 - 0.9),
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    reference = ReferenceScorer(read_arpa(foreign))
    assert reference.log10_probability(["red", "fox"]) == found[0]


def test_gzipped_file_and_crlf_are_read(tmp_path, foreign):
    packed = tmp_path / "en.arpa.gz"
    packed.write_bytes(gzip.compress(FOREIGN.replace("\n", "\r\n").encode()))
    assert read_arpa(packed).words == read_arpa(foreign).words


@pytest.mark.parametrize(
    ("found", "put", "message"),
    [
        ("\\data\\", "data", "no .data. before"),
        ("ngram 2=3", "ngram 2=x", "among the counts"),
        ("ngram 2=3", "ngram 3=3", "among the counts"),
        ("ngram 1=5", "ngram 1=6", "among the 1-grams"),
        ("ngram 1=5", "ngram 1=4", "something else than .2-grams:"),
        ("-0.8 fox", "-0.8 red", "'red' a second time"),
        ("-0.2\tred fox\t0", "-0.2\tred owl\t0", "'red owl', whose context or last word"),
        ("-0.2\tred fox\t0", "-0.2\tred fox\tnan", "among the 2-grams"),
        ("-0.2\tred fox\t0", "0.2\tred fox\t0", "among the 2-grams"),
        ("-0.2\tred fox\t0", "nan\tred fox\t0", "among the 2-grams"),
        ("-0.2\tred fox\t0", "-0.2\tred", "among the 2-grams"),
        ("-0.4\t<s> red\t-0.1", "-0.4\t<s> fox\t-0.1", "'<s> red fox', whose context"),
        ("\\end\\", "", "no .end. behind"),
        (FOREIGN, "", "no .data. before"),
    ],
)
def test_what_is_no_arpa_file_is_an_error_with_its_line(foreign, found, put, message):
    foreign.write_text(FOREIGN.replace(found, put))
    with pytest.raises(InputError, match=message) as raised:
        read_arpa(foreign)
    assert "en.arpa" in str(raised.value)
    assert " line " in str(raised.value)


def test_missing_or_cut_file_is_an_error(tmp_path):
    cut = tmp_path / "cut.arpa.gz"
    cut.write_bytes(gzip.compress(FOREIGN.encode())[:-20])
    for path in (cut, tmp_path / "missing.arpa"):
        with pytest.raises(InputError, match=f"found that {path.name} cannot be read"):
            read_arpa(path)
