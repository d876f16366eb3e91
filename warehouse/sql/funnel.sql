-- What did each stage keep of what went in?
SELECT stage, rows_in, rows_kept, rows_rejected,
    round(100.0 * rows_kept / rows_in, 1)::DOUBLE AS percent_kept
FROM accounting
WHERE run_id = (SELECT run_id FROM runs WHERE is_selected)
ORDER BY list_position(['extract', 'annotate', 'decide', 'deduplicate', 'decontaminate', 'tokens', 'mix'], stage), stage;
