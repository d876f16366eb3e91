-- Which English pages lie nearest to the quality threshold, on either side?
SELECT url, quality, kept, reason, left(text, 200) AS text
FROM documents
WHERE language = 'en' AND quality IS NOT NULL
ORDER BY abs(quality - (
    SELECT (config ->> '$.curate.min_quality')::DOUBLE FROM runs WHERE is_selected
)), doc_id
LIMIT 20;
