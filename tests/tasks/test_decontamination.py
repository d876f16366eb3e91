"""Documents that hold evaluation items are found, named and left out; all others stay."""

import json
import random

import pytest
from factories import row

from lmcore.align.arithmetic import HELD_OUT, list_problems
from lmcore.align.config import ProblemConfig
from tasks.decontamination import PROBLEMS, count_unique, decontaminate, read_unique
from tasks.job import Job, JobInput, JobSpec
from warehouse.expectations import count_outcomes
from warehouse.parquet import read_rows, write_rows

WORDS = [f"word{number}" for number in range(4000)]
TABLES = ("decontamination_outcomes", "contamination", "uncheckable", "decontamination_sets")


class Leaks:
    """Two sets of items of rare words, and documents of which every third holds one item whole."""

    def __init__(self):
        chance = random.Random(3)
        self.items = {
            name: [" ".join(chance.choices(WORDS, k=chance.randint(5, 60))) for _ in range(20)]
            for name in ("quiz", "exam")
        }
        self.documents = []
        self.truth = {}
        for number in range(90):
            text = " ".join(chance.choices(WORDS, k=80))
            if number % 3 == 0:
                name = chance.choice(["quiz", "exam"])
                at = chance.choice([at for at in range(20) if len(self.items[name][at].split()) >= 8])  # fmt: skip
                leaked = self.items[name][at].upper().replace(" ", ", ")
                text = f"{text} {leaked} {text[:50]}"
                self.truth[f"d{number}"] = (name, f"row {at}")
            self.documents.append((f"d{number}", text))


@pytest.fixture(scope="module")
def leaks():
    return Leaks()


def job_on(path, leaks, **section):
    """A job of the stage: its documents, and each set in a form of its own."""
    unique = [row("unique_texts", doc_id=d, text=t) for d, t in leaks.documents]
    (path / "corpus").mkdir(parents=True)
    write_rows(path / "corpus" / "unique_texts.parquet", "unique_texts", unique)
    inputs = [JobInput("corpus", "deduplicate", "", "", "", str(path / "corpus"))]
    for name, items in leaks.items.items():
        lines = (json.dumps({"question": item}) for item in items)
        (path / f"{name}.jsonl").write_text("\n".join(lines))
        inputs.append(JobInput("sets", "file", "", "", f"{name}.jsonl", str(path / f"{name}.jsonl")))  # fmt: skip
    config = {"decontaminate": section, "problems": {"max_operand": 12}}
    spec = JobSpec(step="decontaminate", stage="decontaminate", body="", key="", config=config, inputs=inputs,
                   out=str(path / "out"), work=str(path), store=str(path / "store"), run_id="", workers=1)  # fmt: skip
    (path / "out").mkdir()
    return Job(spec)


def run_on(path, leaks, **section):
    job = job_on(path, leaks, **section)
    decontaminate(job)
    return job, {name: [*read_rows(path / "out" / f"{name}.parquet")] for name in TABLES}


@pytest.fixture(scope="module")
def found(leaks, tmp_path_factory):
    path = tmp_path_factory.mktemp("decontaminated")
    return path, *run_on(path, leaks)


def test_planted_items_are_all_found_and_nothing_else_is(found, leaks):
    _, _, tables = found
    dropped = {r["doc_id"] for r in tables["decontamination_outcomes"] if r["outcome"] != "kept"}
    assert dropped == leaks.truth.keys()
    named = {r["doc_id"]: (r["set_name"], r["item_id"]) for r in tables["contamination"]}
    assert named == leaks.truth
    assert all(r["share"] == 1.0 and r["is_contaminated"] for r in tables["contamination"])


def test_matched_text_is_what_stands_in_the_document(found, leaks):
    _, _, tables = found
    texts = dict(leaks.documents)
    for match in tables["contamination"]:
        span = texts[match["doc_id"]][match["first_char"] : match["end_char"]]
        assert match["matched_text"] == span
        name, item_id = leaks.truth[match["doc_id"]]
        assert span.lower().replace(",", "") == leaks.items[name][int(item_id.split()[1])]


