import json
import math
import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lmcore.curate.annotate import annotate
from lmcore.curate.calibration import fit_calibration, roc_auc, sigmoid
from lmcore.curate.classifiers import load_heads, sentences_of, train, training_text
from lmcore.curate.config import CurateConfig
from lmcore.curate.fasttext_training import environment, train_in_subprocess
from lmcore.curate.head_line import head_line, one_line
from lmcore.curate.labels import LabelledText, find_label_sets, read_label_set
from lmcore.errors import InputError, LmcoreError

CONFIG = CurateConfig(classifier_dim=8, classifier_buckets=2_000, classifier_epochs=8)

GOOD = [
    "river",
    "theory",
    "history",
    "careful",
    "evidence",
    "measured",
    "archive",
    "library",
    "structure",
    "method",
]
BAD = [
    "buy",
    "cheap",
    "click",
    "winner",
    "casino",
    "pills",
    "discount",
    "bonus",
    "limited",
    "offer",
]
RUDE = ["idiot", "moron", "scum", "trash", "hate", "stupid", "loser", "shut", "filthy", "vermin"]
NEUTRAL = [
    "please",
    "thanks",
    "garden",
    "morning",
    "window",
    "teacher",
    "bicycle",
    "market",
    "music",
    "river",
]


def make_texts(words: Sequence[str], n: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    common = ["the", "a", "of", "and", "to", "in", "it", "was", "for", "with", "on"]
    return [" ".join(rng.choices([*words, *common], k=rng.randint(15, 40))) for _ in range(n)]


def write_labels(path: Path, positive: list[str], negative: list[str]) -> None:
    texts = [*positive, *negative]
    labels = [1] * len(positive) + [0] * len(negative)
    splits = ["test" if i % 5 == 0 else "train" for i in range(len(texts))]
    pq.write_table(pa.table({"text": texts, "label": labels, "split": splits}), path)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels")
    write_labels(folder / "quality.parquet", make_texts(GOOD, 150, 1), make_texts(BAD, 150, 2))
    write_labels(folder / "toxicity.parquet", make_texts(RUDE, 150, 3), make_texts(NEUTRAL, 150, 4))
    return folder


@pytest.fixture(scope="module")
def models(labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    train([labels], folder, CONFIG)
    return folder


def test_train_twice_gives_the_same_bytes(labels: Path, models: Path, tmp_path: Path) -> None:
    train([labels / "toxicity.parquet", labels / "quality.parquet"], tmp_path, CONFIG)
    names = sorted(path.name for path in models.iterdir())
    assert names == ["classifiers.json", "perplexity.json", "quality.bin", "toxicity.bin"]
    for name in names:
        assert (tmp_path / name).read_bytes() == (models / name).read_bytes(), name


def test_train_description_reports_the_held_out_measures(models: Path) -> None:
    description = json.loads((models / "classifiers.json").read_text())
    for name in ("quality", "toxicity"):
        assert description[name]["n_train"] == 240
        assert description[name]["n_test"] == 60
        assert description[name]["base_rate"] == 0.5
        assert description[name]["roc_auc"] > 0.95
        assert description[name]["operating_point"]["recall"] > 0.8


def score(models: Path, name: str, text: str) -> float:
    return load_heads(models).probabilities([text])[name][0]


def test_heads_separate_texts_that_training_never_saw(models: Path) -> None:
    heads = load_heads(models)
    for name, positive, negative in (("quality", GOOD, BAD), ("toxicity", RUDE, NEUTRAL)):
        assert min(heads.probabilities(make_texts(positive, 20, 9))[name]) > 0.5
        assert max(heads.probabilities(make_texts(negative, 20, 9))[name]) < 0.5


def test_heads_sentence_toxicity_finds_the_one_bad_sentence(models: Path) -> None:
    heads = load_heads(models)
    civil = ". ".join(make_texts(NEUTRAL, 9, 10))
    assert heads.sentence_toxicity(civil)[0] < 0.5
    worst, share = heads.sentence_toxicity(f"{civil}. {make_texts(RUDE, 1, 10)[0]}!\n42.")
    assert worst > 0.5
    assert share == pytest.approx(0.1)
    assert heads.sentence_toxicity("...\n42") == (0.0, 0.0)
    assert sentences_of("One. Two?\n- \nthree") == ["One.", "Two?", "three"]


def test_classifier_newlines_and_case_change_nothing(models: Path) -> None:
    text = make_texts(GOOD, 1, 11)[0]
    shouted = text.upper().replace(" ", "\n\n")
    assert score(models, "quality", shouted) == score(models, "quality", text)


def test_classifier_text_without_a_known_word_gets_the_base_rate(models: Path) -> None:
    for text in ("", "老灯塔 看守人 每天 早晨", "zzyzx qqq vvv"):
        for found in load_heads(models).probabilities([text]).values():
            assert found[0] == pytest.approx(0.5, abs=0.02)


def test_classifier_label_in_the_text_is_a_word_like_any_other(models: Path) -> None:
    text = make_texts(BAD, 1, 12)[0]
    ours = score(models, "quality", "__label__1 " + text)
    assert ours == score(models, "quality", "label 1 " + text)
    assert "__label__" not in head_line("x __label__1 __LABEL__0 y &#95;&#95;label__1")
    assert one_line("a\nb\0c\u2028d") == "a b c d"


def test_head_line_one_spelling_for_many() -> None:
    assert head_line("SOOOO bad!! &amp; @Bob_1 https://x.y/z") == "soo bad ! ! & @ user linklink"


def test_train_optional_set_gets_a_head_and_small_sources_are_repeated(
    labels: Path, tmp_path: Path
) -> None:
    rude, kind = make_texts(RUDE, 100, 13), make_texts(NEUTRAL, 100, 14)
    texts = [text for pair in zip(rude, kind, strict=True) for text in pair]
    table = {"text": texts, "toxic": [1, 0] * 100, "hate": [1, 0] * 100}
    table["source"] = ["small" if i < 20 else "large" for i in range(200)]
    (tmp_path / "labels").mkdir()
    pq.write_table(pa.table(table), tmp_path / "labels" / "toxicity.parquet")
    train([labels / "quality.parquet", tmp_path / "labels"], tmp_path / "out", CONFIG)
    assert load_heads(tmp_path / "out").names == ("hate", "quality", "toxicity")
    description = json.loads((tmp_path / "out" / "classifiers.json").read_text())
    assert description["hate"]["roc_auc"] > 0.9
    rows = [LabelledText(f"a{i}", i % 2, False, "large" if i < 90 else "small") for i in range(100)]
    assert len(training_text(rows).splitlines()) == 90 + 3 * 10


def test_train_missing_set_names_what_was_found(labels: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found quality\.parquet .* teaches toxicity"):
        train([labels / "quality.parquet"], tmp_path, CONFIG)
    with pytest.raises(InputError, match="found no file"):
        train([], tmp_path, CONFIG)


def test_train_unreadable_file_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "quality.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match="no readable Parquet"):
        train([tmp_path], tmp_path / "out", CONFIG)


def test_load_heads_folder_without_models_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"classifiers\.json"):
        load_heads(tmp_path)


def test_read_label_set_columns_of_other_collections_are_understood(tmp_path: Path) -> None:
    texts = make_texts(RUDE, 200, 5)
    toxic = [1, 0, None, 0] * 50
    table = pa.table({"text": [*texts, texts[0]], "toxic": [*toxic, 1], "source": ["x"] * 201})
    pq.write_table(table, tmp_path / "toxicity.parquet")
    write_labels(tmp_path / "dclm_human_quality.parquet", ["a b c"], ["d e f"])
    sets = find_label_sets([tmp_path])
    assert [path.name for path, _ in sets["quality"]] == ["dclm_human_quality.parquet"]
    rows = read_label_set(sets["toxicity"], "toxicity", max_texts=1000, test_fraction=0.3)
    # 50 toxic (one of them twice), 100 not, 50 without label; the larger class is cut to twice the smaller
    assert sum(row.label for row in rows) == 50
    assert len(rows) == len({row.text for row in rows}) == 150
    assert 0.15 < sum(row.is_test for row in rows) / len(rows) < 0.45


def test_read_label_set_more_texts_than_wanted_keeps_the_classes_even(labels: Path) -> None:
    sets = find_label_sets([labels])
    rows = read_label_set(sets["quality"], "quality", max_texts=100, test_fraction=0.2)
    assert len(rows) == 100
    assert sum(row.label for row in rows) == 50


def test_read_label_set_label_beyond_binary_is_an_input_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a b"], "label": [2]}), tmp_path / "quality.parquet")
    with pytest.raises(InputError, match="label 2"):
        read_label_set(
            [(tmp_path / "quality.parquet", "label")], "quality", max_texts=10, test_fraction=0.2
        )


def test_training_with_too_high_a_rate_fails_instead_of_saving_garbage(tmp_path: Path) -> None:
    text_file = tmp_path / "text.txt"
    text_file.write_text("\n".join(f"__label__{i % 2} {i} w x y z" for i in range(200)) + "\n")
    with pytest.raises(LmcoreError, match="ended with code"):
        train_in_subprocess(text_file, tmp_path / "model.bin", {"lr": 1e6, "dim": 4, "epoch": 20})
    assert not (tmp_path / "model.bin").exists()


def test_environment_allocator_settings_of_the_parent_are_replaced() -> None:
    child = environment(
        {"MALLOC_PERTURB_": "85", "GLIBC_TUNABLES": "x", "HOME": "/h", "PYTHONPATH": "/p"}
    )
    assert child["MALLOC_MMAP_THRESHOLD_"] == "4096"
    assert child["HOME"] == "/h"
    assert child["PYTHONPATH"].endswith("/p")
    assert not {"MALLOC_PERTURB_", "GLIBC_TUNABLES"} & set(child)


def test_roc_auc_with_ties_equals_the_pairwise_definition() -> None:
    rng = random.Random(0)
    scores = [rng.randint(0, 8) / 8 for _ in range(60)]
    labels = [rng.randint(0, 1) for _ in range(60)]
    pairs = [
        (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
        for i in range(60)
        for j in range(60)
        if labels[i] > labels[j]
    ]
    assert roc_auc(scores, labels) == pytest.approx(sum(pairs) / len(pairs))
    assert math.isnan(roc_auc([0.1], [1]))


def test_fit_calibration_overconfident_scores_recovers_the_truth() -> None:
    rng = random.Random(1)
    truth = [rng.gauss(0, 2) for _ in range(4000)]
    labels = [int(rng.random() < sigmoid(x)) for x in truth]
    calibration = fit_calibration([5 * x + 3 for x in truth], labels)
    assert calibration.slope == pytest.approx(0.2, rel=0.1)
    assert calibration.offset == pytest.approx(-0.6, abs=0.1)


def test_fit_calibration_separable_or_reversed_scores_stay_finite() -> None:
    separable = fit_calibration([-5.0] * 10 + [5.0] * 10, [0] * 10 + [1] * 10)
    assert 0.8 < separable.probability(5.0) < 0.99
    reversed_scores = fit_calibration([5.0] * 10 + [-5.0] * 10, [0] * 10 + [1] * 10)
    assert reversed_scores.probability(5.0) == reversed_scores.probability(-5.0) == 0.5


PAGE = "\n".join(
    [
        "The history of the river is measured with a careful method, and it was written in the archive.",
        "Home",
        "We use cookies to make this page better for you.",
        "Write to me@example.com or call (283) 182 3829 from 192.0.2.146.",
    ]
)


def test_annotate_page_is_cleaned_masked_and_measured(models: Path) -> None:
    (row,) = annotate([("7", "http://a.example/", PAGE)], models, CONFIG)
    assert row.doc_id == "7"
    assert row.language == "en"
    assert row.text.split("\n") == [
        PAGE.split("\n")[0],
        "Write to |||EMAIL_ADDRESS||| or call |||PHONE_NUMBER||| from |||IP_ADDRESS|||.",
    ]
    assert (row.n_emails, row.n_phones, row.n_ips) == (1, 1, 1)
    assert (row.n_lines, row.n_lines_removed, row.n_chars) == (4, 2, len(PAGE))
    assert row.n_words == len(PAGE.split())
    assert row.quality > 0.5
    assert row.toxicity < 0.5


def test_annotate_rows_do_not_depend_on_their_neighbours(models: Path) -> None:
    documents = [("1", "", PAGE), ("2", "", ""), ("3", "", "老灯塔。" * 30)]
    together = list(annotate(documents, models, CONFIG))
    alone = [row for document in documents for row in annotate([document], models, CONFIG)]
    assert together == alone
    assert [row.text for row in together][1] == ""
