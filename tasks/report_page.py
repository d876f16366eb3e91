"""The report: one self-contained HTML page of a run, made from the catalog alone.

Every section is a handful of rows and perhaps a figure; one whose rows are missing is left out.
Text from the web is escaped and never becomes a link. With a given ``config`` the page is an
artifact, a function of the run's rows and that configuration alone: what differs between runs over
equal rows (the recipe's name, run ids, times, paths, keys, checkpoints) is not in it. Cost: about
3 s and 300 kB for 4,000 pages.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from tasks import report_figures as figures
from warehouse.catalog import query
from warehouse.lineage import MODEL_KINDS, Node, find_pages
from warehouse.questions import named
from warehouse.views import STAGES

Row = Mapping[str, object]
Rows = Sequence[Row]
Sections = Mapping[str, Mapping[str, object]]

_N_SHOWN = 12
_SCORES = (
    ("language_score", "min_language_score", "keeps from"),
    ("quality", "min_quality", "keeps from"),
    ("toxicity", "max_toxicity", "keeps to"),
)
_ALIGNMENT = (
    ("sft", "loss", "loss (nats per token)"),
    ("dpo", "accuracy", "pairs ordered rightly"),
    ("grpo", "reward", "mean reward"),
)
_NONE = "\u2013"


def render(
    connection: duckdb.DuckDBPyConnection,
    out: Path,
    *,
    config: Sections | None = None,
    timings: bool = True,
) -> None:
    """Write the report of the connection's run; ``timings`` adds what differs between equal runs.

    Thresholds and settings are those of ``config``, and the page then says nothing of the run
    itself, times included; without one they are those that the run recorded.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": _to_count, "number": _to_number, "percent": _to_percent, "visible": _to_visible,
    }  # fmt: skip
    page = environment.get_template("report.html")
    aside = out.with_name(f".{out.name}.writing")
    run = {} if config is not None else _run(connection)
    if config is None:
        config = json.loads(str(run.get("config") or "{}"))
        if not timings:  # how fast and where: no part of the work
            config = {name: section for name, section in config.items() if name != "resources"}
    aside.write_text(page.render(_sections(connection, run, config, timings)), encoding="utf-8")
    aside.replace(out)


def _run(connection: duckdb.DuckDBPyConnection) -> Row:
    return next(iter(_ask(connection, "SELECT * FROM runs WHERE is_selected")), {})


def _sections(
    connection: duckdb.DuckDBPyConnection, run: Row, config: Sections, timings: bool
) -> dict[str, object]:
    """Everything that the page shows; ``run`` is empty where nothing of the run may be shown."""
    return {
        "run": run,
        "timings": timings,
        "config": json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False),
        "tiles": _tiles(connection),
        "funnel": _funnel(connection),
        "rejections": _ask(connection, _REJECTIONS),
        "histograms": _histograms(connection, config.get("curate", {})),
        "duplicates": _duplicates(connection),
        "removed_lines": _ask(connection, f"{_REMOVED_LINES} LIMIT {_N_SHOWN}"),
        "hosts": _ask(connection, named("tokens_by_host").sql)[:_N_SHOWN],
        "tokenizers": _ask(connection, _TOKENIZERS),
        "languages": _languages(connection),
        "longest_tokens": _ask(connection, _LONGEST_TOKENS)[:_N_SHOWN],
        "loss": _loss(connection),
        "scaling": _scaling(connection),
        "alignment": _alignment(connection),
        "bits": _bits(connection),
        "baseline": next((row["name"] for row in _ask(connection, _BASELINE)), "n-gram"),
        "samples": _samples(connection),
        "judged": _ask(connection, "SELECT * FROM stage_quality ORDER BY stage, measure"),
        "example": _example(connection),
        "steps": _ask(connection, _STEPS) if timings and run else [],
        "artifacts": _ask(connection, _ARTIFACTS),
    }


def _ask(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object] | None = None
) -> list[dict[str, object]]:
    columns, rows = query(connection, sql, parameters)
    return [dict(zip(columns, row, strict=True)) for row in rows]


