"""Real evaluation sets in real pages: what is planted is found, and pages without them stay."""

import os
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lmcore.dedup.contamination import find_contamination, index_items
from lmcore.dedup.contamination_config import DecontaminateConfig
from lmcore.dedup.evaluation_items import read_items, set_name
from lmcore.dedup.normalize import normalize
from lmcore.dedup.shingles import words

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("C2M_SHARED_DATA", ROOT.parent / "shared" / "data"))
SETS = (
    "arc_challenge",
    "gsm8k_test",
    "hellaswag_val",
    "mmlu_dev_val",
    "openbook_qa",
    "triviaqa_sm_sub",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(not (DATA / "align").is_dir(), reason="no folder of evaluation sets"),
]


@pytest.fixture(scope="module")
def items():
    config = DecontaminateConfig()
    paths = [DATA / "align" / f"{name}.parquet" for name in SETS]
    return {
        f"{set_name(path.name)}/{item_id}": text
        for path in paths
        for item_id, text in read_items(path, path.name, config)
    }


@pytest.fixture(scope="module")
def pages():
    table = pq.read_table(DATA / "webpages" / "gold.parquet", columns=["gold_text", "gold_kind"])
    rows = table.to_pylist()
    return [row["gold_text"] for row in rows if (row["gold_kind"] or "").startswith("full") and row["gold_text"]]  # fmt: skip


def over(documents, index, config):
    """Pairs of document and item that the rule calls contaminated."""
    least = dict(zip(config.n_words, config.min_share, strict=True))
    found = find_contamination(documents, index)
    return {(match.doc_id, match.item_id) for match in found if match.share >= least[match.n]}


def test_fewer_than_one_page_in_a_hundred_is_taken_for_an_evaluation_set(items, pages):
    config = DecontaminateConfig()
    index = index_items(items.items(), config.n_words)
    found = over([(str(at), page) for at, page in enumerate(pages)], index, config)
    assert len(pages) > 1000
    assert len({doc_id for doc_id, _ in found}) < 0.01 * len(pages)


def planted(items, pages, edit):
    """Each item in the middle of a page, after an edit of its words."""
    chance = random.Random(1)
    for item_id, text in items.items():
        page = chance.choice(pages).split()[:200]
        at = chance.randrange(len(page) + 1)
        yield item_id, " ".join([*page[:at], *edit(text.split(), chance), *page[at:]])


def in_runs(pool):
    """Replace a fifth of the words, five in a row at a time."""

    def edit(text, chance):
        for _ in range(max(1, len(text) // 25)):
            at = chance.randrange(max(1, len(text) - 5))
            text[at : at + 5] = chance.choices(pool, k=5)
        return text

    return edit


@pytest.mark.parametrize(("is_edited", "min_words", "recall"), [(False, 8, 1.0), (True, 40, 0.95)])
def test_planted_items_are_found(items, pages, is_edited, min_words, recall):
    config = DecontaminateConfig()
    sizes = {item_id: len(words(normalize(text))) for item_id, text in items.items()}
    chosen = random.Random(2).sample([i for i, n in sizes.items() if n >= min_words], 800)
    wanted = {item_id: items[item_id] for item_id in chosen}
    pool = [word for page in pages[:50] for word in page.split()]
    edit = in_runs(pool) if is_edited else lambda text, _: text
    index = index_items(wanted.items(), config.n_words)
    found = over(planted(wanted, pages, edit), index, config)
    assert sum((item_id, item_id) in found for item_id in wanted) >= recall * len(wanted)
