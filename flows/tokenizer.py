"""Documents become a tokenizer, token shards, and a mixture of them."""

from tasks.opening import OpenRun
from tasks.orchestration import Journey, Refs, flow


@flow(name="tokenizer", persist_result=False, validate_parameters=False)
def tokenizer(run: OpenRun, known: Refs) -> Refs:
    """Documents become a tokenizer and token shards."""
    journey = Journey(run, known)
    journey.submit("tokenizer")
    journey.submit("tokens")
    journey.submit("mix_proxy")
    journey.submit("mix_fit")
    journey.submit("mix")
    return journey.gather()
