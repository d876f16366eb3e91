"""Recipes are read strictly, and every mistake says where it is."""

import json
import re
from pathlib import Path

import pytest

from flows import recipe as recipes
from lmcore.errors import ConfigError
from lmcore.parallel.config import ParallelConfig
from lmcore.tokens.data_config import DataConfig
from tasks.stages import PARTS, STAGES


@pytest.mark.parametrize("name", recipes.names())
def test_shipped_recipe_loads_and_survives_json(name):
    recipe = recipes.load(name)
    assert recipes.from_sections(recipe.sections()) == recipe


def test_override_replaces_one_key():
    recipe = recipes.load("smoke", ["pretrain.steps=7", "curate.min_quality=0.25"])
    assert recipe.pretrain.steps == 7
    assert recipe.curate.min_quality == 0.25
    assert recipe.model == recipes.load("smoke").model


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("corpus.warcs=/data/a.warc.gz", ("/data/a.warc.gz",)),
        ('corpus.warcs="/data/*.warc.gz"', ("/data/*.warc.gz",)),
        ('corpus.warcs=["/a/**/*.warc*", "/b/*.arc"]', ("/a/**/*.warc*", "/b/*.arc")),
    ],
)
def test_override_takes_paths_globs_and_lists(override, expected):
    assert recipes.load("smoke", [override]).corpus.warcs == expected


def test_override_sets_the_mesh_of_a_run():
    overrides = [
        "pretrain.world_size=4",
        "pretrain.parallel.tensor=2",
        "pretrain.parallel.data=zero1",
    ]
    recipe = recipes.load("smoke", overrides)
    assert recipe.pretrain.parallel == ParallelConfig(tensor=2, data="zero1")
    assert recipes.from_sections(recipe.sections()) == recipe
    with pytest.raises(ConfigError, match="expected a divisor"):
        recipes.load("smoke", ["pretrain.world_size=3", "pretrain.parallel.tensor=2"])


def test_override_offloads_a_sharded_model_and_survives_json():
    overrides = ["pretrain.world_size=2", "pretrain.parallel.offload=true"]
    recipe = recipes.load("smoke", overrides)
    assert recipe.pretrain.parallel == ParallelConfig(offload=True)
    assert recipes.from_sections(json.loads(json.dumps(recipe.sections()))) == recipe
    with pytest.raises(ConfigError, match=r"offload with data ddp; .*set data to fsdp"):
        recipes.load("smoke", [*overrides, "pretrain.parallel.data=ddp"])


def test_override_reaches_a_section_within_a_section():
    overrides = ["pretrain.data.packing=split", "pretrain.data.curriculum_share=1"]
    recipe = recipes.load("smoke", overrides)
    assert recipe.pretrain.data == DataConfig(packing="split", curriculum_share=1.0)
    assert recipes.from_sections(recipe.sections()) == recipe
    assert json.loads(json.dumps(recipe.sections())) == recipe.sections()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pretrain.data.packin=split", r"pretrain\.data\.packin \(did you mean packing\?\)"),
        ("pretrain.data.packing=best", "pretrain.data.packing = 'best'; expected one of none"),
        ('pretrain.data.sources=["a"]', r"1 pretrain\.data\.sources without weights"),
        ("pretrain.steps.more=5", "expected a section"),
        ("pretrain.stepz=5", r"pretrain\.stepz \(did you mean steps\?\)"),
        ("pretrian.steps=5", r"pretrian \(did you mean pretrain\?\)"),
        ("pretrain.steps=many", "pretrain.steps = 'many'; expected a value of type int"),
        ("pretrain.steps=true", "expected a value of type int"),
        ("pretrain.steps=0", "at least 1"),
        ("compression.max_bytes=0", "max_bytes 0, .*at least 1"),
        ("steps=5", "expected section.key=value"),
        ("extract.tier=readability", "precise"),
    ],
)
def test_wrong_override_says_where_and_what(override, message):
    with pytest.raises(ConfigError, match=message):
        recipes.load("smoke", [override])


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean smoke"):
        recipes.load("smok")


def test_recipe_file_that_is_not_toml_is_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[pretrain\nsteps = 5")
    with pytest.raises(ConfigError, match="not TOML"):
        recipes.load(str(path))


def test_whole_number_stands_for_a_float():
    assert recipes.load("smoke", ["pretrain.lr=1"]).pretrain.lr == 1.0


def test_every_stage_is_submitted_by_the_flow_of_its_part_in_order():
    for part in PARTS:
        text = (Path(recipes.__file__).parent / f"{part}.py").read_text()
        submitted = re.findall(r'journey\.submit\("(\w+)"\)', text)
        assert sorted(submitted) == sorted(s.name for s in STAGES.values() if s.part == part)
