"""Tables: whole off a terminal; on one, what is copied stays whole and the rest gives way."""

import pytest

from flows import tables
from flows.tables import LISTING, PLAN, lines
from tasks.planning import Planned

NAME = "annotate/CC-MAIN-20260101000000-20260101030000-00001.warc.gz"
ROW = ("annotate", NAME, "616691d5b364", "95a991fc5b6e", "2", "545,649", "100", "1")


def test_lines_off_a_terminal_hold_everything():
    head, row = lines(LISTING, [ROW], None)
    assert row.split() == list(ROW)
    assert head.split() == [column.name for column in LISTING]


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (200, [column.name for column in LISTING]),
        (115, [column.name for column in LISTING if column.name not in {"content", "files"}]),
        (106, ["kind", "name", "key", "bytes", "kept"]),
        (95, ["kind", "name", "key", "bytes"]),
        (80, ["name", "key"]),
    ],
)
def test_lines_on_a_terminal_drop_what_is_needed_least(width, names):
    head, row = lines(LISTING, [ROW], width)
    assert head.split() == names
    assert {NAME, "616691d5b364"} <= set(row.split())


def test_lines_on_a_tiny_terminal_key_is_whole_on_a_line_of_its_own():
    *_, name, key = lines(LISTING, [ROW], 20)
    assert (name, key.strip()) == (NAME, "616691d5b364")


def test_lines_numbers_end_together():
    _, *rows = lines(LISTING, [ROW, (*ROW[:5], "1", "1", "1")], None)
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_long_reason_is_wrapped_and_no_word_lost(width):
    why = "pretrain.steps 200 -> 77; pretrain.warmup_steps 20 -> 10; input tokens has changed"
    printed = list(lines(PLAN, [("pretrain", "run", why)], width))
    assert all(len(line) <= width for line in printed)
    assert " ".join(" ".join(printed[1:]).split()) == f"pretrain run {why}"


def test_lines_name_with_control_characters_cannot_write_to_the_terminal():
    *_, row = lines(PLAN, [("a\x1b[2Jb\n", "run", "why")], None)
    assert row == "a␣[2Jb␣  run    why"


def test_planning_gives_the_key_of_what_is_cached_and_counts():
    planned = [
        Planned("tokens", "cached", "", "616691d5b364" + 52 * "0"),
        Planned("pretrain", "run", "no artifact yet", "f" * 64),
        Planned("sft", "unknown", "unknown until pretrain has run"),
    ]
    _, one, two, _, counts = tables.planning(planned, None)
    assert one.split() == ["tokens", "cached", "616691d5b364"]
    assert two.endswith("no artifact yet")
    assert counts == "1 cached, 1 to run, 1 unknown until then"
