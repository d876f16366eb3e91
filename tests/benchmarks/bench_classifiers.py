"""Classifiers: their speed against fastText's own predict, and how well they judge real labels.

Speed: the heads that the pipeline trains (quality, toxicity, hate, and toxicity by character n-grams)
score real pages; the peer is the fasttext module, each head asked in turn for the same lines, which
both are given prepared. Both must name the same label for 99.9 % of them, within 1e-4 of probability.

Quality, all on texts that no training saw: languages (the 100 with most rows, a fifth held out by the
sha1 of the text), toxicity (the same split, also for each source), and quality by DCLM's human labels.
For `quality_auc_zero_shot` none of those labels is used: the model learns gold main texts of articles
and documentation against whole listing, collection, product and service pages. Which sources it learns
from was chosen by how well each choice ranked the other sources (mean ROC-AUC over four other pairs of
sources .911, next best .868), never by DCLM's labels. `quality_auc_cv` learns the labels in five folds by text.

Needs C2M_SHARED_DATA (or `shared/data` beside the checkout).
"""

import hashlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import harness
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lmcore.crawl.charset import decode_page
from lmcore.crawl.http import parse_response
from lmcore.crawl.warc import read_records
from lmcore.curate.calibration import roc_auc
from lmcore.curate.classifiers import load_heads, train
from lmcore.curate.config import CurateConfig
from lmcore.curate.fasttext.format import read_model
from lmcore.curate.fasttext.predictor import Predictor
from lmcore.curate.head_line import head_line
from lmcore.curate.language_training import (
    LanguageModel,
    member_files,
    read_sentences,
    train_language_model,
)
from lmcore.curate.style import fit_style, style_of

DATA = Path(os.environ.get("C2M_SHARED_DATA", harness.ROOT.parent / "shared" / "data"))
N_RUNS = 5
N_LANGUAGES = 100
MAX_PAGES = 1500
MIN_CHARS = 200
GOOD_TYPES = ("article", "documentation")
BAD_TYPES = ("listing", "collection", "product", "service")
CONFIG = CurateConfig(
    classifier_max_texts=40_000,
    classifier_epochs=10,
    classifier_learning_rate=0.2,
    classifier_buckets=200_000,
    classifier_min_chars=2,
    classifier_max_chars=5,
)


def is_held_out(text: str) -> bool:
    """A fifth of all texts, by their sha1."""
    return int(hashlib.sha1(text.encode()).hexdigest()[:8], 16) % 10_000 < 2_000


def rows_of(name: str) -> list[dict[str, object]]:
    return pq.read_table(DATA / "labelled" / f"{name}.parquet").to_pylist()


def crawl2model() -> Callable[[], object]:
    """All heads in one pass."""
    files, lines = _material()
    predictor = Predictor([read_model(path) for path in files])

    def work() -> object:
        scores = predictor.score(lines)
        labels = [model.labels for model in predictor.models]
        return [
            [
                [labels[head][k], float(score.probabilities[i, k])]
                for i, k in enumerate(score.probabilities.argmax(axis=1).tolist())
            ]
            for head, score in enumerate(scores)
        ]

    predictor.score(lines[:1])
    return work


def fasttext() -> Callable[[], object]:
    """Each head in turn."""
    import fasttext as peer

    files, lines = _material()
    models = [peer.load_model(str(path)) for path in files]

    def work() -> object:
        found = [model.predict(lines, k=1) for model in models]
        return [
            [
                [label[0].removeprefix("__label__"), float(p[0])]
                for label, p in zip(*head, strict=True)
            ]
            for head in found
        ]

    models[0].predict(lines[:1], k=1)
    return work


def _material() -> tuple[list[Path], list[str]]:
    folder = Path(os.environ["C2M_BENCH_HEADS"])
    lines = (folder / "lines.txt").read_text(encoding="utf-8").split("\n")
    return sorted(folder.glob("*.bin")), lines


