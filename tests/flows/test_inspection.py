"""Pages side by side and counts under one another: on any terminal, for programs, and for mistakes."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import commands
import pytest
from factories import commit_corpus, commit_tokens, make_store, record_run
from factory_scores import passing
from hypothesis import given
from hypothesis import strategies as st

from flows.cli import main
from flows.inspection import sample_lines, sample_rows, whatif_lines
from tasks.whatif import Change, WhatIf
from warehouse.answers import width_of
from warehouse.inspection import Drawing

ROOT = Path(__file__).parents[2]
CURATE = {"min_quality": 0.5, "languages": ["en"], "gopher_max_top_ngram_chars": [0.2, 0.18, 0.16]}
TEXTS = {
    "plain": "First line of the page.\n\nSecond line.",
    "long": "word " * 200,
    "unbroken": "x" * 500,
    "wide": "東京は日本の首都である。" * 40,
    "marks": "e\u0301" * 300,
    "hostile": "\x1b[2J\x1b]0;title\x07 text",
    "megabyte": "one line " * 120_000,
}


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A store with the stages up to the shards."""
    store = make_store(tmp_path_factory.mktemp("full"))
    corpus = commit_corpus(store)
    record_run(store, [*corpus, *commit_tokens(store, corpus[-1])])
    return store


