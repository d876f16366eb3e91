-- Which pages were removed as duplicates, of which page, and how similar are they?
SELECT kind, jaccard, url, survivor_url, doc_id, survivor_id
FROM duplicates
ORDER BY kind, jaccard DESC, url, doc_id;
