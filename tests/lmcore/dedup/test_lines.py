from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from lmcore.dedup.lines import remove_frequent_lines, split_lines
from lmcore.dedup.normalize import normalize

TEXTS = st.lists(
    st.lists(st.sampled_from(["Alpha.", "alpha", "b", "", "c d", "--"]), max_size=6).map("\n".join),
    max_size=6,
)


def naive_removal(texts: Sequence[str], limit: int) -> list[list[str]]:
    """The rule in its plainest form: the lines each text keeps."""
    normal = [[normalize(line) for line in text.split("\n")] for text in texts]

    def n_documents(line: str) -> int:
        return sum(line in lines for lines in normal)

    return [
        [x for x in text.split("\n") if not normalize(x) or n_documents(normalize(x)) <= limit]
        for text in texts
    ]


@given(TEXTS, st.integers(1, 3))
def test_remove_frequent_lines_agrees_with_the_naive_rule(texts: list[str], limit: int) -> None:
    kept, _ = remove_frequent_lines(texts, rule="documents", max_documents=limit)
    expected = naive_removal(texts, limit)
    assert [[x for x in text.split("\n") if x] for text in kept] == [
        [x for x in lines if x] for lines in expected
    ]


@given(TEXTS)
def test_cs336_rule_drops_every_occurrence_of_a_repeated_line(texts: list[str]) -> None:
    counts = Counter(line.removesuffix("\n") for text in texts for line in split_lines(text))
    kept, rows = remove_frequent_lines(texts, rule="cs336", max_documents=99)
    for text, result in zip(texts, kept, strict=True):
        expected = [line for line in split_lines(text) if counts[line.removesuffix("\n")] == 1]
        assert result == "".join(expected)
    assert {row.line: row.n_removed for row in rows} == {
        line: count for line, count in counts.items() if count > 1
    }


def test_cs336_rule_counts_repeats_within_one_document() -> None:
    kept, _ = remove_frequent_lines(["x\nx\ny\n"], rule="cs336", max_documents=1)
    assert kept == ["y\n"]


def test_cs336_rule_compares_raw_lines() -> None:
    kept, _ = remove_frequent_lines(["A\n", "a\n", "b", "b\n"], rule="cs336", max_documents=1)
    assert kept == ["A\n", "a\n", "", ""]


def test_documents_rule_at_the_limit_keeps_and_above_it_removes() -> None:
    texts = [f"own {k}\nAccept all cookies!\nend" for k in range(3)]
    at_limit, rows = remove_frequent_lines(texts, rule="documents", max_documents=3)
    assert at_limit == texts
    assert rows == []
    above, rows = remove_frequent_lines(
        [*texts, "accept ALL cookies"], rule="documents", max_documents=3
    )
    assert above == ["own 0\nend", "own 1\nend", "own 2\nend", ""]
    assert rows == [("accept all cookies", 4, 4)]


def test_documents_rule_counts_a_document_once() -> None:
    kept, _ = remove_frequent_lines(["la\nla\nla"], rule="documents", max_documents=1)
    assert kept == ["la\nla\nla"]


def test_split_lines_splits_at_newlines_only() -> None:
    text = "a\u2028b\x0c\nc\r\n\nd"
    assert split_lines(text) == ["a\u2028b\x0c\n", "c\r\n", "\n", "d"]
