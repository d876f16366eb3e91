"""The journey as data: order, identity, what depends on what."""

import dataclasses

import pytest

from flows import recipe as recipes
from lmcore.curate.config import ANNOTATION_FIELDS, CLASSIFIER_FIELDS, DECISION_FIELDS, CurateConfig
from lmcore.errors import ConfigError
from tasks.graph import Source, Sources, journey
from tasks.opening import decode_step, encode_step, steps_until
from tasks.stages import STAGES

INDEX = (Source("index.parquet", "0" * 64, "/index.parquet"),)


def steps_of(*overrides, sources=None):
    return journey(recipes.load("smoke", overrides).sections(), sources or Sources())


def configs(*overrides):
    return {step.name: step.config for step in steps_of(*overrides)}


def test_every_step_comes_after_those_it_waits_for():
    seen = set()
    for step in steps_of():
        assert set(step.upstream()) <= seen, step.name
        seen.add(step.name)


MIXED = "mix.by=['language']"
LEARNT = (MIXED, "mix.learn=true", "mix.n_proxies=3")
SETS = Sources(evaluation_sets=(Source("quiz.jsonl", "dd", "/q/quiz.jsonl"),))


def test_every_stage_occurs_in_the_journey():
    found = {step.stage.name for step in steps_of(*LEARNT, sources=SETS)}
    found |= {step.stage.name for step in steps_of(sources=Sources(index=INDEX))}
    assert found == set(STAGES)


def test_models_are_trained_on_the_mixture_and_measured_on_what_was_held_out():
    steps = {step.name: step for step in steps_of(MIXED)}
    readers = {name for name, step in steps.items() if "mix" in step.upstream()}
    sweeps = {name for name in steps if name.startswith("sweep/")}
    assert readers == {"pretrain", "evaluate", "report", *sweeps}
    assert "tokens" in steps["evaluate"].upstream()
    assert "mix" not in {step.name for step in steps_of()}


def test_small_models_teach_the_mixture_and_more_of_them_leave_the_others_as_they_are():
    steps = {step.name: step for step in steps_of(*LEARNT)}
    proxies = [name for name in steps if name.startswith("mix_proxy/")]
    assert proxies == ["mix_proxy/000", "mix_proxy/001", "mix_proxy/002"]
    assert set(proxies) < set(steps["mix_fit"].upstream())
    assert "mix_fit" in steps["mix"].upstream()
    more = {step.name: step for step in steps_of(*LEARNT[:2], "mix.n_proxies=5")}
    assert [more[name] for name in proxies] == [steps[name] for name in proxies]


def test_evaluation_sets_are_looked_for_before_anything_is_learnt():
    plain = {step.name: step for step in steps_of()}
    searched = {step.name: step for step in steps_of(sources=SETS)}
    assert searched.keys() - plain.keys() == {"decontaminate"}
    readers = {name for name, step in searched.items() if "decontaminate" in step.upstream()}
    assert readers == {"tokenizer", "tokens", "compression", "evaluate", "report"}
    for name in readers - {"report"}:
        assert searched[name].config == plain[name].config
        assert searched[name].inputs | {"decontaminated": ()} == plain[name].inputs


def test_evaluation_sets_are_identity_by_name_and_place_is_not():
    def config(name, path):
        sources = Sources(evaluation_sets=(Source(name, "dd", path),))
        found = steps_of(f"decontaminate.sets=['{path}']", sources=sources)
        return {step.name: step.config for step in found}

    here = config("quiz.jsonl", "/q/quiz.jsonl")
    assert here == config("quiz.jsonl", "/elsewhere/quiz.jsonl")
    assert here["decontaminate"] != config("other.jsonl", "/q/quiz.jsonl")["decontaminate"]


def test_selected_records_take_the_place_of_the_sample_crawl():
    sampled = {step.stage.name for step in steps_of()}
    indexed = {step.stage.name for step in steps_of(sources=Sources(index=INDEX))}
    assert indexed - sampled == {"fetch_records"}
    assert "sample_crawl" in sampled - indexed


