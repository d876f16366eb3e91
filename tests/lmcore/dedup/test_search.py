"""The search on disk: the same result as in plain Python, whatever its parts, order and runner."""

import json
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from lmcore.dedup import compiled
from lmcore.dedup.config import DedupConfig
from lmcore.dedup.minhash import NearDuplicates, near_duplicates
from lmcore.dedup.normalize import normalize
from lmcore.dedup.pipeline import Document, deduplicate
from lmcore.dedup.setting import Setting
from lmcore.dedup.shingles import jaccard, shingle_set
from lmcore.errors import InputError

pytest.importorskip("numba")

import pyarrow.parquet as pq

from lmcore.dedup import index as index_module
from lmcore.dedup import search
from lmcore.dedup.index import Index, write_parts
from lmcore.dedup.search import Removals, find_near_duplicates, keep_removed

CONFIG = DedupConfig()


def edited(state: random.Random, text: str, vocabulary: list[str], n_edits: int) -> str:
    words = text.split(" ")
    for _ in range(n_edits):
        words[state.randrange(len(words))] = state.choice(vocabulary)
    return " ".join(words)


def family_texts(seed: int, n: int = 150) -> list[str]:
    """Originals, copies, copies of copies (chains), other scripts, short and empty texts."""
    state = random.Random(seed)
    vocabulary = [f"word{k}," for k in range(500)] + ["Élan", "ΟΔΟΣ", "東京都", "ไทย", "e\u0301t"]
    texts = [
        " ".join(state.choices(vocabulary, k=state.choice([3, 40, 90]))) for _ in range(n // 3)
    ]
    while len(texts) < n:
        texts.append(edited(state, state.choice(texts), vocabulary, state.choice([0, 1, 2, 6])))
    texts += ["", "***", "one two", "One, two!", "か\u3099 " * 9, "が " * 9]
    state.shuffle(texts)
    return texts


def folder_of(path: Path, texts: list[str], config: DedupConfig = CONFIG) -> Path:
    path.mkdir()
    assert write_parts(path, [texts], config) == len(texts)
    return path


def work_in(path: Path) -> Path:
    path.mkdir()
    return path


def rows_of(found: Removals) -> dict[int, tuple[int, float]]:
    rows = found.documents.tolist(), found.survivors.tolist(), found.jaccard.tolist()
    return {removed: (survivor, value) for removed, survivor, value in zip(*rows, strict=True)}


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        DedupConfig(jaccard=0.4, shingle_words=2),
        DedupConfig(bucket_leaders=1),
        DedupConfig(jaccard=0.5, cluster_leaders=1),
        DedupConfig(permutations=30, bands=10, seed=9, shingle_words=1),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_near_duplicates_with_kernels_are_those_of_plain_python(
    config: DedupConfig, seed: int
) -> None:
    texts = family_texts(seed)
    plain = near_duplicates(texts, config, compiled=False)
    assert near_duplicates(texts, config, compiled=True) == plain
    assert len(plain.duplicates) > 15


def test_capped_components_count_the_documents_that_are_left() -> None:
    """A chain: each is similar to the next one alone."""
    words = [f"w{k}" for k in range(400)]
    texts = [" ".join(words[start : start + 104]) for start in range(0, 200, 10)]
    for leaders, n_uncut in ((1, 18), (3, 14), (256, 0)):
        config = DedupConfig(cluster_leaders=leaders)
        plain = near_duplicates(texts, config, compiled=False)
        assert plain == near_duplicates(texts, config, compiled=True)
        assert (plain.n_uncut, len(plain.duplicates)) == (n_uncut, (20 - n_uncut) // 2)


def test_near_duplicates_of_nothing_are_none_with_kernels() -> None:
    for texts in ([], [""], ["a"]):
        assert near_duplicates(texts, CONFIG, compiled=True) == NearDuplicates({}, 0, 0, 0)


def test_search_in_small_pieces_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = family_texts(3, 300)
    whole = folder_of(tmp_path / "whole", texts)
    expected = find_near_duplicates(whole, CONFIG, work=work_in(tmp_path / "a"))
    monkeypatch.setattr("lmcore.dedup.signing.BLOCK_BYTES", 1500)
    monkeypatch.setattr(index_module, "PART_DOCUMENTS", 40)
    for name, value in {"_ROWS": 200, "_CODES": 64, "_PAIRS": 5, "_WORDS_BYTES": 3000}.items():
        monkeypatch.setattr(search, name, value)
    pieces = folder_of(tmp_path / "pieces", texts)
    assert len(list(pieces.glob("*.words"))) > 5
    found = find_near_duplicates(pieces, CONFIG, work=work_in(tmp_path / "b"))
    assert rows_of(found) == rows_of(expected)
    assert found.n_candidates == expected.n_candidates
    assert len(list((tmp_path / "b").glob("pairs-*"))) > 10


def test_search_in_an_order_gives_what_ordered_texts_give(tmp_path: Path) -> None:
    texts = family_texts(4)
    order = np.random.default_rng(1).permutation(len(texts))
    ordered = near_duplicates([texts[k] for k in order], CONFIG, compiled=False)
    folder = folder_of(tmp_path / "index", texts)
    found = find_near_duplicates(folder, CONFIG, work=work_in(tmp_path / "work"), order=order)
    assert rows_of(found) == {
        int(order[removed]): (int(order[survivor]), value)
        for removed, (survivor, value) in ordered.duplicates.items()
    }
    with pytest.raises(InputError, match="each of 0 to"):
        find_near_duplicates(folder, CONFIG, work=tmp_path / "work", order=order[1:])


@pytest.mark.parametrize("step", [1, -1])
def test_later_crawl_is_searched_against_what_earlier_ones_kept(tmp_path: Path, step: int) -> None:
    """As if the documents kept earlier had come first, and without signing them again."""
    texts = family_texts(5, 400)
    crawls = [texts[:150], texts[150:250], texts[250:]]
    folders: list[Path] = []
    kept: list[tuple[int, str]] = []  # number over all crawls, text
    start = 0
    for k, crawl in enumerate(crawls):
        folder = folder_of(tmp_path / f"crawl{k}", crawl)
        before = {path: path.read_bytes() for old in folders for path in old.iterdir()}
        found = find_near_duplicates(
            folder,
            CONFIG,
            work=work_in(tmp_path / f"work{k}"),
            earlier=folders,
            order=np.arange(len(crawl))[::step] if step < 0 else None,
        )
        assert {path: path.read_bytes() for old in folders for path in old.iterdir()} == before
        numbers = [number for number, _ in kept]
        numbers += list(range(start, start + len(crawl)))[::step]
        texts_in_order = [text for _, text in kept] + crawl[::step]
        plain = near_duplicates(texts_in_order, CONFIG, compiled=False)
        assert rows_of(found) == {
            numbers[removed]: (numbers[survivor], value)
            for removed, (survivor, value) in plain.duplicates.items()
        }
        assert found.n_earlier == start
        assert len(found.documents) > 10
        assert (found.documents >= start).all()
        keep_removed(folder, found)
        folders.append(folder)
        removed = set(found.documents.tolist())
        kept += [(start + n, text) for n, text in enumerate(crawl) if start + n not in removed]
        start += len(crawl)


def test_every_removed_document_is_near_to_one_that_stays(tmp_path: Path) -> None:
    texts = family_texts(6, 400)
    found = near_duplicates(texts, CONFIG, compiled=True)
    sets = [shingle_set(normalize(text), CONFIG.shingle_words) for text in texts]
    for removed, (survivor, value) in found.duplicates.items():
        assert value == jaccard(sets[survivor], sets[removed]) >= CONFIG.jaccard
        assert survivor not in found.duplicates


@pytest.mark.parametrize(
    "changed",
    [{"seed": 2}, {"shingle_words": 4}, {"permutations": 42}, {"bands": 42}],
)
def test_signatures_made_otherwise_are_refused(tmp_path: Path, changed: dict[str, int]) -> None:
    old = folder_of(tmp_path / "old", ["a b c"], DedupConfig(**changed))
    new = folder_of(tmp_path / "new", ["a b c"])
    with pytest.raises(InputError, match="sign these documents again"):
        find_near_duplicates(new, CONFIG, work=work_in(tmp_path / "work"), earlier=[old])


def test_signatures_of_another_version_of_unicode_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "index", ["a b c"])
    monkeypatch.setattr("unicodedata.unidata_version", "99.0")
    with pytest.raises(InputError, match=r"99\.0"):
        find_near_duplicates(folder, CONFIG, work=work_in(tmp_path / "work"))


def test_threshold_and_caps_may_change_without_signing_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "index", family_texts(7))
    strict = DedupConfig(jaccard=0.95)
    all_found = find_near_duplicates(folder, CONFIG, work=work_in(tmp_path / "a"))
    found = find_near_duplicates(folder, strict, work=work_in(tmp_path / "b"))
    assert 0 < len(found.documents) < len(all_found.documents)


