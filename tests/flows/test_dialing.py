"""The dial in a recipe: derived keys, a time that is measured once, and a run from one number."""

import json
import subprocess
import sys
import tomllib

import pytest

from flows import recipe as recipes
from flows.cli import main
from flows.dialing import derivation, settle
from lmcore.errors import ConfigError
from lmcore.train.estimate import estimate_flops
from tasks.machine import FILE, machine_rate
from warehouse.store import Store


@pytest.fixture
def recipe(tmp_path):
    """The path of a recipe of these lines."""

    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return write


def test_recipe_with_only_a_budget_gets_a_whole_model(recipe):
    loaded = recipes.load(recipe("[dial]\ncompute = 1e13\n"))
    flops = estimate_flops(loaded.model, loaded.tokenizer.vocab_size, loaded.pretrain)
    assert flops == pytest.approx(1e13, rel=0.1)
    assert loaded.pretrain.data.max_epochs == 4.0
    assert recipes.from_sections(loaded.sections()) == loaded


def test_stated_keys_and_overrides_win_over_the_dial(recipe):
    name = recipe("[dial]\ndepth = 2\n[pretrain]\nlr = 1e-3\n[pretrain.data]\nmax_epochs = 9\n")
    loaded = recipes.load(name, ["model.n_heads=2"])
    assert (loaded.model.d_model, loaded.model.n_heads, loaded.pretrain.lr) == (128, 2, 1e-3)
    assert loaded.pretrain.data.max_epochs == 9.0
    keys = {one.key for one in recipes.derived(name, ["model.n_heads=2"])}
    assert keys.isdisjoint({"model.n_heads", "pretrain.lr", "pretrain.data.max_epochs"})


def test_derivation_is_toml_that_makes_the_same_run(recipe, tmp_path):
    name = recipe("[dial]\ncompute = 2e12\n")
    lines = list(derivation(name, []))
    assert all("  # " in line for line in lines[:-1])
    tomllib.loads("\n".join(lines))
    kept = tmp_path / "kept.toml"
    kept.write_text("\n".join(lines))
    loaded, again = recipes.load(name), recipes.load(str(kept))
    assert (again.model, again.pretrain) == (loaded.model, loaded.pretrain)


def test_recipe_without_a_dial_derives_nothing():
    assert list(derivation("smoke", [])) == []


def test_wrong_dial_names_the_recipes_key(recipe):
    with pytest.raises(ConfigError, match=r"dial\.computes \(did you mean compute\?\)"):
        recipes.load(recipe("[dial]\ncomputes = 1\n"))
    with pytest.raises(ConfigError, match="leaves 1 steps"):
        recipes.load(recipe("[dial]\ncompute = 1.0\n"))
    with pytest.raises(ConfigError, match=r"dial\.seconds 60 and no rate"):
        recipes.load(recipe("[dial]\nseconds = 60\n"))


def test_time_is_turned_into_compute_once_and_stays(recipe, tmp_path):
    name, store = recipe("[dial]\nseconds = 20\n[pretrain]\nthreads = 1\n"), Store(tmp_path / "s")
    overrides = settle(store, name, [])
    assert settle(store, name, []) == overrides
    (rate,) = json.loads((store.root / FILE).read_text()).values()
    assert float(f"{rate:.1e}") == rate
    first = recipes.load(name, overrides)
    assert first.dial.seconds == first.dial.flops_per_second == 0.0
    assert first.dial.compute == pytest.approx(20 * 0.7 * rate, rel=0.05)
    (store.root / FILE).write_text(json.dumps(dict.fromkeys(["float32 x 1 threads x 1"], 2 * rate)))
    assert recipes.load(name, overrides) == first  # what a run was given does not move
    assert recipes.load(name, settle(store, name, [])).dial.compute > first.dial.compute


def test_rate_that_is_stated_is_not_measured(recipe, tmp_path):
    name = recipe("[dial]\nseconds = 100\nflops_per_second = 1e11\n")
    store = Store(tmp_path / "s")
    loaded = recipes.load(name, settle(store, name, []))
    assert loaded == recipes.load(name)
    assert loaded.dial.compute == 7e12
    assert not store.root.exists()


def test_plan_measures_and_writes_nothing(recipe, tmp_path):
    train = recipes.load("smoke").pretrain
    store = Store(tmp_path / "s")
    assert machine_rate(store, train, remember=False) > 0
    assert not store.root.exists()


def test_plan_shows_each_derived_value_with_its_rule(recipe, tmp_path, capsys):
    name = recipe("[dial]\ndepth = 2\n")
    assert main(["plan", name, "--store", str(tmp_path / "s")]) == 0
    out = capsys.readouterr().out
    assert "model.d_model = 128" in out
    assert "# 64 x 2 layers: nanochat's aspect ratio" in out
    assert "step " in out


def test_plan_of_a_dial_loads_no_torch(recipe, tmp_path):
    name = recipe("[dial]\ncompute = 1e13\n")
    code = (
        "import sys; from flows.cli import main; "
        f"main(['plan', {name!r}, '--store', {str(tmp_path / 's')!r}]); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_recipe_with_only_a_dial_runs_to_its_base_model(recipe, tmp_path):
    name = recipe(
        "[dial]\ncompute = 4e10\n[sample]\nn_pages = 300\nn_files = 1\n[tokenizer]\nvocab_size = 1024\n"
    )
    store = str(tmp_path / "s")
    assert main(["run", name, "--store", store, "--until", "pretrain"]) == 0
    (model,) = [a for a in Store(tmp_path / "s").artifacts() if a.manifest.kind == "pretrain"]
    assert model.manifest.config["model"]["d_model"] == recipes.load(name).model.d_model
    # ten times the compute on the same text is too much of it: refused with numbers
    assert (
        main(["run", name, "--store", store, "--until", "pretrain", "--set", "dial.compute=4e13"])
        == 2
    )
