import dataclasses

import pytest

from lmcore.align.arithmetic import Grade, list_problems
from lmcore.align.chat import ChatTemplate
from lmcore.align.config import ProblemConfig, SFTConfig
from lmcore.align.sft import finetune
from lmcore.errors import InputError
from lmcore.evals.accuracy import answer_all, evaluate, summarise
from lmcore.evals.intervals import wilson
from lmcore.model.files import save_model

PROBLEMS = ProblemConfig(max_operand=20)


@pytest.fixture
def answers(make_byte_model, byte_tokenizer):
    template = ChatTemplate(byte_tokenizer)
    return list(answer_all(make_byte_model(), template, list_problems(PROBLEMS, "train")[:20]))


def graded(answers, n_right, n_errors):
    grades = ["right"] * n_right + ["error"] * n_errors
    grades += ["wrong"] * (len(answers) - len(grades))
    return [dataclasses.replace(a, grade=g) for a, g in zip(answers, grades, strict=True)]


def test_summary_leaves_answers_the_verifier_failed_on_out(answers):
    found = summarise(graded(answers, 4, 5))
    assert (found.n, found.n_right, found.n_errors) == (15, 4, 5)
    interval = wilson(4, 15)
    assert (found.accuracy, found.low, found.high) == (4 / 15, interval.low, interval.high)


def test_summary_of_errors_alone_is_refused(answers):
    with pytest.raises(InputError, match="0 of 20"):
        summarise(graded(answers, 0, 20))


def test_answers_do_not_depend_on_their_batch(make_byte_model, byte_tokenizer, answers):
    template, model = ChatTemplate(byte_tokenizer), make_byte_model()
    problems = list_problems(PROBLEMS, "train")[:20]
    room = max(len(template.encode_completion(p.answer)) for p in problems)
    alone = [next(iter(answer_all(model, template, [problem]))) for problem in problems]
    for one, batched in zip(alone, answers, strict=True):
        n = min(one.n_tokens, batched.n_tokens, room)
        assert one.problem_id == batched.problem_id
        assert one.completion[:n] == batched.completion[:n]


def test_answers_of_a_verifier_that_raises_are_errors(make_byte_model, byte_tokenizer):
    def down(completion: str, answer: str) -> Grade:
        raise TimeoutError

    problems = list_problems(PROBLEMS, "train")[:3]
    template = ChatTemplate(byte_tokenizer)
    found = answer_all(make_byte_model(), template, problems, verifier=down)
    assert [answer.grade for answer in found] == ["error"] * 3


def test_evaluate_of_a_model_that_has_learned_finds_right_answers(
    make_byte_model, byte_tokenizer, tmp_path
):
    problems = ProblemConfig(operation="*", max_operand=8, template="{a}{operation}{b}")
    save_model(tmp_path / "base", make_byte_model())
    (tmp_path / "tokenizer").mkdir()
    byte_tokenizer.save(tmp_path / "tokenizer")
    config = SFTConfig(steps=50, batch_size=32, lr=5e-3, check_every=50, threads=1)
    finetune(tmp_path / "base", tmp_path / "tokenizer", tmp_path / "sft", config, problems)
    trained = list_problems(problems, "train")
    before = evaluate(tmp_path / "base", tmp_path / "tokenizer", trained)[1]
    answers, after = evaluate(tmp_path / "sft", tmp_path / "tokenizer", trained)
    assert before.n_right == 0
    assert after.n_right == sum(a.grade == "right" for a in answers) > 10
    assert after.low < after.accuracy < after.high
