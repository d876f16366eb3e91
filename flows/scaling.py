"""A sweep of small models becomes a scaling law, held against the pretrained model."""

from tasks.opening import OpenRun
from tasks.orchestration import Journey, Refs, flow


@flow(name="scaling", persist_result=False, validate_parameters=False)
def scaling(run: OpenRun, known: Refs) -> Refs:
    """A sweep of small models becomes a scaling law, held against the pretrained model."""
    journey = Journey(run, known)
    journey.submit("sweep")
    journey.submit("scaling")
    return journey.gather()
