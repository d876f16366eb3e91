"""The share of held-out problems that a model answers rightly, with its 95% interval.

Greedy decoding, so the number has no sampling noise beyond the choice of problems; that is what
Wilson's interval covers. Answers the verifier failed on are counted apart and are no wrong answers.
Cost: 1,000 short problems with 1.4 M parameters take about 1 s on one core.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmcore.align.arithmetic import Grade, Problem, grade
from lmcore.align.chat import ChatTemplate
from lmcore.align.rollouts import Rollout, Verifier, answerer_of
from lmcore.align.training import set_threads
from lmcore.errors import InputError
from lmcore.evals.intervals import wilson
from lmcore.model.files import load_model
from lmcore.model.transformer import Transformer
from lmcore.tokenizer.bpe import Tokenizer

CONFIDENCE = 0.95
_BATCH = 256
"""Problems decoded together; it bounds the memory of the cache."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One problem as the model answered it."""

    problem_id: str
    prompt: str
    answer: str
    completion: str
    grade: str
    """right, wrong or error."""
    n_tokens: int
    """Tokens the model wrote, `<|end|>` included."""
    is_finished: bool
    """Whether it wrote `<|end|>`; an answer without is wrong."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Right answers of those that could be graded; [low, high] holds 95%."""

    n: int
    n_right: int
    n_errors: int
    """Answers that the verifier failed on, not in n."""
    accuracy: float
    low: float
    high: float


def evaluate(
    model_dir: Path, tokenizer_dir: Path, problems: Sequence[Problem], *, threads: int = 1
) -> tuple[list[Answer], Accuracy]:
    """Returns the answers of the model in `model_dir`, in order, and their accuracy."""
    set_threads(threads)
    template = ChatTemplate(Tokenizer.load(tokenizer_dir))
    answers = list(answer_all(load_model(model_dir), template, problems))
    return answers, summarise(answers)


def answer_all(
    model: Transformer,
    template: ChatTemplate,
    problems: Sequence[Problem],
    *,
    verifier: Verifier = grade,
) -> Iterator[Answer]:
    """Yields the model's greedy answer to each problem, in order."""
    if not problems:
        return
    answerer = answerer_of(template, problems, verifier)
    for start in range(0, len(problems), _BATCH):
        for rollout in answerer.sample(model, problems[start : start + _BATCH]):
            yield _answer(rollout)


def summarise(answers: Sequence[Answer]) -> Accuracy:
    """Returns the accuracy over the answers that were graded.

    Raises InputError where none was.
    """
    n_errors = sum(answer.grade == Grade.ERROR for answer in answers)
    n_right = sum(answer.grade == Grade.RIGHT for answer in answers)
    n = len(answers) - n_errors
    if n < 1:
        raise InputError(
            f"0 of {len(answers):,d} answers could be graded; expected at least 1. "
            "Check the problems and the verifier."
        )
    interval = wilson(n_right, n, CONFIDENCE)
    return Accuracy(n, n_right, n_errors, n_right / n, interval.low, interval.high)


def _answer(rollout: Rollout) -> Answer:
    return Answer(
        problem_id=rollout.problem.problem_id,
        prompt=rollout.problem.prompt,
        answer=rollout.problem.answer,
        completion=rollout.completion,
        grade=rollout.grade.value,
        n_tokens=len(rollout.ids),
        is_finished=rollout.is_finished,
    )