def measure_speed(folder: Path, lines: Sequence[str], rows: list[list[object]]) -> float:
    """The peer's time over ours for the heads in a folder, after both gave the same answers."""
    (folder / "lines.txt").write_text("\n".join(lines), encoding="utf-8")
    os.environ["C2M_BENCH_HEADS"] = str(folder)
    names = ("crawl2model", "fasttext")
    script = Path(__file__).resolve()
    runs = harness.interleave(Path(sys.executable), script, names, n_runs=N_RUNS)
    our, their = (np.array(runs[name][0].outcome, object).reshape(-1, 2) for name in names)
    same = our[:, 0] == their[:, 0]
    gap = float(np.abs(our[same, 1].astype(float) - their[same, 1].astype(float)).max())
    if same.mean() < 0.999 or gap >= 1e-4:
        raise SystemExit(
            f"{folder.name}: {same.mean():.2%} of labels are fastText's, probabilities differ by up to"
            f" {gap:.2g}; expected 99.9 % and less than 1e-4"
        )
    seconds = [harness.median_seconds(runs[name]) for name in names]
    n_heads = len(list(folder.glob("*.bin")))
    measured = (*(f"{s:.3f}" for s in seconds), f"{seconds[1] / seconds[0]:.2f}")
    rows.append([folder.name, n_heads, len(lines), *measured, f"{same.mean():.2%}", f"{gap:.1e}"])
    return seconds[1] / seconds[0]


def measure_languages(folder: Path) -> float:
    """Macro-F1 over the languages with most rows, on the fifth held out."""
    labelled = [str(row["lang"]) for row in rows_of("langid")]
    wanted = sorted(name for name, _ in Counter(labelled).most_common(N_LANGUAGES))
    sentences = [
        (text, language)
        for text, language in read_sentences([DATA / "labelled" / "langid.parquet"])
        if language in set(wanted)
    ]
    train_language_model([pair for pair in sentences if not is_held_out(pair[0])], folder)
    model = LanguageModel(member_files(folder))
    test = [pair for pair in sentences if is_held_out(pair[0])]
    found = model.probabilities([text for text, _ in test]).argmax(axis=1)
    truth = np.array([model.languages.index(language) for _, language in test])
    f1 = {}
    for k, name in enumerate(model.languages):
        n_right = int(((found == k) & (truth == k)).sum())
        f1[name] = 2 * n_right / max(int((found == k).sum() + (truth == k).sum()), 1)
    worst = sorted(f1.items(), key=lambda pair: pair[1])[:10]
    print(f"languages: {len(test):,d} held-out sentences, worst {worst}", flush=True)
    return float(np.mean(list(f1.values())))


def measure_toxicity(folder: Path) -> tuple[float, dict[str, float]]:
    """ROC-AUC of the toxicity head on held-out texts: of all, and for each source."""
    rows = {str(row["text"]): row for row in reversed(rows_of("toxicity"))}
    table = {
        "text": list(rows),
        "toxic": [row["toxic"] for row in rows.values()],
        "hate": [row["hate"] for row in rows.values()],
        "source": [row["source"] for row in rows.values()],
        "split": ["test" if is_held_out(text) else "train" for text in rows],
    }
    labels = folder / "labels"
    labels.mkdir()
    pq.write_table(pa.table(table), labels / "toxicity.parquet")
    train([labels, DATA / "labelled" / "dclm_human_quality.parquet"], folder, CONFIG)
    test = [
        (text, row) for text, row in rows.items() if is_held_out(text) and row["toxic"] in (0, 1)
    ]
    scores = load_heads(folder).probabilities([text for text, _ in test])["toxicity"]
    truth = [int(str(row["toxic"])) for _, row in test]
    sources = [str(row["source"]) for _, row in test]
    by_source = {}
    for source in sorted(set(sources)):
        of = [i for i, name in enumerate(sources) if name == source]
        by_source[source] = roc_auc([scores[i] for i in of], [truth[i] for i in of])
    print(f"toxicity: {len(test):,d} held-out texts, {by_source}", flush=True)
    return roc_auc(scores, truth), by_source


