"""Filters: Gopher's quality and repetition rules, C4 and FineWeb, ours against datatrove's.

The whole chain around them is measured too, see `chain`.

Documents are real: pages of the shared crawl (text by resiliparse) and the shared texts of up to
`MAX_CHARS` characters, at most `MAX_OF_FILE` of a file. All are judged as English, as the filters
of datatrove are set up by default; C4's demand for terminal punctuation is off, as FineWeb had it.

Decisions are compared on all documents, each filter by itself and all in a row, under the same
splitting of words: datatrove is given ours, and our count of sentences. FineWeb's filter judges what
the C4 filter of its own side left. Every document that is decided otherwise is listed by the reason.

The timed work is the chain in FineWeb's order from texts in memory to the kept documents' cleaned
texts: datatrove as it is shipped, with spaCy (`filters_vs_datatrove`), and with our splitting
(`filters_vs_datatrove_same_words`). A document that datatrove drops is spared its later filters; ours
measures every statistic of every document. Ours goes over the documents `N_PASSES` times, for a time
long enough to measure. Machine code is loaded and spaCy started before the clock starts.
"""

import gzip
import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import harness
import pyarrow.parquet as pq

from lmcore.curate import decide as decisions
from lmcore.curate.annotate import BATCH_CHARS
from lmcore.curate.config import CurateConfig
from lmcore.curate.heuristics import Measurement
from lmcore.curate.words import SENTENCE_END, split_words

PEERS = ["datatrove==0.10.1", "spacy==3.8.18", "nltk"]
DATA = Path(os.environ.get("C2M_SHARED_DATA", harness.ROOT.parent / "shared" / "data"))
WORK = harness.ROOT / ".benchmarks" / "filters"
MAX_CHARS = 40_000
MAX_OF_FILE = 300
N_TIMED = 250
N_RUNS = 3
N_PASSES = 20
MIN_EQUAL = 0.995

_COLUMNS = ("text", "story")
_NO_TEXT = ("gpt2_", "cs336_train")
_REPETITION = ("gopher_duplicate", "gopher_top")
FILTERS = {
    "repetition": [reason for reason in decisions.REASONS if reason.startswith(_REPETITION)],
    "quality": [
        reason
        for reason in decisions.REASONS
        if reason.startswith("gopher_") and not reason.startswith(_REPETITION)
    ],
    "c4": [reason for reason in decisions.REASONS if reason.startswith("c4_")],
    "fineweb": [reason for reason in decisions.REASONS if reason.startswith("fineweb_")],
}
"""Our reasons by datatrove's filter, in the order in which FineWeb ran the filters."""
CONFIG = CurateConfig()
KEPT = decisions.KEPT


def _shared_texts() -> Iterator[str]:
    for path in sorted((DATA / "text").iterdir()):
        if path.name.startswith(_NO_TEXT):
            continue
        texts = []
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            column = next(name for name in _COLUMNS if name in table.column_names)
            texts = table[column].to_pylist()
        elif path.name.endswith(".txt.gz"):
            texts = [gzip.decompress(path.read_bytes()).decode(errors="replace")]
        yield from [text for text in texts if text and len(text) <= MAX_CHARS][:MAX_OF_FILE]


def _pages() -> Iterator[str]:
    from lmcore.crawl.config import ExtractConfig
    from lmcore.crawl.extract import extract_archive

    config = ExtractConfig(tier="fast")
    for path in sorted((DATA / "webpages" / "crawl-data").rglob("*.warc.gz")):
        for record in extract_archive(path, path.name, config):
            if record.text and len(record.text) <= MAX_CHARS:
                yield record.text


