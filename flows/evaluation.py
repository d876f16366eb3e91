"""Tokenizers and models are measured, stages are judged, and all of it becomes a report."""

from tasks.opening import OpenRun
from tasks.orchestration import Journey, Refs, flow


@flow(name="evaluation", persist_result=False, validate_parameters=False)
def evaluation(run: OpenRun, known: Refs) -> Refs:
    """Tokenizers and models are measured, stages are judged, and all of it becomes a report."""
    journey = Journey(run, known)
    journey.submit("compression")
    journey.submit("evaluate")
    journey.submit("judge")
    journey.submit("report")
    return journey.gather()
