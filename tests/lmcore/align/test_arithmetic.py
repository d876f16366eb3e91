import threading

import pytest

from lmcore.align.arithmetic import Grade, grade, list_problems
from lmcore.align.config import ProblemConfig
from lmcore.errors import ConfigError

SPLITS = ("train", "validation", "held_out")


def ids(config, split):
    return {problem.problem_id for problem in list_problems(config, split)}


def test_splits_together_list_every_pair_once():
    config = ProblemConfig(max_operand=30)
    listed = [p.problem_id for split in SPLITS for p in list_problems(config, split)]
    assert sorted(listed) == sorted(f"{a}+{b}" for a in range(31) for b in range(31))


def test_splits_share_no_problem_with_swapped_operands():
    config = ProblemConfig(max_operand=40)
    for split in ("validation", "held_out"):
        swapped = {"+".join(reversed(key.split("+"))) for key in ids(config, split)}
        assert swapped == ids(config, split)


def test_held_out_share_is_near_the_fraction():
    n = len(list_problems(ProblemConfig(held_out_fraction=0.1), "held_out"))
    assert 850 < n < 1150


def test_problems_with_another_seed_hold_out_others():
    assert ids(ProblemConfig(seed=1), "held_out") != ids(ProblemConfig(seed=2), "held_out")


@pytest.mark.parametrize(("operation", "answer"), [("+", "9"), ("-", "-5"), ("*", "14")])
def test_problem_of_an_operation_has_its_answer(operation, answer):
    config = ProblemConfig(operation=operation, max_operand=10)
    (problem,) = (
        p
        for split in SPLITS
        for p in list_problems(config, split)
        if p.problem_id == f"2{operation}7"
    )
    assert (problem.prompt, problem.answer) == (f"What is 2 {operation} 7?", answer)


def test_list_problems_with_an_empty_split_is_refused():
    config = ProblemConfig(max_operand=1, held_out_fraction=1e-9)
    with pytest.raises(ConfigError, match="held_out split has 0 of the 4 problems"):
        list_problems(config, "held_out")


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "/"},
        {"max_operand": 0},
        {"min_operand": -1},
        {"template": "What is {a}?"},
        {"held_out_fraction": 0.0},
        {"validation_fraction": 0.5},
    ],
)
def test_problem_config_that_cannot_work_is_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        ProblemConfig(**change)


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("72", Grade.RIGHT),
        (" 72\n", Grade.RIGHT),
        ("", Grade.WRONG),
        ("72.", Grade.WRONG),
        ("72 72", Grade.WRONG),
        ("7 2", Grade.WRONG),
        ("072", Grade.WRONG),
        ("+72", Grade.WRONG),
        ("72.0", Grade.WRONG),
        ("٧٢", Grade.WRONG),
        ("7²", Grade.WRONG),
        ("the answer is 72", Grade.WRONG),
    ],
)
def test_grade_of_a_completion_is_strict(completion, expected):
    assert grade(completion, "72") is expected


@pytest.mark.parametrize("answer", ["", "seventy", "07", "-0", "7.0", "٧", "²", "1" * 33])
def test_grade_against_no_canonical_answer_is_an_error(answer):
    assert grade(answer, answer) is Grade.ERROR


def test_grade_of_a_negative_answer_is_right():
    assert grade("-5", "-5") is Grade.RIGHT


def test_grade_off_the_main_thread_is_the_same():
    found = []
    thread = threading.Thread(target=lambda: found.append(grade("72", "72")))
    thread.start()
    thread.join()
    assert found == [Grade.RIGHT]
