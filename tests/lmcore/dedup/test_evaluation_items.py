"""Files of evaluation sets become items, whatever their columns are called; what is no set is refused."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lmcore.dedup.contamination_config import DecontaminateConfig
from lmcore.dedup.evaluation_items import read_items, set_name
from lmcore.errors import ConfigError, InputError

ROWS = [
    {
        "id": 7,
        "passage": None,
        "question": "Who ran?",
        "options": ["a cat", "a dog"],
        "answer": "A",
    },
    {"id": 8, "passage": "It rained.", "question": "Why?", "options": [], "answer": "rain"},
]
ITEMS = [("7", "Who ran?\na cat\na dog\nA"), ("8", "It rained.\nWhy?\nrain")]


def write(path, rows):
    if path.name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        lines = ("\n".join(map(json.dumps, rows)) + "\n\n").encode()
        path.write_bytes(gzip.compress(lines) if path.name.endswith(".gz") else lines)
    return path


def read(path, **config):
    return read_items(path, path.name, DecontaminateConfig(**config))


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.jsonl.gz", "a.ndjson"])
def test_items_of_every_form_are_the_same(tmp_path, name):
    assert read(write(tmp_path / name, ROWS)) == ITEMS
    assert set_name(name) == "a"


def test_items_of_stated_columns_hold_these_in_their_order(tmp_path):
    path = write(tmp_path / "a.jsonl", ROWS)
    found = read(path, text_columns=("answer", "question"), id_column="answer")
    assert found == [("A", "A\nWho ran?"), ("rain", "rain\nWhy?")]


def test_items_choices_in_a_mapping_are_read(tmp_path):
    rows = [{"question": "Who?", "choices": {"text": ["me", "you"], "label": ["A", "B"]}}]
    assert read(write(tmp_path / "a.jsonl", rows)) == [("row 0", "Who?\nme\nyou\nA\nB")]


def test_items_whose_ids_repeat_are_numbered(tmp_path):
    rows = [{"id": 1, "text": "x"}, {"id": 1, "text": "y"}]
    path = write(tmp_path / "a.parquet", rows)
    assert [item_id for item_id, _ in read(path)] == ["row 0", "row 1"]
    with pytest.raises(InputError, match="missing or repeat in the column 'id'"):
        read(path, id_column="id")


@pytest.mark.parametrize(
    ("rows", "stated", "message"),
    [
        ([{"choices": ["a"], "answer": "a"}], (), "expected one of context"),
        ([{"text": "a"}], ("body",), "expected all of body"),
        ([{"text": "a"}], ("text", "body"), "expected all of text, body"),
    ],
)
def test_items_without_text_columns_are_refused(tmp_path, rows, stated, message):
    with pytest.raises(InputError, match=message):
        read(write(tmp_path / "a.jsonl", rows), text_columns=stated)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text"', "no JSON in line 2"),
        ("a.jsonl", b"[1]\n", "a list in line 1"),
        ("a.jsonl", b'{"text": "\xff"}', "cannot be read"),
        ("a.jsonl.gz", b"no gzip", "cannot be read"),
        ("a.parquet", b"no parquet", "cannot be read"),
    ],
)
def test_damaged_set_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read(path)


def test_set_without_rows_has_no_items(tmp_path):
    assert read(write(tmp_path / "a.jsonl", [])) == []


@pytest.mark.parametrize(
    "given",
    [
        {"n_words": ()},
        {"n_words": (0,), "min_share": (0.0,)},
        {"n_words": (8, 8), "min_share": (0.1, 0.2)},
        {"n_words": (8,)},
        {"min_share": (0.0, 1.5)},
    ],
)
def test_rule_that_makes_no_sense_is_refused(given):
    with pytest.raises(ConfigError):
        DecontaminateConfig(**given)
