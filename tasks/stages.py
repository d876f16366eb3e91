"""Every kind of work there is: its name, what runs it, and how long it may take."""

from dataclasses import dataclass

PARTS = ("corpus", "tokenizer", "pretraining", "scaling", "alignment", "evaluation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A kind of work."""

    name: str
    part: str
    body: str
    """module:function that a worker runs"""
    title: str
    """what a person reads while it runs"""
    deadline_seconds: float
    version: int = 1
    """raise it when the code changes what comes out (tests/house/test_code_versions.py)"""


_MINUTE = 60.0
_HOUR = 60 * _MINUTE

_STAGES = (
    Stage(name="sample_crawl", version=2, part="corpus", body="tasks.sources:sample_crawl",
          title="write the sample crawl", deadline_seconds=10 * _MINUTE),
    Stage(name="sample_labels", version=2, part="corpus", body="tasks.sources:sample_labels",
          title="write the sample labels", deadline_seconds=10 * _MINUTE),
    Stage(name="fetch_records", part="corpus", body="tasks.sources:fetch_records",
          title="fetch the selected records", deadline_seconds=24 * _HOUR),
    Stage(name="extract", version=4, part="corpus", body="tasks.extraction:extract",
          title="extract main text", deadline_seconds=6 * _HOUR),
    Stage(name="classifiers", version=3, part="corpus", body="tasks.curation:classifiers",
          title="train the classifiers", deadline_seconds=1 * _HOUR),
    Stage(name="annotate", version=4, part="corpus", body="tasks.curation:annotate",
          title="score documents", deadline_seconds=6 * _HOUR),
    Stage(name="decide", version=5, part="corpus", body="tasks.curation:decide",
          title="decide what to keep", deadline_seconds=1 * _HOUR),
    Stage(name="deduplicate", version=4, part="corpus", body="tasks.deduplication:deduplicate",
          title="remove duplicates", deadline_seconds=6 * _HOUR),
    Stage(name="decontaminate", version=2, part="corpus", body="tasks.decontamination:decontaminate",
          title="look for evaluation sets", deadline_seconds=6 * _HOUR),
    Stage(name="tokenizer", part="tokenizer", body="tasks.tokenization:tokenizer",
          title="train the tokenizer", deadline_seconds=6 * _HOUR),
    Stage(name="tokens", part="tokenizer", body="tasks.tokenization:tokens",
          title="write token shards", deadline_seconds=6 * _HOUR),
    Stage(name="mix_proxy", version=2, part="tokenizer", body="tasks.proxies:mix_proxy",
          title="train on a random mixture", deadline_seconds=24 * _HOUR),
    Stage(name="mix_fit", version=2, part="tokenizer", body="tasks.proxies:mix_fit",
          title="learn the mixture", deadline_seconds=24 * _HOUR),
    Stage(name="mix", version=2, part="tokenizer", body="tasks.mixing:mix",
          title="mix the training split", deadline_seconds=6 * _HOUR),
    Stage(name="pretrain", version=5, part="pretraining", body="tasks.pretraining:pretrain",
          title="pretrain the model", deadline_seconds=240 * _HOUR),
    Stage(name="sweep", version=5, part="scaling", body="tasks.scaling:sweep",
          title="train a sweep point", deadline_seconds=24 * _HOUR),
    Stage(name="scaling", version=3, part="scaling", body="tasks.fitting:fit",
          title="fit the scaling laws", deadline_seconds=1 * _HOUR),
    Stage(name="sft", version=3, part="alignment", body="tasks.alignment:sft",
          title="fine-tune on instructions", deadline_seconds=24 * _HOUR),
    Stage(name="dpo", version=4, part="alignment", body="tasks.alignment:dpo",
          title="optimise preferences", deadline_seconds=24 * _HOUR),
    Stage(name="grpo", version=3, part="alignment", body="tasks.alignment:grpo",
          title="reinforce with a verifier", deadline_seconds=24 * _HOUR),
    Stage(name="compression", part="evaluation", body="tasks.compression:compression",
          title="compare tokenizers", deadline_seconds=1 * _HOUR),
    Stage(name="evaluate", version=3, part="evaluation", body="tasks.evaluation:evaluate",
          title="evaluate the models", deadline_seconds=6 * _HOUR),
    Stage(name="judge", version=3, part="evaluation", body="tasks.judgement:judge",
          title="compare with the ground truth", deadline_seconds=1 * _HOUR),
    Stage(name="report", version=6, part="evaluation", body="tasks.reporting:report",
          title="write the report", deadline_seconds=1 * _HOUR),
)  # fmt: skip

STAGES: dict[str, Stage] = {stage.name: stage for stage in _STAGES}
