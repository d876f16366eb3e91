"""Row accounting: counted from the rows, failing on loss, doubling and invention."""

from collections import Counter

import pytest
from factories import row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse import parquet
from warehouse.errors import AccountingError
from warehouse.expectations import count_outcomes


def write(path, outcomes):
    rows = [row("decisions", doc_id=doc_id, outcome=outcome) for doc_id, outcome in outcomes]
    parquet.write_rows(path, "decisions", rows)
    return path


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(["kept", "language", "quality", "toxicity"]), max_size=40))
def test_count_outcomes_any_rows_equal_a_plain_count(tmp_path, outcomes):
    path = write(
        tmp_path / "decisions.parquet", [(str(at), found) for at, found in enumerate(outcomes)]
    )
    counted = count_outcomes("decisions", [path], len(outcomes))
    plain = Counter(outcomes)
    assert counted.rows_kept == plain.pop("kept", 0)
    assert dict(counted.rejected) == plain
    assert counted.rows_in == counted.rows_kept + sum(counted.rejected.values())


def test_count_outcomes_over_two_files_adds_them(tmp_path):
    one = write(tmp_path / "1.parquet", [("a", "kept")])
    two = write(tmp_path / "2.parquet", [("b", "quality")])
    assert count_outcomes("decisions", [one, two], 2).rows_in == 2


@pytest.mark.parametrize("rows_in", [0, 1, 3])
def test_count_outcomes_other_number_of_rows_in_raises(tmp_path, rows_in):
    path = write(tmp_path / "decisions.parquet", [("a", "kept"), ("b", "quality")])
    with pytest.raises(AccountingError, match="loses or invents"):
        count_outcomes("decisions", [path], rows_in)


def test_count_outcomes_one_document_twice_raises(tmp_path):
    path = write(tmp_path / "decisions.parquet", [("a", "kept"), ("a", "quality")])
    with pytest.raises(AccountingError, match="twice"):
        count_outcomes("decisions", [path], 2)


def test_count_outcomes_table_without_outcomes_raises():
    with pytest.raises(AccountingError, match="states no outcomes"):
        count_outcomes("texts", [], None)
