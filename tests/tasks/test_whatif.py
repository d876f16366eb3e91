"""What would be kept is what a run keeps: counted over the scores, held against the stage itself."""

import dataclasses
import json
import random
import shutil
from collections import Counter

import pytest
from factories import as_input, commit, make_store, record_run, row
from factory_scores import near_thresholds

from lmcore.curate.config import DECISION_FIELDS, CurateConfig
from lmcore.curate.decide import KEPT
from lmcore.errors import ConfigError, InputError
from lmcore.tokenizer.config import TokenizerConfig
from lmcore.tokenizer.train import train_bpe
from lmcore.tokens.config import TokensConfig
from lmcore.tokens.shards import encode_to_shards
from tasks.curation import decide
from tasks.job import Job, JobInput, JobSpec
from tasks.whatif import CONDITION, by_condition, by_thresholds
from warehouse import catalog
from warehouse.errors import QueryError
from warehouse.parquet import read_rows
from warehouse.store import Store

PLAIN = json.loads(json.dumps(dataclasses.asdict(CurateConfig())))
OPEN = {
    "languages": [], "min_language_score": 0.0, "gopher_min_words": 0, "gopher_max_words": 10**6,
    "gopher_min_mean_word_length": 0.0, "gopher_max_mean_word_length": 1e3, "gopher_max_hash_ratio": 1.0,
    "gopher_max_duplicate_lines": 1.0, "gopher_max_top_ngram_chars": [1.0] * 3, "max_toxicity": 1.0,
    "gopher_max_duplicate_ngram_chars": [1.0] * 6, "gopher_min_stop_words": 0, "c4_min_sentences": 0,
    "c4_reject_curly_bracket": False, "min_quality": 0.0,
}  # fmt: skip
"""Thresholds that reject none of the documents below."""
N_DOCUMENTS = 160


class Made:
    """A store with one run, and what is needed to decide again over its scores."""

    def __init__(self, root):
        self.root = root
        self.store = make_store(root / "store")
        chance = random.Random(5)
        words = ["river", "stone", "lamp", "harbour", "winter", "bread", "Stein", "河", "violin,"]
        rows = [near_thresholds(f"{at:032x}", chance) for at in range(N_DOCUMENTS)]
        self.texts = {
            str(r["doc_id"]): " ".join(chance.choices(words, k=chance.randrange(60))) for r in rows
        }
        self.parts = [self._annotate(part, rows[part::2]) for part in range(2)]
        self.outcomes = self.run_decide({})
        decisions = [row("decisions", doc_id=d, outcome=o) for d, o in self.outcomes.items()]
        decided = commit(self.store, "decide", tables={"decisions": decisions},
                         inputs=[as_input("annotated", part) for part in self.parts],
                         outcomes=("decisions", N_DOCUMENTS))  # fmt: skip
        kept = [doc_id for doc_id, outcome in self.outcomes.items() if outcome == KEPT]
        self.unique = [doc_id for at, doc_id in enumerate(kept) if at % 5]
        self.tokenizer = train_bpe(self.texts.values(), TokenizerConfig(vocab_size=300))
        self.tokenizer.save(self._folder("tokenizer"))
        files = {path.name: path.read_bytes() for path in self._folder("tokenizer").iterdir()}
        made = commit(self.store, "tokenizer", files=files)
        index = encode_to_shards(
            self.texts.items(), self.tokenizer, self._folder("shards"), TokensConfig(), workers=1
        )
        self.index = {entry.doc_id: entry for entry in index}
        shards = [dataclasses.asdict(self.index[doc_id]) for doc_id in self.unique]
        tokens = commit(self.store, "tokens", tables={"shards": shards})
        self.run_id = record_run(self.store, [*self.parts, decided, made, tokens],
                                 config={"curate": PLAIN})  # fmt: skip
        self.connection = catalog.connect(self.store)

    def _folder(self, name):
        path = self.root / name
        path.mkdir(exist_ok=True)
        return path

    def _annotate(self, part, rows):
        clean = [row("clean_texts", doc_id=r["doc_id"], text=self.texts[r["doc_id"]]) for r in rows]
        records = [row("records", record_id=r["doc_id"], url="https://a.example", outcome="page")
                   for r in rows]  # fmt: skip
        tables = {"scores": rows, "clean_texts": clean, "records": records}
        return commit(self.store, f"annotate/{part}", config={"part": part}, tables=tables)

    def run_decide(self, changed):
        """Run the stage's own body; outcomes by document."""
        out = self._folder("decide")
        curate = {name: {**PLAIN, **changed}[name] for name in DECISION_FIELDS}
        inputs = [
            JobInput(name, "annotate", part.key, part.content, "", str(part.path))
            for part in self.parts
            for name in ("annotated", "extracted")
        ]
        spec = JobSpec(step="decide", stage="decide", body="", key="", config={"curate": curate},
                       inputs=inputs, out=str(out), work=str(out), store=str(self.store.root),
                       run_id="", workers=1)  # fmt: skip
        decide(Job(spec))
        return {r["doc_id"]: r["outcome"] for r in read_rows(out / "decisions.parquet")}

    def tokens_of(self, doc_ids):
        return sum(self.index[doc_id].length for doc_id in doc_ids)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("whatif"))