def test_items_shorter_than_an_ngram_are_uncheckable(found, leaks):
    _, _, tables = found
    n_words = {
        (name, f"row {at}"): len(item.split())
        for name, items in leaks.items.items()
        for at, item in enumerate(items)
    }
    expected = {(*key, n, size) for key, size in n_words.items() for n in (13, 8) if size < n}
    assert expected
    listed = {(r["set_name"], r["item_id"], r["n"], r["n_words"]) for r in tables["uncheckable"]}
    assert {entry for entry in listed if entry[0] != PROBLEMS} == expected
    problems = list_problems(ProblemConfig(max_operand=12), HELD_OUT)
    assert {entry[1] for entry in listed if entry[0] == PROBLEMS} == {p.problem_id for p in problems}  # fmt: skip


def test_sets_are_counted_the_journeys_own_problems_among_them(found, leaks):
    _, _, tables = found
    sets = {r["set_name"]: r for r in tables["decontamination_sets"]}
    assert sets.keys() == {"quiz", "exam", PROBLEMS}
    assert sets[PROBLEMS]["n_checkable"] == sets[PROBLEMS]["n_documents"] == 0
    for name, items in leaks.items.items():
        holders = {d: item for d, (of, item) in leaks.truth.items() if of == name}
        expected = (20, sum(len(i.split()) >= 8 for i in items), len({*holders.values()}), len(holders))  # fmt: skip
        counts = ("n_items", "n_checkable", "n_contaminated", "n_documents")
        assert tuple(sets[name][count] for count in counts) == expected


def test_rows_in_are_kept_and_rejected(found, leaks):
    path, job, _ = found
    assert job.result.outcome_table == "decontamination_outcomes"
    assert job.result.rows_in == len(leaks.documents)
    counted = count_outcomes(
        "decontamination_outcomes", [path / "out" / "decontamination_outcomes.parquet"], 90
    )
    assert counted.rejected == {"contaminated": len(leaks.truth)}


def test_later_stages_read_what_was_kept(found, leaks):
    path, job, _ = found
    before = [*read_unique(job)]
    assert [(r["doc_id"], r["text"]) for r in before] == leaks.documents
    job.spec.inputs.append(JobInput("decontaminated", "decontaminate", "", "", "", str(path / "out")))  # fmt: skip
    after = [r["doc_id"] for r in read_unique(job)]
    assert after == [d for d, _ in leaks.documents if d not in leaks.truth]
    assert count_unique(job) == len(after)
    job.spec.inputs.pop()


def test_report_names_documents_and_drops_none(found, leaks, tmp_path):
    _, _, dropped = found
    _, tables = run_on(tmp_path, leaks, action="report")
    assert {r["outcome"] for r in tables["decontamination_outcomes"]} == {"kept"}
    assert tables["contamination"] == dropped["contamination"]
    assert tables["decontamination_sets"] == dropped["decontamination_sets"]


def test_share_of_an_item_decides_not_its_mention(tmp_path, leaks):
    """A third of an item is too little where half is asked for, and is named all the same."""
    part = Leaks()
    item = part.items["quiz"][0] = " ".join(WORDS[:38])
    part.documents = [("third", " ".join(item.split()[:18])), ("half", " ".join(item.split()[:26]))]
    _, tables = run_on(tmp_path, part, n_words=[8], min_share=[0.5])
    outcomes = {r["doc_id"]: r["outcome"] for r in tables["decontamination_outcomes"]}
    assert outcomes == {"third": "kept", "half": "contaminated"}
    found = {r["doc_id"]: (r["n_found"], r["is_contaminated"]) for r in tables["contamination"]}
    assert found == {"third": (11, False), "half": (19, True)}


def test_files_of_one_name_are_sets_of_their_own(tmp_path, leaks):
    job = job_on(tmp_path, leaks)
    job.spec.inputs.append(JobInput("sets", "file", "", "", "quiz.ndjson", str(tmp_path / "exam.jsonl")))  # fmt: skip
    decontaminate(job)
    rows = read_rows(tmp_path / "out" / "decontamination_sets.parquet")
    assert {r["set_name"] for r in rows} == {"quiz.jsonl", "quiz.ndjson", "exam", PROBLEMS}
