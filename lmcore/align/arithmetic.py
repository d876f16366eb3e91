"""Arithmetic problems with exactly one right answer, and the verifier that grades completions.

Why: a small model learns them within a minute, and a reward that cannot be argued with shows
whether reinforcement learning works. All problems of a configuration are listed, hashed and split,
so that a held-out problem is held out from every stage: by the *unordered* pair of operands, since
27 + 45 gives 45 + 27 away.
Cost: listing 10,000 problems takes 30 ms; a grade is one comparison of strings, so it is
safe in any thread (no signals, no regular expressions).
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from lmcore.align.config import ProblemConfig
from lmcore.errors import ConfigError

TRAIN, VALIDATION, HELD_OUT = "train", "validation", "held_out"


class Grade(StrEnum):
    """What the verifier says of a completion; an error is no reward of zero."""

    RIGHT = "right"
    WRONG = "wrong"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its only right answer."""

    problem_id: str
    """Unique: the operands and the operation, such as "27+45"."""
    prompt: str
    answer: str
    """The decimal digits, with a minus sign where negative."""


def list_problems(config: ProblemConfig, split: str) -> list[Problem]:
    """Returns every problem of `split`, in an order set by the seed.

    The splits "train", "validation" and "held_out" share no problem, nor one with its operands
    swapped. Raises ConfigError where the split would be empty.
    """
    numbers = range(config.min_operand, config.max_operand + 1)
    listed: list[tuple[bytes, Problem]] = []
    for a in numbers:
        for b in numbers:
            if _split(a, b, config) == split:
                problem = _problem(a, b, config)
                listed.append((_digest(f"order {problem.problem_id}", config.seed), problem))
    if not listed:
        raise ConfigError(
            f"The {split} split has 0 of the {len(numbers) ** 2:,d} problems; expected at least 1. "
            f"Raise its fraction (held out {config.held_out_fraction}, validation "
            f"{config.validation_fraction}) or widen the operands."
        )
    return [problem for _, problem in sorted(listed, key=lambda pair: pair[0])]


def grade(completion: str, answer: str) -> Grade:
    """Grades `completion`: right when it is the answer's digits and, but for white space, no more.

    The state is ERROR when `answer` itself is no canonical integer: then nothing was judged.
    """
    if not _is_canonical_integer(answer):
        return Grade.ERROR
    return Grade.RIGHT if completion.strip() == answer else Grade.WRONG


def _is_canonical_integer(text: str) -> bool:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 32:
        return False
    return text == "0" if digits.startswith("0") else True


def _problem(a: int, b: int, config: ProblemConfig) -> Problem:
    result = {"+": a + b, "-": a - b, "*": a * b}[config.operation]
    prompt = (
        config.template.replace("{a}", str(a))
        .replace("{operation}", config.operation)
        .replace("{b}", str(b))
    )
    return Problem(f"{a}{config.operation}{b}", prompt, str(result))


def _split(a: int, b: int, config: ProblemConfig) -> str:
    digest = _digest(f"split {min(a, b)} {max(a, b)}", config.seed)
    share = int.from_bytes(digest[:8], "big") / 2**64
    if share < config.held_out_fraction:
        return HELD_OUT
    return VALIDATION if share < config.held_out_fraction + config.validation_fraction else TRAIN


def _digest(text: str, seed: int) -> bytes:
    return hashlib.sha256(f"arithmetic {seed} {text}".encode()).digest()