_REJECTIONS = """
    SELECT stage, reason, count(*) AS n, min(url) AS example_url,
        100.0 * count(*) / max(count(*)) OVER (PARTITION BY stage) AS width
    FROM rejections GROUP BY stage, reason
    ORDER BY list_position(['extract', 'decide', 'deduplicate', 'decontaminate', 'mix'], stage), n DESC, reason
"""

_REMOVED_LINES = "SELECT * FROM removed_lines ORDER BY n_removed DESC, n_documents DESC, line"

_STEPS = """
    SELECT stage, count(*) AS n_steps, count(*) FILTER (state = 'hit') AS n_cached,
        sum(seconds) AS seconds, max(max_rss_bytes) AS max_rss_bytes
    FROM run_artifacts
    WHERE run_id = (SELECT run_id FROM runs WHERE is_selected)
    GROUP BY stage ORDER BY min(started_at), stage
"""

_ARTIFACTS = """
    SELECT a.kind, count(*) AS n_artifacts, sum(a.n_bytes)::BIGINT AS n_bytes,
        min(a.content) AS content
    FROM artifacts AS a
    WHERE a.key IN (
        SELECT key FROM run_artifacts JOIN runs USING (run_id)
        WHERE is_selected AND state IN ('hit', 'ran') AND kind <> 'checkpoint')
    GROUP BY a.kind ORDER BY a.kind
"""


