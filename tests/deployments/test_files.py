"""The deployments' files hold together: nothing here starts Docker or Prefect."""

import ast
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from flows import recipe as recipes
from lmcore.errors import InputError
from tasks.discovery import match

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deployments"
COMPOSE = yaml.safe_load((HERE / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
DEPLOYMENTS = {
    entry["name"]: entry
    for entry in yaml.safe_load((HERE / "prefect.yaml").read_text())["deployments"]
}


def load_serve():
    spec = importlib.util.spec_from_file_location("serve", HERE / "serve.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def copied_into_the_image():
    """Paths that the Dockerfile copies from the repository."""
    lines = (HERE / "Dockerfile").read_text().splitlines()
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY")]
    return {source for sources in copies for source in sources}


@pytest.mark.parametrize("name", SERVICES)
def test_service_waits_for_the_health_of_what_it_needs(name):
    for target, how in SERVICES[name].get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        check = SERVICES[target]["healthcheck"]
        assert check["test"][0] == "CMD"
        assert check["retries"] >= 3


@pytest.mark.parametrize("name", SERVICES)
def test_service_comes_back_after_a_fall(name):
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_health_check_of_the_server_is_python_that_asks_its_own_port():
    _, interpreter, flag, code = SERVICES["server"]["healthcheck"]["test"]
    assert (interpreter, flag) == ("python", "-c")
    ast.parse(code)
    (port,) = SERVICES["server"]["ports"]
    assert f"http://127.0.0.1:{port.split(':')[1]}/api/health" in code


def test_dockerfile_copies_what_exists_and_all_packages():
    copied = copied_into_the_image()
    assert all((ROOT / source).exists() for source in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {package.rstrip("*") for package in packages} <= copied


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" in SERVICES[name]])
def test_command_of_a_service_uses_what_the_image_holds(name):
    service = SERVICES[name]
    build = service["build"]
    assert (HERE / build["context"] / build["dockerfile"]).samefile(HERE / "Dockerfile")
    entrypoint, command = service["entrypoint"], service.get("command", [])
    programs = [entrypoint[0]]
    if entrypoint == ["sh", "-c"]:
        (script,) = command
        programs = [part.split()[0] for part in re.split(r"&&\s*(?:exec )?", script)]
    # prefect is a dependency of ours, c2m our own script: pip puts both on the image's path
    assert set(programs) <= {"prefect", "c2m"}
    files = [word for part in [*entrypoint, *command] for word in part.split() if "/" in word]
    for file in files:
        assert (ROOT / file).exists()
        assert file.split("/")[0] in copied_into_the_image()


def test_volumes_of_services_are_declared():
    named = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith("${")
    }
    assert named == set(COMPOSE["volumes"])


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_deployment_names_where_its_pages_are(name):
    parameters = DEPLOYMENTS[name]["parameters"]
    assert parameters.keys() <= {"recipe", "overrides"}
    corpus = recipes.load(parameters["recipe"], parameters.get("overrides", [])).corpus
    assert corpus.sample or corpus.warcs


@pytest.mark.parametrize("name", recipes.names())
def test_served_recipe_names_where_its_pages_are(name, tmp_path):
    parameters = load_serve().parameters_of(name, tmp_path)
    corpus = recipes.load(parameters["recipe"], parameters["overrides"]).corpus
    assert corpus.sample or corpus.warcs


def test_deployments_and_server_look_into_the_same_folder(tmp_path, monkeypatch):
    serve = load_serve()
    parameters = DEPLOYMENTS["realdata-monthly"]["parameters"]
    assert parameters["overrides"] == serve.parameters_of("realdata", tmp_path)["overrides"]
    (pattern,) = recipes.load("realdata", parameters["overrides"]).corpus.warcs
    assert f"`{pattern}`" in (HERE / "runbook.md").read_text()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Found no file for corpus.warcs"):
        match([pattern], "corpus.warcs")
    deep = tmp_path / "crawl" / "CC-MAIN" / "a.warc.gz"
    deep.parent.mkdir(parents=True)
    deep.touch()
    assert match([pattern], "corpus.warcs") == [deep]