def crosstab(answer):
    return {(c.now, c.then): c.documents for c in answer.changes}


def assert_tokens_are_those_of(made, total, doc_ids):
    """The tokens of documents that were kept, as the stage tokens writes them."""
    in_shards = set(doc_ids) & set(made.unique)
    assert total.documents == len(doc_ids)
    assert total.documents_in_shards == len(in_shards)
    assert total.tokens_in_shards == made.tokens_of(in_shards)
    assert total.tokens_elsewhere == made.tokens_of(set(doc_ids) - in_shards)


THRESHOLDS = [
    {},
    {"min_quality": 0.6},
    {"languages": ["de", "en"], "max_toxicity": 0.3, "gopher_min_words": 40},
    {"gopher_max_top_ngram_chars": [0.2, 0.05, 0.16], "gopher_min_stop_words": 0},
    {"gopher_max_duplicate_ngram_chars": [0.15, 0.14, 0.13, 0.12, 0.11, 0.05]},
    {"c4_reject_curly_bracket": False, "c4_min_sentences": 3, "min_language_score": 0.5},
    {"gopher_min_words": 10**6},
    {"max_perplexity": 700.0},
    {"perplexity_buckets": ["head"], "perplexity_shares": [0.5, 0.7]},
    {"perplexity_buckets": ["head", "middle"], "perplexity_cutoffs": ["en=300.0:900.0"]},
    OPEN,
]


@pytest.mark.parametrize("changed", THRESHOLDS, ids=lambda changed: "-".join(changed)[:40])
def test_thresholds_keep_what_the_stage_run_with_them_keeps(made, changed):
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in changed.items()}
    answer = by_thresholds(made.store, made.connection, given)
    again = made.run_decide(changed)
    assert crosstab(answer) == Counter((made.outcomes[d], again[d]) for d in again)
    assert answer.method == "counted"
    kept = [doc_id for doc_id, outcome in again.items() if outcome == KEPT]
    assert_tokens_are_those_of(made, answer.total(then=True), kept)
    now = [doc_id for doc_id, outcome in made.outcomes.items() if outcome == KEPT]
    assert_tokens_are_those_of(made, answer.total(then=False), now)


def test_thresholds_tested_change_decisions_of_many_rules(made):
    """The equalities above would hold of nothing, too."""
    assert len(set(made.outcomes.values())) >= 9
    assert set(made.run_decide(OPEN).values()) == {KEPT}
    assert 0 < Counter(made.outcomes.values())[KEPT] < N_DOCUMENTS


@pytest.mark.parametrize(
    ("condition", "changed"),
    [
        ("quality >= 0.6 and language = 'en'", {"min_quality": 0.6, "languages": ["en"]}),
        ("toxicity <= 0.3 or false", {"max_toxicity": 0.3}),
        (
            "n_words BETWEEN 40 AND 999 -- no more",
            {"gopher_min_words": 40, "gopher_max_words": 999},
        ),
        ("NOT has_curly_bracket", {"c4_reject_curly_bracket": True}),
    ],
)
def test_condition_keeps_what_the_stage_run_with_that_rule_alone_keeps(made, condition, changed):
    answer = by_condition(made.store, made.connection, condition)
    again = made.run_decide({**OPEN, **changed})
    kept = [doc_id for doc_id, outcome in again.items() if outcome == KEPT]
    assert 0 < len(kept) < N_DOCUMENTS
    assert_tokens_are_those_of(made, answer.total(then=True), kept)
    now = made.outcomes
    expected = Counter(
        (now[d], KEPT if d in kept else CONDITION if now[d] == KEPT else now[d]) for d in now
    )
    assert crosstab(answer) == expected


