import random
from collections.abc import Sequence
from pathlib import Path

import fasttext
import numpy as np
import pytest

from lmcore.curate.fasttext.format import read_model
from lmcore.curate.fasttext.losses import huffman_children
from lmcore.curate.fasttext.predictor import Predictor
from lmcore.curate.fasttext.reference import ReferencePredictor, character_ngrams, words_of_line
from lmcore.curate.fasttext_training import train_in_subprocess
from lmcore.errors import InputError

LANGUAGES = {
    "en": "the quick brown fox jumps over a lazy dog while it rains in the old town",
    "de": "der schnelle braune Fuchs springt über den faulen Hund während es regnet",
    "ru": "быстрая коричневая лиса прыгает через ленивую собаку пока идёт дождь",
    "zh": "敏捷 的 棕色 狐狸 跳过 懒惰 的 狗 下雨 𠮷野家",
    "fr": "le renard brun rapide saute par-dessus le chien paresseux qu'il pleuve",
}
KINDS = {
    "words": {"loss": "softmax", "wordNgrams": 3, "bucket": 2500, "dim": 6},
    "characters": {"loss": "softmax", "minn": 1, "maxn": 4, "bucket": 2100, "dim": 4},
    "tree": {"loss": "hs", "minn": 2, "maxn": 4, "bucket": 2100, "dim": 5, "wordNgrams": 2},
    "one_vs_all": {"loss": "ova", "minn": 0, "maxn": 0, "dim": 32},
    "negative": {"loss": "ns", "minn": 2, "maxn": 2, "bucket": 2000, "dim": 3},
}
ODD_LINES = [
    "",
    "   ",
    "</s> the fox",
    "the </s> fox",
    "__label__en the dog",
    "über\u00a0den 狗狗 \U0002070e x",
    "a\tb\rc\x0bd\x0ce\0f",
    "x" * 500,
    "ü",
    "<the> <",
]


def make_lines(n: int, seed: int, languages: Sequence[str] = tuple(LANGUAGES)) -> list[str]:
    rng = random.Random(seed)
    lines = []
    for i in range(n):
        words = LANGUAGES[languages[i % len(languages)]].split()
        line = [rng.choice(words) for _ in range(rng.randint(1, 12))]
        if rng.random() < 0.3:
            line.append("".join(rng.sample(line[0], len(line[0]))))
        lines.append(" ".join(line))
    return lines


def train(path: Path, languages: Sequence[str] = tuple(LANGUAGES), **arguments: object) -> Path:
    text = path.with_suffix(".txt")
    lines = make_lines(200, 0, languages)
    text.write_text(
        "".join(f"__label__{languages[i % len(languages)]} {x}\n" for i, x in enumerate(lines))
    )
    train_in_subprocess(text, path, {"epoch": 5, "lr": 0.5, "minCount": 1, **arguments})
    return path


@pytest.fixture(scope="module")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    files = {name: train(folder / f"{name}.bin", **kind) for name, kind in KINDS.items()}
    model = fasttext.load_model(str(files["characters"]))
    text = str(files["characters"].with_suffix(".txt"))
    for name, arguments in (("quantised", {}), ("pruned", {"cutoff": 300, "qnorm": True})):
        model = fasttext.load_model(str(files["characters"]))
        model.quantize(input=text, retrain=False, dsub=2, verbose=0, **arguments)
        files[name] = folder / f"{name}.ftz"
        model.save_model(str(files[name]))
    return files


def test_predictor_every_kind_of_model_equals_fasttext(model_files: dict[str, Path]) -> None:
    lines = [*make_lines(120, 1), *(line for line in ODD_LINES if "\0" not in line)]
    names = sorted(model_files)
    predictor = Predictor([read_model(model_files[name]) for name in names])
    for name, model, scores in zip(names, predictor.models, predictor.score(lines), strict=True):
        labels, theirs = fasttext.load_model(str(model_files[name])).predict(lines, k=-1)
        for line, found, ours in zip(
            lines, zip(labels, theirs, strict=True), scores.probabilities, strict=True
        ):
            expected = dict(zip(found[0], found[1], strict=True))
            for label, p in zip(model.labels, ours, strict=True):
                assert p == pytest.approx(expected[f"__label__{label}"], abs=5e-5), (name, line)


