"""Parquet: the schema is checked, equal rows give equal bytes, memory is bounded by row groups."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from factories import row

from warehouse import parquet
from warehouse.errors import SchemaError
from warehouse.schemas import TABLES


def texts(count):
    return [row("texts", doc_id=f"{at:06d}", text=f"text {at % 7}") for at in range(count)]


def test_write_rows_more_than_a_row_group_reads_back_in_order(tmp_path):
    rows = texts(parquet.ROW_GROUP_ROWS + 5)
    path = tmp_path / "deep" / "texts.parquet"
    assert parquet.write_rows(path, "texts", iter(rows)) == len(rows)
    assert list(parquet.read_rows(path)) == rows
    assert parquet.count_rows(path) == len(rows)
    assert pq.ParquetFile(path).num_row_groups == 2


def test_write_rows_equal_rows_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        parquet.write_rows(tmp_path / name, "texts", texts(100))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_write_rows_no_rows_keeps_the_schema(tmp_path):
    parquet.write_rows(tmp_path / "empty", "truth", [])
    assert parquet.check_schema(tmp_path / "empty", TABLES["truth"]) == 0


@pytest.mark.parametrize("odd", [{"doc_id": "1"}, {"doc_id": "1", "text": "x", "more": 1}])
def test_write_rows_other_columns_raises(tmp_path, odd):
    with pytest.raises(SchemaError, match="differs in the columns"):
        parquet.write_rows(tmp_path / "file", "texts", [odd])


def test_write_rows_value_of_another_type_raises(tmp_path):
    with pytest.raises(SchemaError, match="does not fit"):
        parquet.write_rows(tmp_path / "file", "texts", [{"doc_id": "1", "text": 1}])


def test_read_rows_chosen_columns_yields_only_those(tmp_path):
    parquet.write_rows(tmp_path / "file", "texts", texts(3))
    assert list(parquet.read_rows(tmp_path / "file", ["doc_id"])) == [
        {"doc_id": f"{n:06d}"} for n in range(3)
    ]


@pytest.mark.parametrize(
    "columns", [{"doc_id": ["1"]}, {"text": ["x"], "doc_id": ["1"]}, {"doc_id": ["1"], "text": [1]}]
)
def test_check_schema_foreign_file_raises(tmp_path, columns):
    pq.write_table(pa.table(columns), tmp_path / "file")
    with pytest.raises(SchemaError, match="texts"):
        parquet.check_schema(tmp_path / "file", TABLES["texts"])