def test_condition_that_is_null_keeps_nothing(made):
    answer = by_condition(made.store, made.connection, "nullif(quality, quality) > 0.5")
    assert answer.total(then=True).documents == 0


def test_changes_come_with_kept_documents_first(made):
    changes = by_thresholds(made.store, made.connection, {"min_quality": 0.6}).changes
    assert (changes[0].now, changes[0].then) == (KEPT, KEPT)
    assert [c.now == KEPT for c in changes] == sorted(
        (c.now == KEPT for c in changes), reverse=True
    )


def test_tokens_estimated_are_near_those_counted(made):
    counted = by_thresholds(made.store, made.connection, {"languages": ()})
    estimated = by_thresholds(made.store, made.connection, {"languages": ()}, estimate=True)
    assert (counted.method, estimated.method) == ("counted", "estimated")
    assert crosstab(counted) == crosstab(estimated)
    exact, guess = (answer.total(then=True) for answer in (counted, estimated))
    assert exact[:5] == guess[:5]
    # the scores of this store say 6,000 characters of every document
    ratio = exact.tokens_in_shards / (6000 * exact.documents_in_shards)
    elsewhere = guess.documents - guess.documents_in_shards
    assert guess.tokens_elsewhere == pytest.approx(ratio * 6000 * elsewhere, abs=5)


def run_of(made, kinds, config=None):
    """Record another run that has artifacts of these kinds alone, and open the catalog on it."""
    found = [a for a in made.store.artifacts() if a.manifest.kind in kinds]
    run_id = record_run(made.store, found, status="stopped", config=config or {"curate": PLAIN})
    return catalog.connect(made.store, run_id)


def test_tokens_of_a_run_without_tokenizer_are_estimated(made):
    connection = run_of(made, {"annotate", "decide", "tokens"})
    assert by_condition(made.store, connection, "true").method == "estimated"


def test_tokens_of_a_run_without_shards_are_unknown(made):
    connection = run_of(made, {"annotate", "decide"})
    answer = by_condition(made.store, connection, "quality > 0.6")
    assert answer.method == "unknown"
    assert answer.total(then=True).tokens_elsewhere is None
    assert answer.total(then=True).documents > 0


def test_run_that_has_decided_nothing_is_undecided_now(made):
    answer = by_condition(made.store, run_of(made, {"annotate"}), "quality > 0.6")
    assert {change.now for change in answer.changes} == {"undecided"}


def test_thresholds_not_named_are_those_of_the_run(made):
    """Not today's defaults: the run had its own."""
    strict = {"curate": {**PLAIN, "min_quality": 0.9}}
    answer = by_thresholds(made.store, run_of(made, {"annotate", "decide"}, strict), {})
    again = made.run_decide({"min_quality": 0.9})
    assert crosstab(answer) == Counter((made.outcomes[d], again[d]) for d in again)


@pytest.mark.parametrize("field", ["c4_min_words_per_line", "classifier_dim", "labels", "nosuch"])
def test_field_that_decides_nothing_is_refused(made, field):
    with pytest.raises(ConfigError, match=f"curate.{field}.*expected one of .*min_quality"):
        by_thresholds(made.store, made.connection, {field: 1})


def test_condition_over_what_is_no_score_is_refused(made):
    with pytest.raises(QueryError, match="n_tokens"):
        by_condition(made.store, made.connection, "n_tokens > 5")


def test_scores_of_an_earlier_version_without_a_column_are_refused(tmp_path):
    store = make_store(tmp_path)
    scores = [{**near_thresholds("a", random.Random(1)), "quality": None}]
    record_run(store, [commit(store, "annotate/0", tables={"scores": scores})])
    with catalog.connect(store) as connection, pytest.raises(InputError, match="without quality"):
        by_thresholds(store, connection, {"max_toxicity": 0.5})


def test_damaged_tokenizer_is_not_counted_with(made, tmp_path):
    shutil.copytree(made.store.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    (path,) = store.objects.glob("tokenizer/*/tokenizer.json")
    path.write_bytes(b"x" + path.read_bytes())
    with catalog.connect(store) as connection:
        assert by_condition(store, connection, "true").method == "estimated"
    assert path.exists()