def test_predictor_equals_the_plain_reference(model_files: dict[str, Path]) -> None:
    lines = [*make_lines(40, 2), *ODD_LINES]
    names = sorted(model_files)
    models = [read_model(model_files[name]) for name in names]
    for name, model, scores in zip(names, models, Predictor(models).score(lines), strict=True):
        reference = ReferencePredictor(model)
        for line, ours in zip(lines, scores.probabilities, strict=True):
            np.testing.assert_allclose(ours, reference.probabilities(line), atol=3e-6, err_msg=name)


def test_predictor_two_labels_share_rows_and_know_their_words(tmp_path: Path) -> None:
    settings = {"loss": "softmax", "dim": 4, "wordNgrams": 2, "bucket": 3000}
    files = [
        train(tmp_path / f"{'-'.join(pair)}.bin", pair, **settings)
        for pair in (("en", "de"), ("fr", "ru"), ("de", "zh"))
    ]
    models = [read_model(path) for path in files]
    lines = [*make_lines(60, 3), *ODD_LINES]
    together = Predictor(models).score(lines)
    for model, scores in zip(models, together, strict=True):
        (alone,) = Predictor([model]).score(lines)
        np.testing.assert_allclose(scores.probabilities, alone.probabilities, atol=1e-6)
        known = set(model.words)
        for line, share, odds in zip(lines, scores.known_share, scores.log_odds(), strict=True):
            words = words_of_line(line.encode())[:-1]
            expected = sum(word in known for word in words) / max(len(words), 1)
            assert share == pytest.approx(expected)
            p = ReferencePredictor(model).probabilities(line)
            assert odds == pytest.approx(np.log(p[1] / p[0]), abs=1e-4)


def test_predictor_lines_do_not_depend_on_their_batch(
    model_files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor([read_model(model_files["characters"])])
    lines = [*make_lines(30, 4), *ODD_LINES]
    (whole,) = predictor.score(lines)
    monkeypatch.setattr("lmcore.curate.fasttext.predictor._BATCH_BYTES", 40)
    (parts,) = predictor.score(lines)
    # sums of a line are the same; the last matrix product's depend on how many lines there are
    np.testing.assert_allclose(whole.probabilities, parts.probabilities, rtol=1e-13)
    assert predictor.score([])[0].probabilities.shape == (0, 5)


def test_character_ngrams_wide_characters_count_once_and_bare_edges_not_at_all() -> None:
    found = character_ngrams("aü".encode(), 1, 3)
    assert [ngram.decode() for ngram in found] == ["<a", "<aü", "a", "aü", "aü>", "ü", "ü>"]


def test_huffman_children_join_the_two_rarest_first() -> None:
    assert huffman_children((51, 30, 15, 5)) == [(3, 2), (4, 1), (5, 0)]


def test_read_model_damaged_files_are_input_errors(
    model_files: dict[str, Path], tmp_path: Path
) -> None:
    content = model_files["quantised"].read_bytes()
    damaged = tmp_path / "damaged.bin"
    rng = random.Random(5)
    cuts = [0, 3, 8, 60, 100, *(rng.randrange(len(content)) for _ in range(40)), len(content) - 1]
    for cut in cuts:
        damaged.write_bytes(content[:cut])
        with pytest.raises(InputError, match="supervised fastText"):
            read_model(damaged)
    with pytest.raises(InputError, match="found no file"):
        read_model(tmp_path / "missing.bin")


def test_read_model_flipped_bytes_never_crash(model_files: dict[str, Path], tmp_path: Path) -> None:
    content = bytearray(model_files["pruned"].read_bytes())
    rng = random.Random(6)
    for _ in range(200):
        place, before = rng.randrange(400), 0
        before, content[place] = content[place], rng.randrange(256)
        (tmp_path / "flipped.ftz").write_bytes(content)
        try:
            model = read_model(tmp_path / "flipped.ftz")
        except InputError:
            pass
        else:
            assert np.shape(model.output_rows)[0] == len(model.labels)
        content[place] = before