def _write_documents() -> tuple[Path, Path]:
    """The files of all documents and of the timed ones, made at the first call."""
    every, timed = WORK / "documents.json", WORK / "timed.json"
    if not timed.exists():
        if not (DATA / "text").is_dir():
            raise SystemExit(
                f"found no {DATA / 'text'}, expected the shared data; let C2M_SHARED_DATA name it"
            )
        WORK.mkdir(parents=True, exist_ok=True)
        texts = [*_pages(), *_shared_texts()]
        every.write_text(json.dumps(texts))
        by_hash = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
        timed.write_text(json.dumps(by_hash[:N_TIMED]))
    return every, timed


def batches(texts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if sum(map(len, batch)) >= BATCH_CHARS:
            yield batch
            batch = []
    yield batch


def _measured(texts: list[str]) -> Iterator[Measurement]:
    from lmcore.curate.statistics_compiled import CompiledMeasurer

    measurer = CompiledMeasurer(CONFIG)
    for batch in batches(texts):
        yield from measurer.measure(batch, ["en"] * len(batch))


def row(found: Measurement) -> dict[str, object]:
    """What the decision reads, of a document in English that no model objects to."""
    return {
        "language": "en",
        "language_score": 1.0,
        "quality": 1.0,
        "toxicity": 0.0,
        "worst_sentence_toxicity": 0.0,
        "toxic_sentences": 0.0,
        "style": 1.0,
        **dict.fromkeys(("educational", "hate", "nsfw", "reference", "perplexity")),  # not taught
        "url_block": "",
        "n_url_substrings": 0,
        "n_url_words": 0,
        "n_url_soft_words": 0,
        "bad_word_ratio": 0.0,
        "n_lines": found.n_lines,
        "n_lines_removed": found.page.n_lines_removed,
        **found.quality._asdict(),
        **found.repetition._asdict(),
        **found.c4._asdict(),
        **found.fineweb._asdict(),
        **found.flagged._asdict(),
    }


def _digest(kept: list[str]) -> str:
    return hashlib.sha256("\0".join(kept).encode("utf-8", "surrogatepass")).hexdigest()


def crawl2model() -> Callable[[str], object]:
    """The timed work of ours: the chain, several times over."""
    from lmcore.curate.statistics_compiled import CompiledMeasurer

    measurer = CompiledMeasurer(CONFIG)
    measurer.measure(["load the kernels"], ["en"])

    def chain(texts: list[str]) -> list[str]:
        kept: list[str] = []
        for batch in batches(texts):
            measured = measurer.measure(batch, ["en"] * len(batch))
            kept += [
                found.page.text
                for found in measured
                if decisions.decide(row(found), CONFIG) == KEPT
            ]
        return kept

    def work(path: str) -> object:
        texts = json.loads(Path(path).read_text())
        for _ in range(N_PASSES):
            kept = chain(texts)
        return {"documents": len(texts), "kept": len(kept), "digest": _digest(kept)}

    return work


class OurWords:
    """A word tokenizer for datatrove that splits words and sentences as we do."""

    def word_tokenize(self, text: str) -> list[str]:
        return split_words(text)

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        ends = [match.end() for match in SENTENCE_END.finditer(text)]
        if not ends or ends[-1] < len(text.rstrip()):
            ends.append(len(text))
        return list(zip([0, *ends[:-1]], ends, strict=True))


def _peer_filters() -> dict[str, object]:
    from datatrove.pipeline import filters  # type: ignore[import-not-found]
    from loguru import logger  # type: ignore[import-not-found]

    logger.remove()
    return {
        "repetition": filters.GopherRepetitionFilter(),
        "quality": filters.GopherQualityFilter(),
        "c4": filters.C4QualityFilter(filter_no_terminal_punct=False),
        "fineweb": filters.FineWebQualityFilter(),
    }


def _give_our_words() -> None:
    from datatrove.utils import word_tokenizers  # type: ignore[import-not-found]

    words = OurWords()
    word_tokenizers.load_word_tokenizer = lambda _language: words


def _peer_chain() -> Callable[[str], object]:
    from datatrove.data import Document  # type: ignore[import-not-found]

    chain = _peer_filters()
    warm = Document(text="Start spaCy. " * 30, id="warm")
    for each in chain.values():
        each.filter(warm)  # type: ignore[attr-defined]

    def work(path: str) -> object:
        texts = json.loads(Path(path).read_text())
        data = (Document(text=text, id=str(number)) for number, text in enumerate(texts))
        for each in chain.values():
            data = each.run(data)  # type: ignore[attr-defined]
        kept = [document.text for document in data]
        return {"documents": len(texts), "kept": len(kept), "digest": _digest(kept)}

    return work


def datatrove() -> Callable[[str], object]:
    return _peer_chain()


def datatrove_same_words() -> Callable[[str], object]:
    _give_our_words()
    return _peer_chain()


def decide_crawl2model() -> Callable[[str], object]:
    """The check's work of ours: the reason of each filter for each document."""

    def work(path: str) -> object:
        rules = decisions._RULES
        rows = map(row, _measured(json.loads(Path(path).read_text())))
        return [
            {
                name: next((reason for reason in reasons if rules[reason](row, CONFIG)), KEPT)
                for name, reasons in FILTERS.items()
            }
            for row in rows
        ]

    return work


def decide_datatrove() -> Callable[[str], object]:
    """The same of datatrove's, under our splitting of words."""
    _give_our_words()
    from datatrove.data import Document  # type: ignore[import-not-found]

    chain = _peer_filters()
    warnings.filterwarnings("ignore", "Mean of empty slice|invalid value encountered")

    def reason_of(name: str, text: str) -> tuple[str, str]:
        document = Document(text=text, id="0")
        try:
            found = chain[name].filter(document)  # type: ignore[attr-defined]
        except ZeroDivisionError:  # no lines or no words: nothing to keep
            found = (False, "ZeroDivisionError")
        return KEPT if found is True else found[1], document.text

    def work(path: str) -> object:
        outcomes = []
        for text in json.loads(Path(path).read_text()):
            outcome = {name: reason_of(name, text)[0] for name in ("repetition", "quality")}
            outcome["c4"], cleaned = reason_of("c4", text)
            if outcome["c4"] == KEPT:
                outcome["fineweb"] = reason_of("fineweb", cleaned)[0]
            outcomes.append(outcome)
        return outcomes

    return work


def _explanation(name: str, text: str, ours: str, theirs: str) -> str:
    """Why a document may be decided otherwise; "unexplained" where nothing known applies."""
    reasons = {ours, theirs}
    if name in {"c4", "fineweb"} and split_words(text) != text.split():
        return "scripts without blanks: C4's filter of datatrove counts a line of them as one word"
    if name in {"c4", "fineweb"} and "[" in text:
        return "citation marks: removed here before words are counted and blanks stripped"
    if reasons & {"gopher_short_doc", "gopher_above_avg_threshold", "gopher_below_avg_threshold"}:
        return "words of punctuation alone: datatrove counts them out"
    if "gopher_enough_stop_words" in reasons:
        return "stop words next to punctuation: found here, part of a longer word there"
    if reasons & {"gopher_ellipsis_lines", "gopher_too_many_end_ellipsis"}:
        return "blank lines: datatrove counts them among the lines"
    if reasons & {"gopher_bullet_lines", "gopher_too_many_bullets"}:
        return "bullets: more signs here, and blank lines count there"
    return "unexplained"


def _compare(python: Path, path: Path) -> dict[str, harness.Figure]:
    """Print where the decisions differ; return the share of equal ones by filter and in a row."""
    script, texts = Path(__file__).resolve(), json.loads(path.read_text())
    ours, theirs = (
        harness.run_once(python, script, contender, str(path)).outcome
        for contender in ("decide_crawl2model", "decide_datatrove")
    )
    assert isinstance(ours, list)
    assert isinstance(theirs, list)
    rows, different, figures = [], Counter[tuple[str, str, str, str]](), {}
    for name in [*FILTERS, "chain"]:
        pairs = []
        for text, our, their in zip(texts, ours, theirs, strict=True):
            if name == "chain":
                is_kept = set(our.values()) == {KEPT}
                pairs.append((is_kept, set(their.values()) == {KEPT} and "fineweb" in their))
            elif name in their:
                pairs.append((our[name] == KEPT, their[name] == KEPT))
                if pairs[-1][0] != pairs[-1][1]:
                    why = _explanation(name, text, our[name], their[name])
                    different[name, our[name], their[name], why] += 1
        n_equal = sum(a == b for a, b in pairs)
        figures[f"filters_same_decisions_{name}"] = round(n_equal / len(pairs), 5)
        kept = [f"{sum(pair[k] for pair in pairs):,d}" for k in (0, 1)]
        rows.append([name, f"{len(pairs):,d}", *kept, n_equal, f"{n_equal / len(pairs):.4f}"])
    print("\nDecisions under the same splitting of words:\n")
    print(
        harness.to_table(
            ["filter", "documents", "we keep", "datatrove keeps", "equal", "share"], rows
        )
    )
    print("\nDecided otherwise:\n")
    listed = [[n, *key] for key, n in different.most_common()]
    print(harness.to_table(["documents", "filter", "ours", "datatrove", "why"], listed))
    figures["filters_unexplained"] = sum(
        n for key, n in different.items() if key[3] == "unexplained"
    )
    low = {name: share for name, share in figures.items() if "same" in name and share < MIN_EQUAL}
    if low:
        raise SystemExit(f"found {low}, expected {MIN_EQUAL} at least: read the table above")
    return figures


def _measure(python: Path, path: Path) -> dict[str, harness.Figure]:
    """Print the times; return the ratios."""
    contenders = {"crawl2model": N_PASSES, "datatrove": 1, "datatrove_same_words": 1}
    runs = harness.interleave(
        python, Path(__file__).resolve(), list(contenders), str(path), n_runs=N_RUNS
    )
    seconds, outcomes = {}, {}
    for name, n_passes in contenders.items():
        seconds[name] = harness.median_seconds(runs[name]) / n_passes
        found = {json.dumps(run.outcome, sort_keys=True) for run in runs[name]}
        if len(found) != 1:
            raise SystemExit(f"{name}: runs found {found}, expected the same of all")
        outcomes[name] = json.loads(found.pop())
    n_chars = sum(map(len, json.loads(path.read_text())))
    rows = [
        [
            name,
            outcomes[name]["kept"],
            f"{each:.4f}",
            f"{outcomes[name]['documents'] / each:,.0f}",
            f"{n_chars / each / 1e6:.2f}",
            f"{each / seconds['crawl2model']:.1f}",
        ]
        for name, each in seconds.items()
    ]
    n_documents = outcomes["crawl2model"]["documents"]
    print(f"\nThe chain over {n_documents:,d} documents of {n_chars:,d} characters, CPU medians:\n")
    header = ["", "kept", "seconds", "documents/s", "M characters/s", "times ours"]
    print(harness.to_table(header, rows))
    ours = seconds["crawl2model"]
    return {
        "filters_vs_datatrove": round(seconds["datatrove"] / ours, 1),
        "filters_vs_datatrove_same_words": round(seconds["datatrove_same_words"] / ours, 1),
        "filters_documents_per_second": round(n_documents / ours),
    }


def main() -> None:
    import chain  # which imports this file

    python = harness.peer_environment("filters", *PEERS)
    every, timed = _write_documents()
    compared = _compare(python, every)
    measured = _measure(python, timed)
    chained = chain.measure()
    print(f"\ncrawl2model {version('crawl2model')}, numba {version('numba')}, {', '.join(PEERS)}")
    print(harness.to_last_line({**measured, **chained, **compared}))


if __name__ == "__main__":
    main()
