"""The views over the tables: what each answers, its columns, and its SQL.

Base views (one a table, in ``warehouse.catalog``) hold the rows of one run; the views here join
them. Each is documented like a table, and a test holds the documentation against DuckDB. Sums are
cast to BIGINT and nothing adds doubles, so equal rows give equal answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from warehouse.schemas import TABLES
from warehouse.table import Column, Table, read_columns

STAGES = ("extract", "annotate", "decide", "deduplicate", "decontaminate", "tokens", "mix")
"""Stages that account for rows, in order."""


def _table(name: str, doc: str, columns: str, *more: Column) -> Table:
    return Table(name, doc, (*read_columns(columns), *more))


FACTS: dict[str, Table] = {
    table.name: table
    for table in (
        _table(
            "runs",
            "Every recorded run, whatever became of it.",
            """
            run_id text identity of the run
            recipe text name of its recipe
            status text running, completed, stopped or failed; a killed run stays at running
            started_at text UTC
            finished_at text UTC; empty while it runs
            error text what ended a failed run
            flow_run text Prefect's flow run
            config text the recipe with its settings, as JSON
            is_selected bool whether the views without all_ show this run
            """,
        ),
        _table(
            "run_artifacts",
            "Which artifact each step of each run hit or made.",
            """
            run_id text the run
            step text name of the step, such as extract/crawl-data/...
            stage text the stage it belongs to
            kind text kind of the artifact
            key text identity of the artifact; empty where the step failed before it had one
            content text hash of its files
            state text running, hit, ran or failed
            started_at text UTC
            seconds float wall-clock seconds; null where the step was cached or failed
            cpu_seconds float processor seconds; null where the step was cached or failed
            max_rss_bytes int largest resident memory; null where the step was cached or failed
            error text what ended a failed step
            is_present bool whether the artifact is in the store now
            """,
        ),
        _table(
            "telemetry",
            "Measurements that differ between equal runs: one row for each step and measure.",
            """
            run_id text the run
            step text name of the step
            stage text the stage it belongs to
            state text running, hit, ran or failed
            key text identity of the artifact
            measure text seconds, cpu_seconds, max_rss_bytes, tokens_per_second, ...
            value float what was measured
            """,
        ),
        _table(
            "artifacts",
            "Every committed artifact.",
            """
            kind text the stage that made it
            name text label: the stage, or stage/part
            key text identity: hash of kind, code version, config and contents of the inputs
            content text hash of its files
            code_version int version of the stage's code
            n_files int files
            n_bytes int bytes of all files
            n_rows int rows of its tables
            rows_in int records that went in, where the stage accounts for them
            rows_kept int records kept
            rows_rejected int records rejected
            config text configuration, as JSON
            attributes text what the stage says of it, as JSON
            created text time of the commit, UTC
            """,
        ),
        _table(
            "lineage",
            "One row for each input of each artifact.",
            """
            child_key text the artifact
            child_kind text its kind
            child_name text its label
            input_name text what the stage calls this input
            parent_key text the artifact that went in; empty for a source file
            parent_kind text its kind
            parent_name text its label; empty where it is no longer in the store
            parent_content text hash of the files that went in
            source text URL or name of a source file
            """,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class View:
    """A documented view and the SELECT behind it."""

    table: Table
    sql: str


_ACCOUNTING = View(
    _table(
        "accounting",
        "Rows in, kept and rejected by stage of every recorded run, recounted from the rows.",
        """
        run_id text the run
        stage text extract, annotate, decide, deduplicate, decontaminate, tokens or mix
        rows_in int rows that went in
        rows_kept int rows that went on
        rows_rejected int rows that did not
        """,
    ),
    """
    WITH used AS (
        SELECT DISTINCT run_id, kind, key FROM run_artifacts WHERE state IN ('hit', 'ran')
    ),
    outcomes AS (
        SELECT 'extract' AS stage, artifact, outcome = 'page' AS kept FROM all_records
        UNION ALL
        SELECT 'decide', artifact, outcome = 'kept' FROM all_decisions
        UNION ALL
        SELECT 'deduplicate', artifact, outcome = 'kept' FROM all_dedup_outcomes
        UNION ALL
        SELECT 'decontaminate', artifact, outcome = 'kept' FROM all_decontamination_outcomes
        UNION ALL
        SELECT 'mix', artifact, outcome = 'drawn' FROM all_mixed_documents
    ),
    contaminated AS (
        SELECT run_id, doc_id FROM used JOIN all_decontamination_outcomes ON artifact = key
        WHERE outcome <> 'kept'
    ),
    entered AS (
        SELECT 'annotate' AS stage, run_id, doc_id
        FROM used JOIN all_texts ON artifact = key
        UNION ALL
        SELECT 'tokens', run_id, doc_id
        FROM used JOIN all_unique_texts ON artifact = key
            ANTI JOIN contaminated USING (run_id, doc_id)
    ),
    passed AS (
        SELECT 'annotate' AS stage, run_id, doc_id
        FROM used JOIN all_scores ON artifact = key
        UNION ALL
        SELECT 'tokens', run_id, doc_id
        FROM used JOIN all_shards ON artifact = key
    )
    SELECT run_id, stage, count(*) AS rows_in,
        count(*) FILTER (o.kept) AS rows_kept, count(*) FILTER (NOT o.kept) AS rows_rejected
    FROM used JOIN outcomes AS o ON o.artifact = used.key
    GROUP BY run_id, stage
    UNION ALL
    SELECT run_id, stage, count(*), count(p.doc_id), count(*) FILTER (p.doc_id IS NULL)
    FROM entered LEFT JOIN passed AS p USING (stage, run_id, doc_id)
    WHERE (run_id, stage) IN (SELECT (run_id, kind) FROM used)
    GROUP BY run_id, stage
    """,
)

_REJECTIONS = View(
    _table(
        "rejections",
        "One row for each record or document that a stage rejected.",
        """
        stage text extract, decide, deduplicate, decontaminate or mix
        reason text why
        url text its URL
        doc_id text the record or document
        warc_file text crawl file
        warc_offset int first byte of the record in that file
        """,
    ),
    """
    WITH outcomes AS (
        SELECT 'extract' AS stage, outcome AS reason, record_id AS doc_id
        FROM records WHERE outcome <> 'page'
        UNION ALL
        SELECT 'decide', outcome, doc_id FROM decisions WHERE outcome <> 'kept'
        UNION ALL
        SELECT 'deduplicate', outcome, doc_id FROM dedup_outcomes WHERE outcome <> 'kept'
        UNION ALL
        SELECT 'decontaminate', outcome, doc_id
        FROM decontamination_outcomes WHERE outcome <> 'kept'
        UNION ALL
        SELECT 'mix', outcome, doc_id FROM mixed_documents WHERE outcome <> 'drawn'
    )
    SELECT o.stage, o.reason, r.url, o.doc_id, r.warc_file, r.warc_offset
    FROM outcomes AS o LEFT JOIN records AS r ON r.record_id = o.doc_id
    """,
)

_DOCUMENTS = View(
    _table(
        "documents",
        "One row for each extracted page, whatever became of it; rejected pages keep their text.",
        """
        doc_id text identity: the record it came from
        url text target of the request
        host text host of the URL, lower case
        warc_file text crawl file
        warc_offset int first byte of its record in the file as it is stored
        warc_length int bytes of its record in the file as it is stored
        date text time of the capture
        http_status int status code of the response
        mime text media type
        charset text character set it was decoded with
        title text title of the page
        text text its latest text: as tokenised, else as cleaned, else as extracted
        kept bool whether no stage has rejected it
        stage text the stage that rejected it; null where it is kept
        reason text why it was rejected; null where it is kept
        split text train or validation; null where it is in no shard
        n_tokens int its tokens, end-of-text included; null where it is in no shard
        """,
        *TABLES["scores"].columns[1:],
    ),
    r"""
    SELECT r.record_id AS doc_id, r.url,
        lower(regexp_extract(r.url, '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#]*@)?([^/:?#]+)', 1))
            AS host,
        r.warc_file, r.warc_offset, r.warc_length, r.date, r.http_status, r.mime, r.charset,
        r.title, coalesce(u.text, nullif(c.text, ''), t.text) AS text,
        j.stage IS NULL AS kept, j.stage, j.reason,
        h.split, h.length AS n_tokens, s.* EXCLUDE (doc_id)
    FROM records AS r
    LEFT JOIN texts AS t ON t.doc_id = r.record_id
    LEFT JOIN clean_texts AS c ON c.doc_id = r.record_id
    LEFT JOIN unique_texts AS u ON u.doc_id = r.record_id
    LEFT JOIN rejections AS j ON j.doc_id = r.record_id
    LEFT JOIN shards AS h ON h.doc_id = r.record_id
    LEFT JOIN scores AS s ON s.doc_id = r.record_id
    WHERE r.outcome = 'page'
    """,
)

_DUPLICATES = View(
    Table(
        "duplicates",
        TABLES["duplicates"].doc,
        (
            *TABLES["duplicates"].columns,
            Column("url", "text", "URL of the removed document"),
            Column("survivor_url", "text", "URL of the document that stays"),
        ),
    ),
    """
    SELECT d.*, r.url, s.url AS survivor_url
    FROM ({rows}) AS d
    LEFT JOIN records AS r ON r.record_id = d.doc_id
    LEFT JOIN records AS s ON s.record_id = d.survivor_id
    """,
)

_PLACES = View(
    _table(
        "places",
        "Where the token shards of any run hold a document: one row for each copy, split and artifact.",
        """
        tokens_key text key of the token shards, as they were written or mixed
        doc_id text the document
        split text train or validation
        copy int number of the copy, from 0: a mixture may hold several
        shard int number of the shard in its split
        start int index of its first token in the shard
        length int tokens, the closing end-of-text token included
        """,
    ),
    """
    SELECT artifact AS tokens_key, doc_id, split, 0::BIGINT AS copy, shard, start, length
    FROM all_shards
    UNION ALL
    SELECT artifact, doc_id, 'train', copy, shard, start, length FROM all_mixed_shards
    """,
)

_READS = View(
    _table(
        "reads",
        "One row for each window that a training step read, and each document that it holds part of.",
        """
        doc_id text the document
        tokens_key text key of the token shards, as they were written or mixed, that it was read from
        training_key text key of the training step, pretrain or sweep, that read it
        step int optimiser step that read it
        source text part of the training split that the window was drawn from; all where there is one
        window_id int number of the window within its source
        """,
    ),
    """
    WITH sizes AS (
        SELECT tokens_key, shard, sum(length)::BIGINT AS n_tokens
        FROM places WHERE split = 'train' GROUP BY tokens_key, shard
    ),
    bases AS (
        SELECT tokens_key, shard,
            (sum(n_tokens) OVER (PARTITION BY tokens_key ORDER BY shard) - n_tokens)::BIGINT AS base
        FROM sizes
    ),
    stretches AS (
        SELECT tokens_key, s.doc_id, b.base + s.start AS first_token,
            b.base + s.start + s.length - 1 AS last_token
        FROM places AS s JOIN bases AS b USING (tokens_key, shard)
        WHERE s.split = 'train'
    ),
    drawn AS (
        SELECT DISTINCT l.parent_key AS tokens_key, d.training_key, d.step, d.source, d.window_id,
            d.first_token, d.first_token + d.n_tokens - 1 AS last_token
        FROM all_draws AS d
        JOIN lineage AS l ON l.child_key = d.artifact AND l.parent_kind IN ('tokens', 'mix')
    ),
    -- what overlaps shares the block of 256 tokens in which the overlap begins
    held AS (
        SELECT *, unnest(range(first_token // 256, last_token // 256 + 1)) AS block FROM stretches
    ),
    read AS (
        SELECT *, unnest(range(first_token // 256, last_token // 256 + 1)) AS block FROM drawn
    )
    SELECT DISTINCT h.doc_id, h.tokens_key, r.training_key, r.step, r.source, r.window_id
    FROM held AS h JOIN read AS r USING (tokens_key, block)
    WHERE h.first_token <= r.last_token AND r.first_token <= h.last_token
    """,
)

LIVE_METRICS = Table(
    "live_metrics",
    "Training curves of runs that have not ended, from the parts published so far.",
    (Column("run_id", "text", "the run"), *TABLES["metrics"].columns),
)

STEP_TELEMETRY = _table(
    "step_telemetry",
    "Speed, share of the peak and memory of every training step, of runs at work and of runs that have ended.",
    """
    run_id text the run
    stage text pretrain
    name text name of the step that trains
    step int optimiser step; one that a roll-back undid, or a second try made again, has several rows
    position int place of the batch's first row in the order of the data
    seconds float from the start of the training process to the end of the step
    step_seconds float of the step alone, without evaluation or checkpoint
    tokens_per_second float targets of the step, over all processes, a second of it
    mfu_causal float tokens_per_second * FLOPs a token / peak, attention counted by its causal half
    mfu_full float the same with all of attention counted
    rss_bytes int resident memory of the first process
    device_bytes int most memory that its accelerator has held so far; null without one
    """,
)

VIEWS: Mapping[str, View] = {
    view.table.name: view
    for view in (_ACCOUNTING, _REJECTIONS, _DUPLICATES, _DOCUMENTS, _PLACES, _READS)
}
"""Views by name; in one named like a table, ``{rows}`` stands for that table's rows."""