def test_keys_are_parquet_with_their_identity(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "index", ["a b c d e f", "", "g"])
    table = pq.read_table(folder / "part-00000.keys.parquet")
    assert table.column_names == ["key", "document"]
    assert sorted(set(table["document"].to_pylist())) == [0, 2]
    assert len(table) == 2 * CONFIG.bands
    identity = json.loads(table.schema.metadata[b"crawl2model"])
    assert (identity["seed"], identity["scheme"]) == (CONFIG.seed, "affine32")


def test_words_are_read_back_as_they_were_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmcore.dedup.signing.BLOCK_BYTES", 50)
    monkeypatch.setattr(index_module, "PART_DOCUMENTS", 3)
    texts = ["One, two", "", "東京", "x" * 100, "", "last one"]
    folder = folder_of(tmp_path / "index", texts)
    index = Index([folder, folder])
    assert index.n_documents == 12
    chosen = np.array([0, 1, 2, 5, 6, 9, 11])
    block = index.read_words(chosen)
    data = block.data.tobytes()
    found = [data[a:b].decode() for a, b in zip(block.bounds, block.bounds[1:], strict=False)]
    assert found == ["one two", "", "東 京", "last one", "one two", "x" * 100, "last one"]
    assert index.lengths(chosen).tolist() == [len(text.encode()) for text in found]


