-- Which checkpoints and models read this page in training, and in which step first? Set url to its URL.
WITH RECURSIVE first_reads AS (
    SELECT training_key, tokens_key, doc_id, min(step) AS first_step
    FROM reads
    WHERE doc_id IN (SELECT record_id FROM all_records WHERE url = $url)
    GROUP BY training_key, tokens_key, doc_id
),
trained AS (
    SELECT d.artifact AS key, f.doc_id, f.tokens_key, f.first_step
    FROM first_reads AS f JOIN all_draws AS d USING (training_key)
    GROUP BY d.artifact, f.doc_id, f.tokens_key, f.first_step
    HAVING max(d.step) >= f.first_step
    UNION
    SELECT training_key, doc_id, tokens_key, first_step FROM first_reads
    UNION
    SELECT l.child_key, t.doc_id, t.tokens_key, t.first_step
    FROM trained AS t JOIN lineage AS l ON l.parent_key = t.key
    WHERE l.child_kind IN ('sft', 'dpo', 'grpo')
)
SELECT a.kind, a.name, a.key, t.doc_id, t.first_step, s.shard, s.start, s.length AS n_tokens,
    t.tokens_key, a.created
FROM trained AS t
JOIN artifacts AS a ON a.key = t.key
JOIN places AS s ON s.tokens_key = t.tokens_key AND s.doc_id = t.doc_id AND s.copy = 0
ORDER BY a.kind, a.name, a.key, s.shard, s.start
