"""Answers sampled from a model and graded: for GRPO, and greedily for accuracy.

Grades have three states. A verifier that fails is counted as an error and takes no part in an
advantage: it says nothing about the completion, and as a reward of 0 it would teach against it.
Cost: one prefill of the prompts, then one token a step for all rollouts at once (KV cache).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from lmcore.align.arithmetic import Grade, Problem, grade
from lmcore.align.chat import ChatTemplate
from lmcore.inference.generate import Generation, generate
from lmcore.model.transformer import Transformer

Verifier = Callable[[str, str], Grade]
"""Grades (completion, answer)."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One graded completion of one problem."""

    problem: Problem
    ids: list[int]
    """The completion's tokens, with `<|end|>` where the model wrote it."""
    logps: list[float]
    """Log-probability of each token when it was sampled, in nats."""
    completion: str
    is_finished: bool
    """Whether the completion ended with `<|end|>` in time; one that did not is never right."""
    grade: Grade


@dataclass(frozen=True, slots=True)
class Answerer:
    """How a model is asked: template, lengths, and the verifier of its answers."""

    template: ChatTemplate
    max_new_tokens: int
    verifier: Verifier

    def sample(
        self,
        model: Transformer,
        problems: Sequence[Problem],
        *,
        n_each: int = 1,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> list[Rollout]:
        """Returns n_each rollouts of each problem, those of one problem together."""
        prompts = [self.template.encode_prompt(problem.prompt) for problem in problems]
        asked = [problem for problem in problems for _ in range(n_each)]
        generations = generate(
            model,
            [prompt for prompt in prompts for _ in range(n_each)],
            max_new_tokens=self.max_new_tokens,
            temperature=temperature,
            stop_ids={self.template.end_id},
            generator=generator,
        )
        return [
            self._judge(problem, generation)
            for problem, generation in zip(asked, generations, strict=True)
        ]

    def _judge(self, problem: Problem, generation: Generation) -> Rollout:
        completion, is_finished = self.template.decode_completion(generation.ids)
        found = judge(self.verifier, completion, problem.answer)
        if found is Grade.RIGHT and not is_finished:
            found = Grade.WRONG
        return Rollout(problem, generation.ids, generation.logps, completion, is_finished, found)


def judge(verifier: Verifier, completion: str, answer: str) -> Grade:
    """Returns the verifier's grade; whatever it raises is the state ERROR, not a wrong answer."""
    try:
        return verifier(completion, answer)
    except Exception:  # noqa: BLE001  # a verifier is foreign code: its failure is data, and counted
        return Grade.ERROR


def answerer_of(
    template: ChatTemplate, problems: Sequence[Problem], verifier: Verifier = grade
) -> Answerer:
    """Returns an answerer with room for the longest answer, its `<|end|>` and one token more."""
    longest = max(len(template.encode_completion(problem.answer)) for problem in problems)
    return Answerer(template, longest + 1, verifier)
