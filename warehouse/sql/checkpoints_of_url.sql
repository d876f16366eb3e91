-- Which checkpoints and models saw this page in training? Set url to its URL.
WITH RECURSIVE descendants AS (
    SELECT s.artifact AS key, s.doc_id, s.shard, s.start, s.length
    FROM all_shards AS s
    WHERE s.split = 'train'
        AND s.doc_id IN (SELECT record_id FROM all_records WHERE url = $url)
    UNION
    SELECT child_key, doc_id, shard, start, length
    FROM lineage JOIN descendants ON parent_key = key
    WHERE child_kind IN ('pretrain', 'checkpoint', 'sweep', 'sft', 'dpo', 'grpo')
)
SELECT a.kind, a.name, a.key, d.doc_id, d.shard, d.start, d.length AS n_tokens, a.created
FROM descendants AS d JOIN artifacts AS a ON a.key = d.key
WHERE a.kind <> 'tokens'
ORDER BY a.kind, a.name, a.key, d.shard, d.start;
