"""Small synthetic stores: what tests of the warehouse, the catalog and the report are arranged with.

Rows are committed by the store's own commit, so that accounting, hashing and schemas are checked on
the way. ``factory_models.full_store`` has one artifact of every stage.
"""

import hashlib
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from warehouse import parquet, runs
from warehouse.artifact import Artifact, Input
from warehouse.schemas import TABLES
from warehouse.store import Identity, Store

WARCS = ("crawl-data/part-0.warc.gz", "crawl-data/part-1.warc.gz")
PAGES_PER_WARC = 30
CONFIG: dict[str, object] = {
    "curate": {
        "languages": ["en"],
        "min_language_score": 0.65,
        "min_quality": 0.3,
        "max_toxicity": 0.5,
    },
    "deduplicate": {"jaccard": 0.8},
}
_WORDS = (
    "river",
    "stone",
    "lamp",
    "harbour",
    "winter",
    "bread",
    "letter",
    "garden",
    "engine",
    "cloud",
    "violin",
)

Rows = Sequence[Mapping[str, object]]


def row(table: str, **given: object) -> dict[str, object]:
    """A row of a table: the values given, null elsewhere."""
    names = [column.name for column in TABLES[table].columns]
    assert set(given) <= set(names), set(given) - set(names)
    return {name: given.get(name) for name in names}


def doc_id(number: int) -> str:
    return hashlib.sha256(f"page {number}".encode()).hexdigest()[:32]


def url_of(number: int) -> str:
    return f"https://{'news' if number % 3 else 'shop'}.example/page-{number}?a=1&b=<i>"


def make_store(root: Path) -> Store:
    store = Store(root)
    store.prepare()
    return store


def as_input(name: str, artifact: Artifact) -> Input:
    return Input(name, artifact.manifest.kind, artifact.key, artifact.content)


def commit(
    store: Store,
    name: str,
    *,
    kind: str = "",
    tables: Mapping[str, Rows] | None = None,
    files: Mapping[str, bytes] | None = None,
    inputs: Iterable[Input] = (),
    config: Mapping[str, object] | None = None,
    outcomes: tuple[str, int] | None = None,
    attributes: Mapping[str, object] | None = None,
) -> Artifact:
    """Commit one artifact; ``outcomes`` = (outcome table, rows that went in)."""
    identity = Identity(kind or name.split("/")[0], name, 1, config or {}, tuple(inputs))
    with store.stage(identity) as staging:
        for table, rows in (tables or {}).items():
            parquet.write_rows(staging.path / f"{table}.parquet", table, rows)
            staging.tables[f"{table}.parquet"] = table
        for path, content in (files or {}).items():
            (staging.path / path).write_bytes(content)
        if outcomes is not None:
            staging.outcome_table, staging.rows_in = outcomes
        staging.attributes.update(attributes or {})
        return store.commit(staging)


def record_run(
    store: Store,
    artifacts: Iterable[Artifact],
    *,
    status: str = "completed",
    state: str = "ran",
    recipe: str = "nano",
    config: Mapping[str, object] | None = None,
) -> str:
    """Record a run that made (or hit) these artifacts; return its id."""
    run = runs.start(store, recipe, dict(CONFIG if config is None else config))
    for number, artifact in enumerate(artifacts):
        step = runs.StepRecord(
            step=artifact.manifest.name,
            stage=artifact.manifest.kind,
            state=state,
            key=artifact.key,
            content=artifact.content,
            started_at=runs.now(),
            seconds=1.5 + number,
            cpu_seconds=1.0 + number,
            max_rss_bytes=1 << 27,
            measures={"tokens_per_second": 1e4} if artifact.manifest.kind == "pretrain" else {},
        )
        runs.save_step(store, run.run_id, step)
    if status != "running":
        runs.finish(store, run, status=status)
    return run.run_id


def _text(number: int) -> str:
    chance = random.Random(number)
    return " ".join(chance.choice(_WORDS) for _ in range(20)) + f" number {number}."


def _pages() -> list[dict[str, object]]:
    """One plan for each record: what it is and what becomes of it."""
    plans = []
    for number in range(PAGES_PER_WARC * len(WARCS)):
        chance = random.Random(1000 + number)
        outcome = {5: "not_html", 6: "http_redirect", 7: "no_text"}.get(number % 10, "page")
        decision = {1: "language", 2: "quality"}.get(number % 10, "kept")
        dedup = {3: "near_duplicate"}.get(number % 10, "kept")
        if number == 10:
            dedup = "exact_duplicate"
        plans.append(
            {
                "number": number,
                "doc_id": doc_id(number),
                "url": url_of(number),
                "outcome": outcome,
                "decision": decision if outcome == "page" else None,
                "dedup": dedup if outcome == "page" and decision == "kept" else None,
                "language": "de" if decision == "language" else "en",
                "quality": chance.uniform(0.0, 0.3) if decision == "quality" else chance.uniform(0.3, 1),
                "toxicity": chance.uniform(0, 0.5),
                "language_score": chance.uniform(0.65, 1.0),
            }
        )  # fmt: skip
    return plans


