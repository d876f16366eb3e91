"""Unique documents are searched for items of evaluation sets; what holds one is named, and goes.

Nothing is written twice: the texts stay those of deduplication, and later stages read them through
``read_unique``, which leaves out what this stage dropped. The problems on which the journey itself
evaluates its models are one more set.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lmcore.align.arithmetic import HELD_OUT, list_problems
from lmcore.align.config import ProblemConfig
from lmcore.dedup.contamination import Contamination, Span, find_contamination, index_items
from lmcore.dedup.contamination_config import DecontaminateConfig
from lmcore.dedup.evaluation_items import read_items, set_name
from tasks.deduplication import UNIQUE_TEXTS
from tasks.job import Job, Row, read_all
from warehouse.parquet import TableWriter, count_rows, read_rows

OUTCOMES = "decontamination_outcomes.parquet"
KEPT, CONTAMINATED = "kept", "contaminated"
PROBLEMS = "problems"
"""The set of the journey's own evaluation problems."""


class _Item(NamedTuple):
    """One item of one set."""

    set_name: str
    item_id: str
    text: str


def read_unique(job: Job) -> Iterator[Row]:
    """Yield doc_id and text of each unique document that decontamination, where it ran, kept."""
    dropped = _dropped(job)
    for row in read_rows(job.path("corpus") / UNIQUE_TEXTS):
        if row["doc_id"] not in dropped:
            yield row


def count_unique(job: Job) -> int:
    """Count the documents that ``read_unique`` yields."""
    return count_rows(job.path("corpus") / UNIQUE_TEXTS) - len(_dropped(job))


def _dropped(job: Job) -> set[object]:
    rows = read_all(job.paths("decontaminated"), OUTCOMES)
    return {row["doc_id"] for row in rows if row["outcome"] != KEPT}


def decontaminate(job: Job) -> None:
    """Search every unique document for the items of every set."""
    config = job.config(DecontaminateConfig, "decontaminate")
    items = _items(job, config)
    index = index_items(
        ((str(number), item.text) for number, item in enumerate(items)), config.n_words
    )
    min_share = dict(zip(config.n_words, config.min_share, strict=True))
    path = job.path("corpus") / UNIQUE_TEXTS
    total = count_rows(path)
    holders: dict[str, set[str]] = defaultdict(set)  # documents over the rule, by item
    with (
        job.writer("contamination", "contamination.parquet") as found,
        job.writer("decontamination_outcomes", OUTCOMES) as outcomes,
    ):
        for done, row in enumerate(read_rows(path)):
            doc_id, text = str(row["doc_id"]), str(row["text"])
            matches = list(find_contamination([(doc_id, text)], index))
            over = {match.item_id for match in matches if match.share >= min_share[match.n]}
            for item in over:
                holders[item].add(doc_id)
            _write_matches(found, matches, items, text, min_share)
            is_dropped = over and config.action == "drop"
            outcomes.write({"doc_id": doc_id, "outcome": CONTAMINATED if is_dropped else KEPT})
            job.progress(done, total, f"{done:,d} documents searched")
    job.account("decontamination_outcomes", total)
    too_short = [(items[int(u.item_id)], u.n, u.n_words) for u in index.uncheckable]
    job.write(
        "uncheckable",
        "uncheckable.parquet",
        (
            {"set_name": item.set_name, "item_id": item.item_id, "n": n, "n_words": n_words}
            for item, n, n_words in too_short
        ),
    )
    never = Counter(item.set_name for item, n, _ in too_short if n == min(config.n_words))
    rows = _set_rows(items, never, holders)
    job.write("decontamination_sets", "decontamination_sets.parquet", rows)


def _items(job: Job, config: DecontaminateConfig) -> list[_Item]:
    """Items of every file, a set each, and the journey's own problems."""
    files = [entry.source for entry in job.spec.inputs if entry.name == "sets"]
    short = Counter(map(set_name, files))
    items = []
    for file, path in zip(files, job.paths("sets"), strict=True):
        name = set_name(file) if short[set_name(file)] == 1 else file
        items += [_Item(name, *item) for item in read_items(Path(path), file, config)]
    problems = list_problems(job.config(ProblemConfig, "problems"), HELD_OUT)
    items += [_Item(PROBLEMS, p.problem_id, f"{p.prompt} {p.answer}") for p in problems]
    return items


def _write_matches(
    table: TableWriter,
    matches: list[Contamination],
    items: list[_Item],
    text: str,
    min_share: Mapping[int, float],
) -> None:
    for match in matches:
        item = items[int(match.item_id)]
        span = max(match.spans, key=_n_words)
        table.write(
            {
                "doc_id": match.doc_id,
                "set_name": item.set_name,
                "item_id": item.item_id,
                "n": match.n,
                "n_found": match.n_found,
                "share": match.share,
                "is_contaminated": match.share >= min_share[match.n],
                "n_spans": len(match.spans),
                "first_char": span.first_char,
                "end_char": span.end_char,
                "matched_text": text[span.first_char : span.end_char],
            }
        )


def _n_words(span: Span) -> int:
    return span.end_word - span.first_word


def _set_rows(
    items: list[_Item], never: Mapping[str, int], holders: Mapping[str, set[str]]
) -> Iterator[Row]:
    documents: dict[str, set[str]] = defaultdict(set)
    n_contaminated: Counter[str] = Counter()
    for item, doc_ids in holders.items():
        name = items[int(item)].set_name
        n_contaminated[name] += 1
        documents[name] |= doc_ids
    for name, n_items in Counter(item.set_name for item in items).items():
        yield {
            "set_name": name,
            "n_items": n_items,
            "n_checkable": n_items - never.get(name, 0),
            "n_contaminated": n_contaminated[name],
            "n_documents": len(documents[name]),
        }