@pytest.fixture
def c2m(capsys, full):
    def call(*arguments):
        code = main([*arguments, "--store", str(full.root)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def page(text, reason=None, **given):
    """A document as it is drawn."""
    record = {"title": "Title", "mime": "text/html", "http_status": 200}
    url = f"https://{'dropped' if reason else 'kept'}.example/a-page"
    return {
        **passing(**given),
        **record,
        "url": url,
        "text": text,
        "reason": reason,
        "jaccard": None,
    }


def drawing(text="Some text.", reason="quality", **given):
    pair = (page(text), page(text, reason, **{"quality": 0.123456, **given}))
    return Drawing("decide", (pair,), 7, {reason: 3})


def printed(width, **given):
    return list(sample_lines(drawing(**given), CURATE, 4, width))


@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
@pytest.mark.parametrize("width", [20, 74, 75, 80, 200])
def test_sample_fits_the_terminal(text, width):
    found = printed(width, text=text)
    assert max(width_of(line) for line in found) <= width
    assert len(found) < 60
    assert all(line.isprintable() for line in found)


@pytest.mark.parametrize("width", [75, 120])
def test_sample_on_a_wide_terminal_stands_side_by_side(width):
    (line,) = [line for line in printed(width) if "https://kept.example" in line]
    left, right = line.split(" │ ")
    assert (left.strip(), right) == (
        "https://kept.example/a-page",
        "https://dropped.example/a-page",
    )


@pytest.mark.parametrize("width", [None, 74, 40])
def test_sample_elsewhere_stands_below(width):
    found = printed(width)
    at = found.index("https://kept.example/a-page")
    assert found.index("https://dropped.example/a-page") > at
    assert not any("│" in line for line in found)


def test_sample_states_outcome_column_and_threshold_of_both():
    found = printed(None)
    assert found[0] == "decide: 7 kept, 3 dropped (quality 3); seed 4"
    assert "dropped: quality" in found
    assert "quality 0.99, curate.min_quality 0.5" in found
    assert "quality 0.1235, curate.min_quality 0.5" in found


def test_sample_states_the_one_threshold_of_several_that_counts():
    found = printed(None, reason="gopher_top_3gram", top_3gram_chars=0.3)
    assert "top_3gram_chars 0.3, curate.gopher_max_top_ngram_chars 0.18" in found


def test_sample_off_a_terminal_gives_first_lines_whole():
    lines = [f"line {at} " + "x" * 300 for at in range(9)]
    found = printed(None, text="\n\n".join(lines))
    assert [line for line in found if line.startswith("line ")] == lines[:6] * 2
    assert found.count("…") == 2


def test_sample_of_a_stage_that_drops_nothing_is_one_column():
    kept = Drawing("annotate", ((page("text"), None),), 1, {})
    found = list(sample_lines(kept, CURATE, 0, 120))
    assert "language en, language_score 0.99, quality 0.99, toxicity 0" in found
    assert not any("│" in line for line in found)


def test_sample_with_more_dropped_than_kept_leaves_the_left_side_empty():
    pairs = ((page("text"), page("text", "quality")), (None, page("other", "quality")))
    found = list(sample_lines(Drawing("decide", pairs, 1, {"quality": 2}), CURATE, 0, 100))
    (line,) = [line for line in found if "other" in line]
    assert line.split("│")[0].strip() == ""


def test_sample_of_a_page_without_text_says_so():
    record = page(None, "not_html") | {"title": None}
    found = list(
        sample_lines(Drawing("extract", ((None, record),), 0, {"not_html": 1}), {}, 0, None)
    )
    assert "http_status 200, mime text/html" in found
    assert "(no text)" in found


def test_sample_rows_hold_the_whole_text_and_what_decided():
    columns, rows = sample_rows(drawing(text=TEXTS["long"]), CURATE)
    kept, dropped = (dict(zip(columns, row, strict=True)) for row in rows)
    assert (kept["pair"], kept["side"], kept["text"]) == (0, "kept", TEXTS["long"])
    assert (dropped["side"], dropped["reason"]) == ("dropped", "quality")
    assert dropped["deciding"] == {"quality": 0.123456, "curate.min_quality": 0.5}


@given(st.text(alphabet="ab 東\u0301é", max_size=20), st.integers(0, 9))
def test_sample_wrapped_text_loses_no_letter(text, more):
    found = printed(len(text) + 4 + more, text="." + text)
    first = found.index("") + 1
    end = next(at for at in range(first, len(found)) if found[at].startswith("─"))
    assert "".join("".join(found[first:end]).split()) == "".join(f".{text}".split())


def test_verb_sample_draws_the_same_for_a_seed(c2m):
    drawn = [c2m("sample", "-n", "3", "--seed", "1", "--format", "json") for _ in range(2)]
    assert drawn[0] == drawn[1]
    code, out, err = drawn[0]
    assert (code, err) == (0, "")
    assert [row["side"] for row in json.loads(out)] == ["kept", "dropped"] * 3


def test_verb_sample_of_a_reason_shows_its_threshold(c2m):
    code, out, _ = c2m("sample", "--stage", "decide", "--reason", "quality", "-n", "2")
    assert code == 0
    assert out.count("dropped: quality") == 2
    assert out.count("curate.min_quality 0.3") == 4


def test_verb_sample_shows_a_duplicate_beside_its_survivor(c2m):
    _, out, _ = c2m("sample", "--stage", "deduplicate", "-n", "1", "--format", "json")
    kept, dropped = json.loads(out)
    assert dropped["survivor_url"] == kept["url"]
    assert set(dropped["deciding"]) == {"quality", "n_chars", "jaccard"}


def test_verb_whatif_states_now_and_then(c2m):
    code, out, err = c2m("whatif", "quality < 0", "--estimate")
    assert (code, err) == (0, "")
    now, then = (line.split() for line in out.splitlines()[1:3])
    assert now[:2] == ["now", "30"]
    assert then == ["what", "if", "0", "0", "0", "0", "0"]
    assert "estimated" in out
    assert out.splitlines()[-1].split()[:3] == ["kept", "condition", "30"]


def test_verb_whatif_with_a_threshold_says_what_changes(c2m):
    code, out, _ = c2m("whatif", "--set", "curate.languages=[]", "--estimate", "--format", "json")
    assert code == 0
    assert "language" in {change["now"] for change in json.loads(out)}
    assert "language" not in {change["then"] for change in json.loads(out)}


def test_whatif_lines_name_what_changes_alone():
    changes = (
        Change("kept", "kept", 1000, 900, 5000, 500),
        Change("kept", "quality", 20, 20, 100, 0),
        Change("language", "language", 7, 0, 0, None),
    )
    found = list(whatif_lines(WhatIf(changes, "counted"), None))
    assert found[1].split() == ["now", "1,020", "920", "5,100", "500", "5,600"]
    assert found[2].split() == ["what", "if", "1,000", "900", "5,000", "500", "5,500"]
    assert [line.split() for line in found[-1:]] == [["kept", "quality", "20", "100"]]
    assert not any("language" in line for line in found)


def test_whatif_lines_without_a_change_or_a_tokenizer_say_so():
    changes = (Change("kept", "kept", 5, 0, 0, None),)
    found = list(whatif_lines(WhatIf(changes, "unknown"), 30))
    assert found[-1] == "no decision changes"
    assert found[1].split() == ["now", "5", "·"]
    assert "unknown" in " ".join(found)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sample", "--stage", "dedup"], ["did you mean deduplicate", "extract, annotate"]),
        (["sample", "--reason", "qualty"], ["did you mean quality", "language (6)"]),
        (["sample", "-n", "0"], ["Found 0", "-n"]),
        (["sample", "--run", "nosuch"], ["nosuch", "0 runs"]),
        (["whatif"], ["neither a condition nor --set", "--help"]),
        (["whatif", "  "], ["neither a condition nor --set"]),
        (["whatif", "true", "--set", "curate.min_quality=0.5"], ["a condition and --set"]),
        (["whatif", "quality >"], ["no SQL expression", "scores"]),
        (["whatif", "true) or (true"], ["no SQL expression"]),
        (["whatif", "--set", "curate.min_qualty=0.5"], ["did you mean min_quality"]),
        (["whatif", "--set", "curate.min_quality=2"], ["curate.min_quality", "0 to 1"]),
        (["whatif", "--set", "curate.min_quality=high"], ["curate.min_quality", "float"]),
        (["whatif", "--set", "curate.min_quality"], ["section.key=value"]),
        (["whatif", "--set", "curate.classifier_dim=8"], ["curate.classifier_dim", "min_quality"]),
        (["whatif", "--set", "deduplicate.jaccard=0.9"], ["deduplicate.jaccard", "curate."]),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else None,
)
def test_mistake_is_one_paragraph(c2m, arguments, words):
    code, out, err = c2m(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("c2m: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_verbs_import_neither_torch_nor_prefect(full):
    code = (
        "import sys\n"
        "from flows.cli import main\n"
        f"store = ['--store', {str(full.root)!r}]\n"
        "codes = [main(['sample', '-n', '1', *store]),\n"
        "         main(['whatif', '--set', 'curate.min_quality=0.5', '--estimate', *store])]\n"
        "heavy = {'torch', 'prefect'} & set(sys.modules)\n"
        "sys.exit(f'{codes} imported {heavy}' if heavy or any(codes) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whatif_is_what_a_run_with_the_thresholds_decides(tmp_path):
    store = tmp_path / "store"
    changed = ["--set", "curate.min_quality=0.9", "--set", "curate.gopher_min_words=150"]
    assert commands.c2m(store, "run", "smoke", "--until", "decide").returncode == 0
    asked = commands.c2m(store, "whatif", *changed, "--format", "json")
    assert asked.returncode == 0, asked.stderr
    changes = json.loads(asked.stdout)
    assert commands.c2m(store, "run", "smoke", *changed, "--until", "decide").returncode == 0
    decided = commands.ask(store, "select outcome, count(*) as n from decisions group by outcome")
    then = Counter()
    for change in changes:
        then[change["then"]] += change["documents"]
    assert {row["outcome"]: row["n"] for row in decided} == then
    assert any(change["now"] != change["then"] for change in changes)