def _tiles(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    """(figure, what it is, more about it), for those that are known."""
    sql = """
        SELECT (SELECT count(*) FROM records) AS records,
            (SELECT count(*) FROM documents) AS pages,
            (SELECT count(*) FROM documents WHERE kept) AS kept,
            (SELECT sum(length) FROM shards)::BIGINT AS tokens,
            (SELECT last(bits_per_byte ORDER BY step) FROM metrics
                WHERE stage = 'pretrain' AND split = 'validation') AS bits,
            (SELECT first(bits_per_byte ORDER BY step) FROM metrics
                WHERE stage = 'pretrain' AND split = 'validation') AS first_bits,
            (SELECT accuracy FROM evaluations WHERE model = 'base' ORDER BY task LIMIT 1) AS base,
            (SELECT accuracy FROM evaluations WHERE model = 'grpo' ORDER BY task LIMIT 1) AS grpo
    """
    (found,) = _ask(connection, sql)
    tiles = [
        (_to_count(found["records"]), "records read", f"{_to_count(found['pages'])} pages"),
        (_to_count(found["kept"]), "documents kept", _share(found["kept"], found["pages"])),
    ]
    if found["tokens"] is not None:
        tiles.append((_to_count(found["tokens"]), "tokens", "in all shards"))
    if found["bits"] is not None:
        since = f"from {_to_number(found['first_bits'])}"
        tiles.append((_to_number(found["bits"]), "held-out bits per byte", since))
    if found["grpo"] is not None:
        since = f"from {_to_percent(found['base'])} before alignment"
        tiles.append((_to_percent(found["grpo"]), "problems solved", since))
    return tiles


def _share(part: object, whole: object) -> str:
    assert isinstance(part, int)
    assert isinstance(whole, int)
    return f"{part / whole:.0%} of all pages" if whole else "of no pages"


def _funnel(connection: duckdb.DuckDBPyConnection) -> Rows:
    """Stages that reject something or count something, as shares of the records."""
    rows = _ask(connection, named("funnel").sql)
    whole = max((int(str(row["rows_in"])) for row in rows), default=1)
    shown = [row for row in rows if row["stage"] in STAGES]
    return [row | {"width": 100 * int(str(row["rows_kept"])) / max(whole, 1)} for row in shown]


def _histograms(
    connection: duckdb.DuckDBPyConnection, curate: Mapping[str, object]
) -> list[Markup]:
    found = []
    for score, threshold, keeps in _SCORES:
        # `score` is one of three names above, never text from outside.
        bins = _ask(connection, _HISTOGRAM.replace("{score}", score))
        limit = curate.get(threshold)
        if bins:
            at = float(limit) if isinstance(limit, int | float) else None
            found.append(figures.histogram(score, bins, at, keeps))
    return found


_HISTOGRAM = """
    SELECT least(floor({score} * 40), 39)::INTEGER / 40 AS low,
        count(*) FILTER (kept) AS kept, count(*) FILTER (NOT kept) AS rejected
    FROM documents WHERE {score} IS NOT NULL GROUP BY low ORDER BY low
"""


def _duplicates(connection: duckdb.DuckDBPyConnection) -> dict[str, Rows]:
    kinds = "SELECT kind, count(*) AS n, count(DISTINCT cluster_id) AS n_clusters, min(jaccard) AS lowest FROM duplicates GROUP BY kind ORDER BY kind"
    pairs = (
        "SELECT kind, jaccard, url, survivor_url FROM duplicates "
        "ORDER BY kind = 'exact', jaccard, url, doc_id LIMIT 10"
    )
    return {"kinds": _ask(connection, kinds), "pairs": _ask(connection, pairs)}


_TOKENIZERS = """
    SELECT v.*, t.vocabulary_use AS training_use
    FROM compression AS v
    LEFT JOIN compression AS t ON t.tokenizer = v.tokenizer AND t.language = 'all'
        AND t.text_set = 'train'
    WHERE v.text_set = 'validation' AND v.language = 'all'
    ORDER BY list_position(['bpe', 'word', 'character', 'byte'], v.tokenizer), v.tokenizer
"""

_LANGUAGES = """
    WITH pages AS (SELECT * FROM compression WHERE text_set = 'pages' AND language <> 'all')
    SELECT language, bool_or(t.language IS NOT NULL) AS is_trained, max(n_bytes) AS n_bytes,
        max(tokens_per_word) FILTER (tokenizer = 'bpe') AS bpe,
        max(tokens_per_word) FILTER (tokenizer = 'character') AS character,
        max(tokens_per_word) FILTER (tokenizer = 'byte') AS byte,
        max(unknown_share) FILTER (tokenizer = 'word') AS unknown_words
    FROM pages
    LEFT JOIN (SELECT DISTINCT language FROM compression WHERE text_set = 'train') AS t
        USING (language)
    GROUP BY language ORDER BY NOT is_trained, n_bytes DESC, language
"""


def _languages(connection: duckdb.DuckDBPyConnection) -> Rows:
    """Tokens per word by language, those of the training split first, and as shares of the most."""
    rows = _ask(connection, _LANGUAGES)[:_N_SHOWN]
    most = max((float(str(row["bpe"] or 0)) for row in rows), default=0) or 1
    return [row | {"width": 100 * float(str(row["bpe"] or 0)) / most} for row in rows]


_LONGEST_TOKENS = "SELECT * FROM longest_tokens ORDER BY rank"


def _loss(connection: duckdb.DuckDBPyConnection) -> Markup | None:
    rows = _ask(
        connection,
        "SELECT split, tokens, bits_per_byte FROM metrics WHERE stage = 'pretrain' "
        "ORDER BY split, step",
    )
    baseline = None
    for row in _ask(connection, _BASELINE):
        value = row["bits_per_byte"]
        baseline = (str(row["name"]), value) if isinstance(value, float) else None
    return figures.loss_curve(rows, baseline) if rows else None


_BASELINE = """
    SELECT replace(model, 'ngram', '') || '-gram' AS name, bits_per_byte FROM bits_per_byte
    WHERE source = 'all' AND starts_with(model, 'ngram') ORDER BY model LIMIT 1
"""


def _scaling(connection: duckdb.DuckDBPyConnection) -> dict[str, object]:
    points = _ask(connection, "SELECT * FROM sweep_points ORDER BY budget_flops, n_params, name")
    optima = _ask(connection, "SELECT * FROM scaling_optima ORDER BY budget_flops")
    predictions = _ask(connection, "SELECT * FROM scaling_predictions ORDER BY name")
    return {
        "figure": figures.isoflop(points, optima, predictions) if points else None,
        "optima": optima,
        "predictions": predictions,
        "laws": _ask(connection, "SELECT * FROM scaling_fit ORDER BY law, parameter"),
    }


def _alignment(connection: duckdb.DuckDBPyConnection) -> dict[str, object]:
    accuracies = _ask(connection, _ACCURACIES)
    curves = []
    for stage, column, label in _ALIGNMENT:
        sql = "SELECT step, split, loss, accuracy, reward FROM metrics WHERE stage = $stage ORDER BY split, step"
        rows = [row for row in _ask(connection, sql, {"stage": stage}) if row[column] is not None]
        if rows:
            curves.append(figures.alignment_curve(stage, column, label, rows))
    return {
        "accuracies": accuracies,
        "figure": figures.accuracies(accuracies) if accuracies else None,
        "curves": curves,
        "rollouts": _ask(connection, _ROLLOUTS),
    }


_ACCURACIES = """
    SELECT * FROM evaluations
    ORDER BY task, list_position(['base', 'sft', 'dpo', 'grpo'], model), model
"""

_ROLLOUTS = """
    SELECT step, prompt, completion, answer, grade FROM rollouts
    WHERE step IN (SELECT unnest([min(step), max(step)]) FROM rollouts)
    QUALIFY row_number() OVER (PARTITION BY step ORDER BY prompt_id, completion, logp_old) <= 4
    ORDER BY step, prompt_id, completion, logp_old
"""


def _bits(connection: duckdb.DuckDBPyConnection) -> Rows:
    """One row a source: the model's bits per byte beside the baseline's, all sources first."""
    sql = """
        SELECT b.source, b.n_documents, b.n_bytes, b.bits_per_byte, n.bits_per_byte AS baseline
        FROM bits_per_byte AS b
        LEFT JOIN bits_per_byte AS n ON n.source = b.source AND starts_with(n.model, 'ngram')
        WHERE b.model = 'base' ORDER BY b.source <> 'all', b.n_bytes DESC, b.source
    """
    return _ask(connection, sql)


def _samples(connection: duckdb.DuckDBPyConnection) -> Rows:
    sql = """
        SELECT model, prompt, completion FROM generations
        QUALIFY row_number() OVER (PARTITION BY model ORDER BY prompt, completion) <= 6
        ORDER BY list_position(['base', 'sft', 'dpo', 'grpo'], model), model, prompt, completion
    """
    return _ask(connection, sql)


def _example(connection: duckdb.DuckDBPyConnection) -> dict[str, object]:
    """One document all the way: the training document of highest quality."""
    sql = """
        SELECT doc_id, url, title, left(text, 280) AS text, warc_file, warc_offset, warc_length
        FROM documents WHERE split = 'train' ORDER BY quality DESC NULLS LAST, doc_id LIMIT 1
    """
    for found in _ask(connection, sql):
        used = {str(row["key"]) for row in _ask(connection, _USED)}
        (page, *_) = find_pages(connection, str(found["doc_id"]))
        places = [place for place in page.places if place.tokens.key in used]
        models = {node for place in places for node in place.models if _is_shown(node, used)}
        return {
            **found,
            "outcomes": page.outcomes,
            "places": places,
            "models": sorted(models, key=lambda node: (MODEL_KINDS.index(node.kind), node.name)),
        }
    return {}


def _is_shown(node: Node, used: set[str]) -> bool:
    """A model of the run; its checkpoints are no result, and may be gone tomorrow."""
    return node.key in used and node.kind != "checkpoint"


_USED = "SELECT key FROM run_artifacts JOIN runs USING (run_id) WHERE is_selected"


def _to_count(value: object) -> str:
    return f"{value:,d}" if isinstance(value, int) else _NONE


def _to_number(value: object) -> str:
    if not isinstance(value, int | float):
        return _NONE
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _to_percent(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, int | float) else _NONE


def _to_visible(text: str) -> str:
    """Text with a sign for each blank and for whatever does not print."""
    return "".join(
        "\u2423" if letter == " " or not letter.isprintable() else letter for letter in text
    )
