"""The language model learns to answer: instructions, preferences, reinforcement."""

from tasks.opening import OpenRun
from tasks.orchestration import Journey, Refs, flow


@flow(name="alignment", persist_result=False, validate_parameters=False)
def alignment(run: OpenRun, known: Refs) -> Refs:
    """The language model learns to answer: instructions, preferences, reinforcement."""
    journey = Journey(run, known)
    journey.submit("sft")
    journey.submit("dpo")
    journey.submit("grpo")
    return journey.gather()
