"""Documents become a tokenizer and token shards."""

from tasks.opening import OpenRun
from tasks.orchestration import Journey, Refs, flow


@flow(name="tokenizer", persist_result=False, validate_parameters=False)
def tokenizer(run: OpenRun, known: Refs) -> Refs:
    """Documents become a tokenizer and token shards."""
    journey = Journey(run, known)
    journey.submit("tokenizer")
    journey.submit("tokens")
    return journey.gather()
