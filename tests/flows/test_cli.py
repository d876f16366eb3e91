"""The command line in one process: what is printed where, and the exit code."""

import json
import os

import factories
import pytest
from factories import commit, make_store
from factory_models import full_store

from flows.cli import main
from warehouse import runs

RECORD = b"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 0\r\n\r\n\r\n\r\n"


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return full_store(tmp_path_factory.mktemp("full"))


@pytest.fixture
def c2m(capsys):
    """Call the command line; give its exit code, stdout and stderr."""

    def call(store, *arguments):
        code = main([*arguments, "--store", str(store)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def assert_refused(answer, *words):
    code, out, err = answer
    assert (code, out) == (2, "")
    assert err.startswith("c2m: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_list_off_a_terminal_gives_names_and_keys_that_show_takes(c2m, full, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = c2m(full.root, "ls")
    (line,) = [line for line in out.splitlines() if f"extract/{factories.WARCS[0]}" in line]
    _, name, key, *_ = line.split()
    for text in (name, key):
        code, shown, _ = c2m(full.root, "show", text)
        assert code == 0
        assert json.loads(shown.partition("\n")[2])["name"] == name


@pytest.mark.parametrize("verb", ["show", "lineage"])
@pytest.mark.parametrize("text", ["", "  "])
def test_empty_id_is_refused(c2m, full, verb, text):
    assert_refused(c2m(full.root, verb, text), "Found", "expected")


@pytest.mark.parametrize(
    ("question", "parameter"), [("pages_of_checkpoint", "id"), ("checkpoints_of_url", "url")]
)
def test_question_about_something_unknown_is_empty_with_a_hint(c2m, full, question, parameter):
    code, out, err = c2m(
        full.root, "sql", question, "--set", f"{parameter}=nosuch", "--format", "json"
    )
    assert (code, json.loads(out)) == (0, [])
    assert f"{parameter} = 'nosuch'" in err


def test_question_with_rows_gives_no_hint(c2m, full):
    code, _, err = c2m(full.root, "sql", "pages_of_checkpoint", "--set", "id=pretrain")
    assert (code, err) == (0, "")


def test_question_that_is_a_table_gives_its_rows(c2m, full):
    _, named, _ = c2m(full.root, "sql", "documents", "--format", "csv")
    _, asked, _ = c2m(full.root, "sql", "from documents", "--format", "csv")
    assert sorted(named.splitlines()) == sorted(asked.splitlines())
    assert named.count("\n") > 1


def test_question_misspelt_names_the_nearest_table(c2m, full):
    assert_refused(c2m(full.root, "sql", "documnets"), "nearest are documents")


@pytest.mark.parametrize("verb", [["report"], ["sql", "funnel"]])
def test_output_that_cannot_be_is_refused_by_its_own_name(c2m, full, tmp_path, verb):
    missing = tmp_path / "nowhere" / "x.html"
    assert_refused(c2m(full.root, *verb, "--output", str(missing)), f"--output {missing}")
    assert_refused(c2m(full.root, *verb, "--output", str(tmp_path)), "is a folder")
    assert list(tmp_path.iterdir()) == []


def test_plan_without_a_store_writes_nothing(c2m, tmp_path, monkeypatch):
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "a.parquet").write_bytes(b"x")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    code, out, _ = c2m(tmp_path / "store", "plan", "smoke", "--set", f"curate.labels={labels}")
    assert (code, "to run" in out) == (0, True)
    assert list(tmp_path.iterdir()) == [labels]


@pytest.mark.parametrize("verb", [["plan", "smoke"], ["run", "smoke"], ["ls"]])
@pytest.mark.parametrize("below", ["", "/store"])
def test_store_that_is_a_file_is_refused(c2m, tmp_path, verb, below):
    path = tmp_path / "file"
    path.write_text("not a folder")
    assert_refused(c2m(f"{path}{below}", *verb), str(path), "expected a folder")


def test_store_that_cannot_be_made_is_refused(c2m):
    assert_refused(c2m("/proc/foo", "run", "smoke"), "/proc/foo", "expected a folder", "--store")


def test_file_name_that_is_no_utf8_is_named(c2m, tmp_path):
    name = b"caf\xe9.warc".decode("utf-8", "surrogateescape")
    (tmp_path / name).write_bytes(RECORD)
    answer = c2m(tmp_path / "store", "plan", "realdata", "--set", f'corpus.warcs="{tmp_path}"')
    assert_refused(answer, "'caf\\udce9.warc'", "rename")


def test_file_name_that_is_no_utf8_can_be_said(c2m, tmp_path):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert_refused(c2m(tmp_path / name, "ls"), "caf\\udce9")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("pretrain.steps=-1", "found pretrain.steps -1; expected at least 1; raise it"),
        (
            "pretrain.steps=3",
            "found pretrain.warmup_steps 10; expected 0 to 3, which is pretrain.steps; ",
        ),
        ("pretrain.seed=-1", "found pretrain.seed -1; expected 0 or more; "),
        ("pretrain.lr=0", "found pretrain.lr 0.0; expected a number above 0; "),
        ("pretrain.beta2=1", "found pretrain.beta2 1.0; expected 0 or more and below 1; "),
    ],
)
def test_value_out_of_range_is_named_as_the_recipe_names_it(c2m, tmp_path, override, message):
    arguments = ["--set", "pretrain.warmup_steps=10", "--set", override]
    assert_refused(c2m(tmp_path / "store", "plan", "smoke", *arguments), message)


