"""Crawl files become scored, decided and unique documents."""

from tasks.opening import OpenRun
from tasks.orchestration import Journey, Refs, flow


@flow(name="corpus", persist_result=False, validate_parameters=False)
def corpus(run: OpenRun, known: Refs) -> Refs:
    """Crawl files become scored, decided and unique documents."""
    journey = Journey(run, known)
    journey.submit("fetch_records")
    journey.submit("sample_crawl")
    journey.submit("sample_labels")
    journey.submit("extract")
    journey.submit("classifiers")
    journey.submit("annotate")
    journey.submit("decide")
    journey.submit("deduplicate")
    journey.submit("decontaminate")
    return journey.gather()
