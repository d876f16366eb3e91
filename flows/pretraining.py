"""Token shards become a language model."""

from tasks.opening import OpenRun
from tasks.orchestration import Journey, Refs, flow


@flow(name="pretraining", persist_result=False, validate_parameters=False)
def pretraining(run: OpenRun, known: Refs) -> Refs:
    """Token shards become a language model."""
    journey = Journey(run, known)
    journey.submit("pretrain")
    return journey.gather()