def _record(plan: Mapping[str, object]) -> dict[str, object]:
    number = int(str(plan["number"]))
    return row(
        "records",
        record_id=plan["doc_id"],
        warc_file=WARCS[number // PAGES_PER_WARC],
        warc_offset=1000 * (number % PAGES_PER_WARC),
        warc_length=900,
        record_type="response",
        url=plan["url"],
        date="2026-01-01T00:00:00Z",
        http_status=200,
        mime="text/html",
        payload_digest=f"sha1:{number}",
        charset="utf-8",
        title=f"Page {number} <script>alert(1)</script>",
        outcome=plan["outcome"],
    )


def _scores(plan: Mapping[str, object]) -> dict[str, object]:
    known = {column.name: column.type for column in TABLES["scores"].columns}
    zero = {"text": "", "int": 20, "float": 0.5, "bool": False, "texts": []}
    given = {name: plan[name] for name in known if name in plan}
    return {name: zero[kind] for name, kind in known.items()} | given


def commit_corpus(store: Store, config: Mapping[str, object] | None = None) -> list[Artifact]:
    """Commit the stages from crawl to deduplicate; a different config gives different keys."""
    plans = _pages()
    given = config or {}
    crawl = commit(store, "sample_crawl", config=given, files={"a.warc.gz": b"warc"},
                   tables={"truth": [row("truth", url=plan["url"], warc_file=WARCS[0], warc_record_id="r",
                                         page_type="article", expected_outcome="page") for plan in plans]})  # fmt: skip
    made = [
        crawl,
        commit(store, "sample_labels", config=given, files={"quality.parquet": b"labels"}),
    ]
    annotated = []
    classifiers = commit(store, "classifiers", config=given, inputs=[as_input("labels", made[1])],
                         files={"quality.bin": b"q"},
                         tables={"classifiers": [
                             row("classifiers", name=name, n_train=100, n_test=20, auc=0.97, base_rate=0.5)
                                 for name in ("quality", "toxicity")],
                             "perplexity_models": [row("perplexity_models", language="en", n_texts=9, n_words=900)]})  # fmt: skip
    extracts = []
    for part, warc in enumerate(WARCS):
        mine = plans[part * PAGES_PER_WARC : (part + 1) * PAGES_PER_WARC]
        pages = [plan for plan in mine if plan["outcome"] == "page"]
        texts = [
            row("texts", doc_id=p["doc_id"], text=_text(int(str(p["number"]))) + "\nmenu")
            for p in pages
        ]
        clean = [
            row("clean_texts", doc_id=p["doc_id"], text=_text(int(str(p["number"])))) for p in pages
        ]
        extract = commit(store, f"extract/{warc}", config={**given, "file": warc},
                         inputs=[as_input("crawl", crawl)],
                         tables={"records": [_record(plan) for plan in mine], "texts": texts},
                         outcomes=("records", len(mine)))  # fmt: skip
        extracts.append(extract)
        annotated.append(
            commit(store, f"annotate/{warc}", config={**given, "file": warc},
                   inputs=[as_input("extract", extract), as_input("classifiers", classifiers)],
                   tables={"scores": [_scores(plan) for plan in pages], "clean_texts": clean})
        )  # fmt: skip
    pages = [plan for plan in plans if plan["outcome"] == "page"]
    decide = commit(store, "decide", config=given, inputs=[as_input("annotate", a) for a in annotated],
                    tables={"decisions": [row("decisions", doc_id=p["doc_id"], outcome=p["decision"]) for p in pages],
                            "perplexity_buckets": [row("perplexity_buckets", language="en", n_documents=len(pages))]},
                    outcomes=("decisions", len(pages)))  # fmt: skip
    kept = [plan for plan in pages if plan["decision"] == "kept"]
    survivors = [plan for plan in kept if plan["dedup"] == "kept"]
    doubles = [plan for plan in kept if plan["dedup"] != "kept"]
    deduplicate = commit(
        store, "deduplicate", config=given,
        inputs=[as_input("decide", decide), *(as_input("annotate", a) for a in annotated)],
        tables={
            "dedup_outcomes": [row("dedup_outcomes", doc_id=p["doc_id"], outcome=p["dedup"]) for p in kept],
            "duplicates": [
                row("duplicates", doc_id=p["doc_id"], survivor_id=survivors[0]["doc_id"],
                    cluster_id=survivors[0]["doc_id"],
                    kind="exact" if p["dedup"] == "exact_duplicate" else "near",
                    jaccard=1.0 if p["dedup"] == "exact_duplicate" else 0.9)
                for p in doubles
            ],
            "removed_lines": [row("removed_lines", line="accept all cookies <b>", kind="line", n_documents=12, n_removed=12)],
            "unique_texts": [
                row("unique_texts", doc_id=p["doc_id"], text=_text(int(str(p["number"]))).upper()) for p in survivors
            ],
        },
        outcomes=("dedup_outcomes", len(kept)),
    )  # fmt: skip
    return [*made, classifiers, *extracts, *annotated, decide, deduplicate]


def commit_decontamination(store: Store, deduplicate: Artifact, dropped: str = "") -> Artifact:
    """Commit the search for two items, one of them held by the first document; ``dropped`` goes for it."""
    texts = [*parquet.read_rows(deduplicate.path / "unique_texts.parquet")]
    held = str(texts[0]["text"])[:30]
    return commit(
        store, "decontaminate", config={"dropped": dropped}, inputs=[as_input("corpus", deduplicate)],
        tables={
            "decontamination_outcomes": [
                row("decontamination_outcomes", doc_id=text["doc_id"],
                    outcome="contaminated" if text["doc_id"] == dropped else "kept") for text in texts
            ],
            "contamination": [
                row("contamination", doc_id=dropped or texts[0]["doc_id"], set_name="quiz", item_id="1", n=13, n_found=2,
                    share=0.5, is_contaminated=True, n_spans=1, first_char=0, end_char=30, matched_text=held)
            ],
            "uncheckable": [row("uncheckable", set_name="quiz", item_id="2", n=13, n_words=9)],
            "decontamination_sets": [row("decontamination_sets", set_name="quiz", n_items=2, n_checkable=2,
                                         n_contaminated=1, n_documents=1)],
        },
        outcomes=("decontamination_outcomes", len(texts)),
    )  # fmt: skip


def commit_mix(store: Store, tokens: Artifact) -> Artifact:
    """Commit a mixture that reads every second training document twice, the others once."""
    train = [r for r in parquet.read_rows(tokens.path / "shards.parquet") if r["split"] == "train"]
    copies = [(r["doc_id"], copy) for copy in range(2) for r in train[:: copy + 1]]
    n_tokens = 30 * len(train)
    return commit(
        store, "mix", inputs=[as_input("tokens", tokens)],
        tables={
            "mixture": [row("mixture", group_name="en", n_documents=len(train), n_tokens=n_tokens, weight=1.0,
                            n_tokens_asked=n_tokens * 2, n_tokens_drawn=30 * len(copies), epochs=1.5, is_capped=False)],
            "mix_proxies": [row("mix_proxies", name="mix_fit", group_name="en", n_tokens=n_tokens, weight=1.0,
                                weight_read=1.0, n_tokens_drawn=n_tokens, loss=3.0)],
            "mix_fit": [row("mix_fit", kind="mean", ridge=0.0, cv_error=0.1, is_chosen=True, predicted_loss=3.0,
                            measured_loss=3.0, proportional_loss=3.0)],
            "mixed_documents": [
                row("mixed_documents", doc_id=r["doc_id"], group_name="en", n_tokens=30, outcome="drawn",
                    n_copies=1 + (number % 2 == 0)) for number, r in enumerate(train)
            ],
            "mixed_shards": [
                row("mixed_shards", doc_id=doc_id, copy=copy, shard=number // 16, start=30 * (number % 16), length=30)
                for number, (doc_id, copy) in enumerate(copies)
            ],
        },
        outcomes=("mixed_documents", len(train)),
    )  # fmt: skip


def commit_tokens(store: Store, deduplicate: Artifact) -> list[Artifact]:
    """Commit the tokenizer and the shards of what survived."""
    texts = [*parquet.read_rows(deduplicate.path / "unique_texts.parquet")]
    tokenizer = commit(store, "tokenizer", config={"vocab_size": 512}, files={"tokenizer.json": b"{}"},
                       inputs=[as_input("deduplicate", deduplicate)], attributes={"vocab_size": 512})  # fmt: skip
    rows = [
        row("shards", doc_id=text["doc_id"], split="validation" if number % 9 == 0 else "train",
            shard=0, start=30 * number, length=30, n_bytes=120)
        for number, text in enumerate(texts)
    ]  # fmt: skip
    tokens = commit(store, "tokens", tables={"shards": rows}, files={"train-00000.bin": b"\0" * 64},
                    inputs=[as_input("deduplicate", deduplicate), as_input("tokenizer", tokenizer)],
                    attributes={"vocab_size": 512})  # fmt: skip
    return [tokenizer, tokens]


def find(store: Store, name: str) -> Artifact:
    """The one artifact of a name."""
    (artifact,) = [a for a in store.artifacts() if a.manifest.name == name]
    return artifact


def manifest_of(artifact: Artifact) -> dict[str, object]:
    """A manifest as it lies on disk."""
    read: dict[str, object] = json.loads((artifact.path / "_manifest.json").read_text())
    return read