def test_selection_by_an_index_decides_its_records_and_places_of_the_index_do_not():
    def fetched(*overrides):
        steps = steps_of(*overrides, sources=Sources(index=INDEX))
        return next(step for step in steps if step.name == "fetch_records")

    assert fetched() == fetched("index.files=elsewhere.parquet")
    assert fetched().config != fetched("index.domains=a.example").config
    names = [step.name for step in steps_of("index.n_files=2", sources=Sources(index=INDEX))]
    assert [name for name in names if name.startswith("extract/")] == [
        "extract/selected-00000.warc.gz",
        "extract/selected-00001.warc.gz",
    ]


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("curate.min_quality=0.3", {"decide"}),
        ("curate.max_toxicity=0.4", {"decide"}),
        ("curate.c4_min_words_per_line=4", {"annotate"}),
        ("curate.classifier_epochs=3", {"classifiers"}),
        ("pretrain.steps=61", {"pretrain"}),
        ("compression.max_bytes=1000", {"compression"}),
        ("tokenizer.vocab_size=900", {"tokenizer", "sweep"}),
        ("sample.n_pages=400", {"sample_crawl", "sample_labels"}),
        ("resources.workers=7", set()),
        ("resources.runner=processes", set()),
    ],
)
def test_override_changes_only_the_configuration_it_belongs_to(override, changed):
    before, after = configs(), configs(override)
    differing = {
        name.split("/")[0]
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }
    # the report states the recipe, but not where and how fast it runs
    assert differing - {"report"} == changed
    assert ("report" in differing) == bool(changed)


def test_curation_fields_are_partitioned():
    fields = {field.name for field in dataclasses.fields(CurateConfig)}
    parts = [
        CLASSIFIER_FIELDS,
        ANNOTATION_FIELDS,
        DECISION_FIELDS,
        ("labels", "lid_model", "lists", "perplexity_models"),
    ]
    assert sorted(name for part in parts for name in part) == sorted(fields)


def test_named_files_replace_the_sample_crawl():
    warcs = (Source("a.warc.gz", "aa", "/x/a.warc.gz"), Source("b.arc", "bb", "/y/b.arc"))
    names = {step.name for step in steps_of(sources=Sources(warcs=warcs))}
    assert {"extract/a.warc.gz", "annotate/b.arc", "sample_labels"} <= names
    assert names.isdisjoint({"sample_crawl", "judge"})


def test_named_labels_replace_the_sample_labels():
    labels = (Source("toxicity.parquet", "cc", "/z/toxicity.parquet"),)
    names = {step.name for step in steps_of(sources=Sources(labels=labels))}
    assert "sample_labels" not in names


def test_step_survives_the_way_to_a_task_runner():
    warcs = (Source("a.warc.gz", "aa", "/x/a.warc.gz"),)
    for step in steps_of(sources=Sources(warcs=warcs)):
        assert decode_step(encode_step(step)) == step


def test_until_keeps_a_stage_and_what_it_needs():
    names = {step.stage.name for step in steps_until(steps_of(), "decide")}
    assert names == {
        "sample_crawl",
        "sample_labels",
        "extract",
        "classifiers",
        "annotate",
        "decide",
    }


def test_sources_that_no_stage_lays_out_are_refused_before_anything_runs():
    sources = ['pretrain.data.sources=["de", "en"]', "pretrain.data.weights=[1, 2]"]
    with pytest.raises(
        ConfigError, match=r"sources = \['de', 'en'\] with mix.method = 'temperature'"
    ):
        steps_of(*sources)
    laid_out = steps_of(*sources, "mix.method=sources", "mix.by=language")
    (pretrain,) = [step for step in laid_out if step.name == "pretrain"]
    assert pretrain.upstream()[0] == "mix"
