-- Which items of evaluation sets does the corpus hold, in which pages, and in which words?
SELECT c.set_name, c.item_id, c.n, c.n_found, round(c.share, 3) AS share, c.is_contaminated,
    o.outcome, r.url, c.matched_text, c.doc_id
FROM contamination AS c
JOIN decontamination_outcomes AS o USING (doc_id)
LEFT JOIN records AS r ON r.record_id = c.doc_id
ORDER BY c.is_contaminated DESC, c.set_name, c.item_id, c.n DESC, c.share DESC, r.url, c.doc_id;