def test_lock_that_does_not_fit_names_the_keys_that_differ(c2m, tmp_path):
    store = make_store(tmp_path)
    _, lines, _ = c2m(store.root, "plan", "smoke", "--until", "sample_crawl")
    assert "sample_crawl" in lines
    commit(store, "sample_crawl", config={"sample": {"seed": 3}, "extra": 1})
    code, _, err = c2m(store.root, "lock", "smoke")
    assert code == 2
    assert "sample.seed = 0 (version 1 has 3)" in err
    assert "{" not in err


def test_damaged_run_is_named_and_the_others_answer(c2m, tmp_path, caplog):
    store = full_store(tmp_path)
    damaged = runs.start(store, "nano", {})
    path = store.runs / damaged.run_id / "run.json"
    path.write_text("{half")
    code, out, _ = c2m(store.root, "sql", "select count(*) as n from runs", "--format", "json")
    assert (code, json.loads(out)) == (0, [{"n": 1}])
    assert str(path) in caplog.text


@pytest.mark.parametrize("keeps_time", [False, True], ids=["plain", "hidden"])
def test_verify_reports_every_damaged_file_and_deletes_nothing(c2m, tmp_path, keeps_time):
    store = make_store(tmp_path)
    whole = commit(store, "tokenizer", files={"t": b"t"})
    artifact = commit(store, "tokens", files={"a.bin": b"aaaa", "b.bin": b"bbbb", "c.bin": b"c"})
    for name in ("a.bin", "b.bin"):
        overwrite(artifact.file(name), keeps_time=keeps_time)
    before = sorted(store.objects.rglob("*"))
    code, out, _ = c2m(store.root, "verify")
    assert code == 1
    for name in ("a.bin", "b.bin"):
        assert f"Found {artifact.file(name)} with sha256" in out
    assert "c.bin" not in out
    assert "2 artifacts re-hashed, 1 damaged" in out
    assert sorted(store.objects.rglob("*")) == before
    assert c2m(store.root, "verify")[0] == 1
    assert store.lookup("tokens", artifact.key) is None
    assert store.lookup("tokenizer", whole.key) == whole


def test_verify_file_brought_back_is_whole_again(c2m, tmp_path):
    store = make_store(tmp_path)
    artifact = commit(store, "tokens", files={"a.bin": b"aaaa"})
    artifact.file("a.bin").write_bytes(b"bbbb")
    assert c2m(store.root, "verify")[0] == 1
    artifact.file("a.bin").write_bytes(b"aaaa")
    assert c2m(store.root, "verify")[0] == 0
    assert store.lookup("tokens", artifact.key) == artifact


def test_verify_folder_without_manifest_is_damage(c2m, tmp_path):
    store = make_store(tmp_path)
    (store.objects / "tokens" / "abc").mkdir(parents=True)
    code, out, _ = c2m(store.root, "verify")
    assert code == 1
    assert "no manifest" in out
    assert (store.objects / "tokens" / "abc").is_dir()


def overwrite(path, *, keeps_time):
    """Change bytes; size, inode and, where asked, mtime stay."""
    stat = path.stat()
    with path.open("r+b") as file:
        file.write(b"x")
    if keeps_time:
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
