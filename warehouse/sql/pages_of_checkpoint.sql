-- Which pages trained this checkpoint or model, and how often was each read? Set id to a key (or its beginning) or a name.
WITH RECURSIVE ancestors AS (
    SELECT key FROM artifacts WHERE starts_with(key, $id) OR name = $id
    UNION
    SELECT parent_key FROM lineage JOIN ancestors ON child_key = key WHERE parent_key <> ''
),
trainings AS (
    SELECT training_key, max(step) AS last_step
    FROM all_draws WHERE artifact IN (SELECT key FROM ancestors)
    GROUP BY training_key
    UNION
    SELECT training_key, max(step) FROM all_draws WHERE training_key IN (SELECT key FROM ancestors)
    GROUP BY training_key
),
seen AS (
    SELECT doc_id, tokens_key, count(*) AS n_reads, min(step) AS first_step
    FROM reads JOIN trainings USING (training_key)
    WHERE step <= last_step
    GROUP BY doc_id, tokens_key
)
SELECT DISTINCT r.url, e.doc_id, r.warc_file, r.warc_offset, s.shard, s.start,
    s.length AS n_tokens, e.n_reads, e.first_step, e.tokens_key
FROM seen AS e
JOIN places AS s ON s.tokens_key = e.tokens_key AND s.doc_id = e.doc_id AND s.copy = 0
    AND s.split = 'train'
JOIN all_records AS r ON r.record_id = e.doc_id AND r.artifact IN (SELECT key FROM ancestors)
ORDER BY e.tokens_key, s.shard, s.start, r.url;