def pages() -> Iterator[tuple[str, str, str]]:
    """(page type, gold text or nothing, whole text) of each typed page of the real crawl."""
    from resiliparse.extract.html2text import extract_plain_text

    gold = {
        row["payload_sha1"]: row
        for row in pq.read_table(DATA / "webpages" / "gold.parquet").to_pylist()
        if row["page_type"]
    }
    for path in sorted((DATA / "webpages").glob("crawl-data/*/segments/*/warc/*.warc.gz")):
        with path.open("rb") as file:
            for record in read_records(file, max_record_bytes=1 << 30):
                response = (
                    parse_response(record.block) if record.record_type == "response" else None
                )
                row = response and gold.get(hashlib.sha1(response.body).hexdigest())
                if not response or not row:
                    continue
                html, _, _ = decode_page(bytes(response.body))
                is_full = str(row["gold_kind"]).startswith("full")
                text = str(row["gold_text"]) if is_full else ""
                yield str(row["page_type"]), text, extract_plain_text(html, main_content=False)


def measure_quality() -> tuple[float, float]:
    """ROC-AUC on the human labels: of a model that never saw one, and in five folds."""
    judged = {str(row["text"]): int(str(row["label"])) for row in rows_of("dclm_human_quality")}
    truth = list(judged.values())
    features = [style_of(text) for text in judged]
    examples: list[tuple[list[float], int]] = []
    for page_type, gold, whole in pages():
        if page_type in GOOD_TYPES and len(gold) > MIN_CHARS:
            examples.append((style_of(gold), 1))
        elif page_type in BAD_TYPES and len(whole) > MIN_CHARS:
            examples.append((style_of(whole), 0))
    model = fit_style([row for row, _ in examples], [label for _, label in examples], penalty=10.0)
    zero_shot = roc_auc(model.log_odds(features), truth)
    fold = [int(hashlib.sha1(text.encode()).hexdigest()[:8], 16) % 5 for text in judged]
    odds = [0.0] * len(truth)
    for held_out in range(5):
        seen = [i for i, k in enumerate(fold) if k != held_out]
        model = fit_style([features[i] for i in seen], [truth[i] for i in seen])
        for i in (i for i, k in enumerate(fold) if k == held_out):
            (odds[i],) = model.log_odds([features[i]])
    print(f"quality: {len(examples):,d} pages learnt, {len(truth)} judged texts", flush=True)
    return zero_shot, roc_auc(odds, truth)


def speed_lines() -> list[str]:
    """Real pages, prepared, as both contenders get them."""
    gold = pq.read_table(DATA / "webpages" / "gold.parquet", columns=["gold_text"])
    texts = [text for text in gold.column(0).to_pylist() if text and len(text) > MIN_CHARS]
    return [head_line(text) for text in texts[:MAX_PAGES]]


def main() -> None:
    if not (DATA / "labelled").is_dir():
        raise SystemExit(f"found no {DATA / 'labelled'}; set C2M_SHARED_DATA to the shared data")
    figures: dict[str, harness.Figure] = {}
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as name:
        folders = {part: Path(name) / part for part in ("words", "characters", "languages")}
        for folder in folders.values():
            folder.mkdir()
        zero_shot, cv = measure_quality()
        auc, by_source = measure_toxicity(folders["characters"])
        labelled = [DATA / "labelled" / f"{n}.parquet" for n in ("toxicity", "dclm_human_quality")]
        train(labelled, folders["words"], CurateConfig())
        lines = speed_lines()
        ratios = {
            part: measure_speed(folders[part], lines, rows) for part in ("words", "characters")
        }
        if "--without-languages" not in sys.argv:
            figures["langid_macro_f1"] = round(measure_languages(folders["languages"]), 4)
    header = ["heads", "n", "pages", "our s", "fastText s", "ratio", "same label", "largest gap"]
    print(f"\nAll heads on real pages ({N_RUNS} runs each, CPU medians):\n")
    print(harness.to_table(header, rows))
    print(
        harness.to_last_line(
            {
                "classify_vs_fasttext_predict": round(ratios["words"], 3),
                "classify_vs_fasttext_predict_characters": round(ratios["characters"], 3),
                **figures,
                "toxicity_auc": round(auc, 4),
                "toxicity_auc_worst_source": round(min(by_source.values()), 4),
                "quality_auc_zero_shot": round(zero_shot, 4),
                "quality_auc_cv": round(cv, 4),
            }
        )
    )


if __name__ == "__main__":
    main()
