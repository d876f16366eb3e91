-- What became of the records of this URL? Set url to it.
SELECT r.record_id AS doc_id, r.warc_file, r.warc_offset, r.record_type,
    CASE WHEN r.outcome <> 'page' THEN 'extract' ELSE d.stage END AS rejected_by,
    CASE WHEN r.outcome <> 'page' THEN r.outcome ELSE d.reason END AS reason,
    d.kept, d.split, d.n_tokens, d.language, d.language_score, d.quality, d.toxicity,
    u.kind AS duplicate_kind, u.survivor_url, u.jaccard
FROM records AS r
LEFT JOIN documents AS d ON d.doc_id = r.record_id
LEFT JOIN duplicates AS u ON u.doc_id = r.record_id
WHERE r.url = $url
ORDER BY r.warc_file, r.warc_offset, doc_id;
