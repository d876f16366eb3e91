"""Pages are scored, masked and decided, with lists from a folder."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lmcore.curate.classifiers import train
from lmcore.curate.config import CurateConfig
from lmcore.curate.labels import LABEL_SETS
from lmcore.curate.perplexity import sentences_of
from lmcore.errors import InputError
from lmcore.ngram.arpa import write_arpa
from lmcore.ngram.backoff import estimate
from tasks.curation import CLEAN_TEXTS, DECISIONS, SCORES, annotate, classifiers, decide
from tasks.extraction import RECORDS, TEXTS
from tasks.job import Job, JobInput, JobSpec
from warehouse.expectations import count_outcomes
from warehouse.parquet import read_rows, write_rows
from warehouse.schemas import TABLES

PROSE = "It was a fine day on the coast, and the people of the town went to see what it would bring"
TEXT = "\n".join(
    f"{PROSE}, with {word} to come." for word in ("rain", "wind", "snow", "sun", "fog")
)
URLS = {
    "kept": "https://plain.example/page",
    "domain": "https://www.blocked.example/",
    "subdomain": "https://deep.blocked.example/",
    "words": "https://plain.example/forbidden-word",
    "bad": "https://plain.example/bad",
}
ZERO = {"text": "", "int": 0, "float": 0.0, "bool": False, "texts": []}


def config_of(**changes):
    plain = CurateConfig(classifier_dim=8, classifier_buckets=2_000, classifier_epochs=4)
    section = {name: getattr(plain, name) for name in CurateConfig.__slots__}
    section |= {"min_quality": 0.0, "max_toxicity": 1.0, "min_language_score": 0.0}
    section |= {"gopher_max_top_ngram_chars": (1.0,) * 3}  # the pages repeat a sentence
    return section | {"gopher_max_duplicate_ngram_chars": (1.0,) * 6} | changes


def make_job(folder, inputs, **changes):
    for name in ("out", "work"):
        (folder / name).mkdir(parents=True)
    entries = [JobInput(name, "file", "", "", path.name, str(path)) for name, path in inputs]
    return Job(
        JobSpec(
            step="annotate/a",
            stage="annotate",
            body="",
            key="k",
            config={"curate": config_of(**changes)},
            inputs=entries,
            out=str(folder / "out"),
            work=str(folder / "work"),
            store=str(folder / "store"),
            run_id="r",
            workers=1,
        )
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    texts = [f"{PROSE} {k}" if k % 2 else f"buy cheap pills now {k}" for k in range(40)]
    splits = ["test" if k % 5 < 2 else "train" for k in range(40)]
    table = pa.table({"text": texts, "label": [k % 2 for k in range(40)], "split": splits})
    paths = [folder / f"{name}.parquet" for name in LABEL_SETS]
    for path in paths:
        pq.write_table(table, path)
    train(paths, folder / "models", Job.config(make_job(folder, []), CurateConfig, "curate"))
    return folder / "models"


@pytest.fixture
def extracted(tmp_path):
    folder = tmp_path / "extracted"
    folder.mkdir()
    empty = {column.name: ZERO[column.type] for column in TABLES["records"].columns}
    records = [
        {**empty, "record_id": key, "url": url, "outcome": "page"} for key, url in URLS.items()
    ]
    write_rows(folder / RECORDS, "records", records)
    texts = dict.fromkeys(URLS, TEXT)
    texts["kept"] = (
        f"{TEXT}\nPay with 4111 1111 1111 1111 to GB82 WEST 1234 5698 7654 32, thank you."
    )
    texts["bad"] = f"{TEXT}\nA grackle sat there."
    write_rows(
        folder / TEXTS, "texts", [{"doc_id": key, "text": text} for key, text in texts.items()]
    )
    return folder


@pytest.fixture
def lists(tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "domains.txt").write_text("blocked.example\n")
    (folder / "url_words.txt").write_text("forbidden\n")
    (folder / "bad_words.en.txt").write_text("grackle\n")
    return [("lists", path) for path in sorted(folder.iterdir())]


def test_annotate_and_decide_give_each_page_one_reason(tmp_path, models, extracted, lists):
    inputs = [("extracted", extracted), ("classifiers", models), *lists]
    scored = make_job(tmp_path / "annotate", inputs)
    annotate(scored)
    inputs = [("extracted", extracted), ("annotated", scored.out)]
    decided = make_job(tmp_path / "decide", inputs, c4_max_bad_word_ratio=0.0)
    decide(decided)
    outcomes = {row["doc_id"]: row["outcome"] for row in read_rows(decided.out / DECISIONS)}
    assert outcomes == {
        "kept": "kept",
        "domain": "url_domain",
        "subdomain": "url_subdomain",
        "words": "url_words",
        "bad": "c4_bad_words",
    }
    paths = [decided.out / DECISIONS]
    assert count_outcomes("decisions", paths, decided.result.rows_in).rows_kept == 1
    (row,) = (row for row in read_rows(scored.out / SCORES) if row["doc_id"] == "kept")
    assert (row["n_cards"], row["n_ibans"], row["n_keys"]) == (1, 1, 0)
    (text,) = (row for row in read_rows(scored.out / CLEAN_TEXTS) if row["doc_id"] == "kept")
    assert text["text"].endswith("Pay with |||CARD_NUMBER||| to |||IBAN|||, thank you.")


def test_perplexity_of_a_given_model_drops_what_is_not_in_the_head(tmp_path, models, extracted):
    arpa = tmp_path / "good.en.arpa"
    write_arpa(estimate(sentences_of(TEXT), 3), arpa)
    inputs = [("extracted", extracted), ("classifiers", models), ("perplexity_models", arpa)]
    scored = make_job(tmp_path / "annotate", inputs)
    annotate(scored)
    scores = {row["doc_id"]: row["perplexity"] for row in read_rows(scored.out / SCORES)}
    plain = scores["domain"]
    assert plain < scores["bad"] < scores["kept"]
    inputs = [("extracted", extracted), ("annotated", scored.out)]
    decided = make_job(tmp_path / "decide", inputs, perplexity_buckets=("head",))
    decide(decided)
    rows = {row["doc_id"]: row for row in read_rows(decided.out / DECISIONS)}
    assert {doc_id: row["perplexity_bucket"] for doc_id, row in rows.items()} == {
        doc_id: "head" if value == plain else "tail" for doc_id, value in scores.items()
    }
    assert {doc_id: row["outcome"] for doc_id, row in rows.items() if row["outcome"] != "kept"} == {
        "kept": "perplexity_bucket",
        "bad": "perplexity_bucket",
    }
    (counts,) = read_rows(decided.out / "perplexity_buckets.parquet")
    assert (counts["language"], counts["n_documents"], counts["n_unscored"]) == ("en", 5, 0)
    assert (counts["n_head"], counts["n_middle"], counts["n_tail"]) == (3, 0, 2)
    assert counts["head_limit"] == plain


def test_classifiers_leave_a_table_of_the_models_they_made(tmp_path):
    sets = [tmp_path / f"{name}.parquet" for name in LABEL_SETS]
    for path in sets:
        texts = [f"{PROSE} {k}" if k % 2 else f"buy cheap pills now {k}" for k in range(40)]
        pq.write_table(pa.table({"text": texts, "label": [k % 2 for k in range(40)]}), path)
    job = make_job(tmp_path / "job", [("labels", path) for path in sets], perplexity_min_words=100)
    classifiers(job)
    (row,) = read_rows(job.out / "perplexity_models.parquet")
    assert (row["language"], row["n_texts"] + row["n_held_out"]) == ("en", 20)
    assert row["held_out_p10"] <= row["held_out_p90"]
    none = make_job(tmp_path / "none", [("labels", path) for path in sets], perplexity_order=0)
    classifiers(none)
    assert list(read_rows(none.out / "perplexity_models.parquet")) == []


def test_annotate_list_of_unknown_name_is_an_error(tmp_path, models, extracted):
    path = tmp_path / "words.txt"
    path.write_text("x\n")
    inputs = [("extracted", extracted), ("classifiers", models), ("lists", path)]
    with pytest.raises(InputError, match=r"words\.txt"):
        annotate(make_job(tmp_path / "annotate", inputs))
