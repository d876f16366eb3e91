"""Real revisions of the same documents, with the exact Jaccard of every pair."""

import os
from pathlib import Path

import pytest

from lmcore.dedup.config import DedupConfig
from lmcore.dedup.normalize import normalize
from lmcore.dedup.pipeline import Document, deduplicate
from lmcore.dedup.shingles import jaccard, shingle_set

DATA = Path(os.environ.get("C2M_SHARED_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
LABELLED = DATA / "labelled"


@pytest.mark.skipif(not (LABELLED / "neardup_pairs.parquet").exists(), reason="no labelled data")
def test_labelled_revisions_are_found_with_recall_and_precision_1() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(LABELLED / "neardup_docs.parquet").to_pylist()
    pairs = parquet.read_table(LABELLED / "neardup_pairs.parquet").to_pylist()
    # A sixth of the groups, so that the test takes a second; the whole folder gives the same.
    groups = sorted({row["group"] for row in rows})[::6]
    texts = {row["doc_id"]: row["text"] for row in rows if row["group"] in set(groups)}
    documents = [Document(doc_id, "", text, 0.0) for doc_id, text in texts.items()]
    result = deduplicate(documents, DedupConfig(line_rule="none"))

    removed = {row.doc_id for row in result.duplicates}
    truth = [
        {pair["doc_a"], pair["doc_b"]}
        for pair in pairs
        if pair["jaccard_w5"] >= 0.8 and {pair["doc_a"], pair["doc_b"]} <= texts.keys()
    ]
    assert len(truth) > 100
    missed = [pair for pair in truth if not pair & removed]
    assert len(missed) <= 0.01 * len(truth)
    for row in result.duplicates:
        sets = [shingle_set(normalize(texts[i]), 5) for i in (row.doc_id, row.survivor_id)]
        assert jaccard(*sets) >= 0.8
