"""Annotations depend on nothing but their document, and on no way of measuring it."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lmcore.curate import annotate as module
from lmcore.curate import statistics
from lmcore.curate.annotate import Annotation, annotate
from lmcore.curate.classifiers import train
from lmcore.curate.config import CurateConfig
from lmcore.curate.labels import LABEL_SETS
from lmcore.kernels import compiling

CONFIG = CurateConfig(classifier_dim=8, classifier_buckets=2_000, classifier_epochs=8)
WORDS = ["the", "river", "of", "a", "town", "and", "its", "library", "with", "that", "to", "be"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    rng = random.Random(1)
    texts = [" ".join(rng.choices(WORDS[k % 2 :: 2], k=20)) for k in range(60)]
    table = pa.table(
        {
            "text": texts,
            "label": [k % 2 for k in range(60)],
            "split": ["test" if k % 5 < 2 else "train" for k in range(60)],
        }
    )
    paths = [folder / f"{name}.parquet" for name in LABEL_SETS]
    for path in paths:
        pq.write_table(table, path)
    train(paths, folder / "models", CONFIG)
    return folder / "models"


@pytest.fixture(scope="module")
def documents() -> list[tuple[str, str, str]]:
    rng = random.Random(2)
    texts = [
        "",
        " \n",
        "老灯塔。" * 30,
        "Der Hund und die Katze sind nicht auf der Wiese.",
        "\ud800 x",
    ]
    for _ in range(30):
        words = rng.choices([*WORDS, "me@example.com", "[1]", "{", "Home\n", "it ends.\n\n"], k=200)
        texts.append(" ".join(words))
    return [(str(number), "", text) for number, text in enumerate(texts)]


@pytest.fixture(scope="module")
def alone(models: Path, documents: list[tuple[str, str, str]]) -> list[Annotation]:
    return [row for document in documents for row in annotate([document], models, CONFIG)]


@pytest.mark.timeout(300)  # the first compiled one may wait for the compiler
@pytest.mark.parametrize("batch_chars", [1, 3000, 1 << 30])
@pytest.mark.parametrize("is_compiled", [False, True])
def test_annotate_any_batches_compiled_or_not_give_the_same_rows(
    batch_chars: int,
    is_compiled: bool,
    models: Path,
    documents: list[tuple[str, str, str]],
    alone: list[Annotation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_compiled and not compiling.is_installed():
        pytest.skip("numba is not installed")
    monkeypatch.setattr(module, "BATCH_CHARS", batch_chars)
    if is_compiled:
        monkeypatch.setattr(statistics, "is_worth_while", lambda _: True)
    assert list(annotate(documents, models, CONFIG)) == alone
    reverse = list(annotate(reversed(documents), models, CONFIG))
    assert reverse == alone[::-1]


def test_annotate_cleaned_text_again_removes_and_masks_nothing(
    models: Path, alone: list[Annotation]
) -> None:
    cleaned = [(row.doc_id, "", row.text) for row in alone]
    for once, twice in zip(alone, annotate(cleaned, models, CONFIG), strict=True):
        assert twice.text == once.text
        assert (twice.n_lines_removed, twice.n_emails, twice.n_phones, twice.n_ips) == (0, 0, 0, 0)
        assert (twice.n_cards, twice.n_ibans, twice.n_keys) == (0, 0, 0)


def test_annotate_reads_no_more_than_a_batch_ahead(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_CHARS", 100)
    n_read = 0

    def read():
        nonlocal n_read
        for number in range(50):
            n_read += 1
            yield str(number), "", "so it goes " * 3

    rows = annotate(read(), models, CONFIG)
    next(rows)
    assert n_read == 4
    assert len(list(rows)) == 49