def test_buckets_may_run_in_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_ROWS", 100)
    folder = folder_of(tmp_path / "index", family_texts(8))
    expected = find_near_duplicates(folder, CONFIG, work=work_in(tmp_path / "a"))
    with ThreadPoolExecutor(2) as pool:
        found = find_near_duplicates(folder, CONFIG, work=work_in(tmp_path / "b"), run=pool.map)
    assert rows_of(found) == rows_of(expected)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_buckets_may_run_in_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_ROWS", 1000)
    folder = folder_of(tmp_path / "index", family_texts(8))
    expected = find_near_duplicates(folder, CONFIG, work=work_in(tmp_path / "a"))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = find_near_duplicates(folder, CONFIG, work=work_in(tmp_path / "b"), run=pool.map)
    assert rows_of(found) == rows_of(expected)


def test_pipeline_with_kernels_gives_what_it_gives_without(monkeypatch: pytest.MonkeyPatch) -> None:
    state = random.Random(9)
    documents = [
        Document(f"d{k}", "", f"{text}\nShared banner {k % 3}!", state.choice([0.1, 0.5]))
        for k, text in enumerate([*family_texts(9), " \n", "\ud800 x", "***", "*** "])
    ]
    plain = deduplicate(documents, CONFIG)
    for module in ("exact", "lines", "minhash", "cuts", "substrings"):
        monkeypatch.setattr(f"lmcore.dedup.{module}.is_worth_while", lambda _: True)
    assert deduplicate(documents, CONFIG) == plain
    assert len(plain.removed) == 3
    kinds = {row.kind for row in plain.duplicates}
    assert kinds == {"near", "exact"}


def test_kernels_are_worth_while_for_more_text_than_python_does_in_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiled, "WARM_BYTES", 10)
    monkeypatch.setattr(compiled, "COLD_BYTES", 20)
    is_compiled = True
    monkeypatch.setattr("lmcore.kernels.compiling.is_compiled", lambda *_: is_compiled)
    assert not compiled.is_worth_while(["12345", "67890"])
    assert compiled.is_worth_while(["12345", "678901"])
    is_compiled = False
    assert not compiled.is_worth_while(["x" * 20])
    assert compiled.is_worth_while(["x" * 21])
    monkeypatch.setattr("lmcore.kernels.compiling.is_installed", lambda: False)
    assert not compiled.is_worth_while(["x" * 21])


def test_scratch_folder_is_left_empty(tmp_path: Path) -> None:
    near_duplicates(["a b c", "a b c"], CONFIG, Setting(scratch=tmp_path), compiled=True)
    assert list(tmp_path.iterdir()) == []
