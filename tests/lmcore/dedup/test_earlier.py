"""A later crawl against earlier ones, and the whole of deduplication run twice, in any order."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.earlier import Earlier, read_earlier
from lmcore.dedup.pipeline import EMPTY_AFTER, Deduplication, Document, deduplicate
from lmcore.dedup.setting import Setting
from lmcore.errors import InputError

pytest.importorskip("numba")

COPIES = DedupConfig(urls=True, payloads=True, line_rule="none", keep_signatures=True)
EVERYTHING = DedupConfig(
    urls=True,
    payloads=True,
    line_max_documents=5,
    host_line_max_documents=3,
    paragraph_words=6,
    substring_words=12,
    ngram_words=5,
)


def crawl(seed: int, n: int, name: str, quality: float = 0.0) -> list[Document]:
    """Originals and copies of every kind; the same seed has the same originals."""
    state, own = random.Random(seed), random.Random(name)
    originals = [
        [" ".join(f"w{state.randrange(3000)}" for _ in range(20)) for _ in range(4)]
        for _ in range(25)
    ]
    documents = []
    for k in range(n):
        lines = list(own.choice(originals))
        kind = own.randrange(6)
        if kind == 0:
            lines = [f"new {name}{k} {' '.join(f'n{own.randrange(999)}' for _ in range(30))}"]
        elif kind == 1:
            words = lines[2].split(" ")
            words[own.randrange(20)] = "edited"
            lines[2] = " ".join(words)
        elif kind == 2:
            lines = [line.upper() for line in lines]
        elif kind == 3:
            lines = [*lines[:2], own.choice(originals)[0], "", lines[3]]
        lines.append(f"Banner of host {k % 3}" if k % 4 else "All rights reserved")
        url = f"HTTP://host{k % 3}.example/{own.randrange(n)}?utm_source={k}"
        digest = f"sha1:{own.randrange(2 * n)}" if k % 5 else ""
        text = "\n".join(lines)
        rank = quality + own.random() * 0.5
        documents.append(Document(f"{name}-{k:03}", url, text, rank, digest))
    return documents


def rows(found: Deduplication, prefix: str) -> tuple[list, list, list]:
    """Outcomes, duplicates without their clusters, and texts of one crawl."""
    return (
        [row for row in found.outcomes if row.doc_id.startswith(prefix)],
        [
            (row.doc_id, row.kind, row.survivor_id, row.jaccard)
            for row in found.duplicates
            if row.doc_id.startswith(prefix)
        ],
        [row for row in found.texts if row[0].startswith(prefix)],
    )


def deduplicated_into(
    folder: Path, documents: list[Document], earlier: Earlier | None = None
) -> Deduplication:
    folder.mkdir()
    return deduplicate(documents, COPIES, setting=Setting(keep=folder), earlier=earlier)


@pytest.mark.parametrize("seed", range(4))
def test_later_crawls_give_what_one_run_over_all_of_them_gives(tmp_path: Path, seed: int) -> None:
    crawls = [crawl(seed, 60, name, 2.0 - k) for k, name in enumerate("abc")]
    at_once = deduplicate([document for found in crawls for document in found], COPIES)
    folders: list[Path] = []
    for documents, name in zip(crawls, "abc", strict=True):
        before = {path: path.read_bytes() for folder in folders for path in folder.iterdir()}
        folder = tmp_path / name
        found = deduplicated_into(folder, documents, read_earlier(folders))
        assert rows(found, name) == rows(at_once, name)
        assert {path: path.read_bytes() for path in before} == before
        folders.append(folder)
    kinds = {row.kind for row in at_once.duplicates if row.survivor_id[0] < row.doc_id[0]}
    assert kinds == {"payload", "url", "exact", "near"}


def test_only_new_documents_are_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deduplicated_into(tmp_path / "a", crawl(1, 50, "a", 1.0))
    signed = []
    from lmcore.dedup.signing import Signer

    sign = Signer.sign
    monkeypatch.setattr(
        Signer, "sign", lambda self, block: signed.append(len(block)) or sign(self, block)
    )
    deduplicated_into(tmp_path / "b", crawl(1, 30, "b"), read_earlier([tmp_path / "a"]))
    both = read_earlier([tmp_path / "a", tmp_path / "b"])
    assert {doc_id[0] for doc_id in both.doc_ids[-sum(signed) :]} == {"b"}
    assert sum(doc_id[0] == "b" for doc_id in both.doc_ids) == sum(signed) > 0


def test_copy_of_an_earlier_text_that_was_cut_away_is_emptied_too(tmp_path: Path) -> None:
    config = DedupConfig(line_max_documents=2, keep_signatures=True)
    old = [Document(f"a{k}", "", f"own {k}\nSubscribe", 1.0) for k in range(3)]
    folder = tmp_path / "a"
    folder.mkdir()
    deduplicate(
        [*old, Document("gone", "", "Subscribe", 1.0)], config, setting=Setting(keep=folder)
    )
    new = [Document("b", "", "SUBSCRIBE!", 1.0), Document("c", "", "OWN 1\nsubscribe", 1.0)]
    found = deduplicate(new, config, earlier=read_earlier([folder]))
    assert found.outcomes == [("b", "empty_after_line_dedup"), ("c", "exact_duplicate")]
    assert found.duplicates[0].survivor_id == "a1"


def test_folder_without_signatures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="keep_signatures = true"):
        read_earlier([tmp_path])


def test_signatures_that_were_made_otherwise_are_refused(tmp_path: Path) -> None:
    deduplicated_into(tmp_path / "a", crawl(1, 9, "a"))
    with pytest.raises(InputError, match="sign these documents again"):
        deduplicate(crawl(1, 9, "b"), DedupConfig(seed=2), earlier=read_earlier([tmp_path / "a"]))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("config", [DedupConfig(), COPIES, EVERYTHING])
def test_deduplicating_what_was_deduplicated_changes_nothing(
    config: DedupConfig, seed: int
) -> None:
    documents = crawl(seed, 80, "x")
    by_id = {document.doc_id: document for document in documents}
    once = deduplicate(documents, config)
    again = [
        Document(
            doc_id, by_id[doc_id].url, text, by_id[doc_id].quality, by_id[doc_id].payload_digest
        )
        for doc_id, text in once.texts
    ]
    twice = deduplicate(again, config)
    assert twice.texts == once.texts
    assert (twice.duplicates, twice.removed) == ([], [])
    assert {row.outcome for row in twice.outcomes} == {"kept"}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("config", [COPIES, EVERYTHING])
def test_order_of_documents_does_not_matter(config: DedupConfig, seed: int) -> None:
    documents = crawl(seed, 80, "x")
    expected = deduplicate(documents, config)
    shuffled = random.Random(seed).sample(documents, len(documents))
    assert deduplicate(shuffled, config) == expected


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("line", {"line_rule": "documents", "line_max_documents": 5}),
        ("host_line", {"host_line_max_documents": 3}),
        ("paragraph", {"paragraph_words": 6}),
        ("substring", {"substring_words": 12}),
        ("ngram", {"ngram_words": 5}),
        ("payload", {"payloads": True}),
        ("url", {"urls": True}),
    ],
)
def test_each_switch_has_a_reason_of_its_own_and_every_document_one_outcome(
    kind: str, settings: dict
) -> None:
    documents = crawl(7, 120, "x")
    found = deduplicate(documents, DedupConfig(**{"line_rule": "none", **settings}))
    is_cut = kind in EMPTY_AFTER
    reason = EMPTY_AFTER[kind] if is_cut else f"{kind}_duplicate"
    assert [row.doc_id for row in found.outcomes] == sorted(d.doc_id for d in documents)
    found_outcomes = {row.outcome for row in found.outcomes}
    assert found_outcomes - {reason} <= {"kept", "exact_duplicate", "near_duplicate"}
    assert is_cut or reason in found_outcomes
    assert {row.kind for row in found.removed} == ({kind} if is_cut else set())
    n_removed = sum(row.outcome != "kept" for row in found.outcomes)
    assert n_removed == len(documents) - len(found.texts)
    for row in found.duplicates:
        assert (row.jaccard is None) == (row.kind in {"payload", "url"})


@pytest.mark.parametrize("engine", ["kernels", "datasketch", "auto"])
def test_engines_and_runners_give_one_result(engine: str) -> None:
    documents = crawl(3, 80, "x")
    expected = deduplicate(documents, DedupConfig())
    with ThreadPoolExecutor(2) as pool:
        setting = Setting(run=pool.map)
        assert deduplicate(documents, DedupConfig(engine=engine), setting=setting) == expected
