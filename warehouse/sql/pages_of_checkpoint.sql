-- Which pages trained this checkpoint or model? Set id to a key (or its beginning) or a name.
WITH RECURSIVE ancestors AS (
    SELECT key FROM artifacts WHERE starts_with(key, $id) OR name = $id
    UNION
    SELECT parent_key FROM lineage JOIN ancestors ON child_key = key WHERE parent_key <> ''
)
SELECT DISTINCT r.url, s.doc_id, r.warc_file, r.warc_offset, s.split, s.shard, s.start,
    s.length AS n_tokens, s.artifact AS tokens_key
FROM all_shards AS s
JOIN ancestors AS t ON t.key = s.artifact
JOIN all_records AS r ON r.record_id = s.doc_id AND r.artifact IN (SELECT key FROM ancestors)
WHERE s.split = 'train'
ORDER BY tokens_key, s.shard, s.start, r.url;
