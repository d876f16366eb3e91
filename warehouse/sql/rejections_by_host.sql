-- Which hosts lose most pages after extraction, and for which reason most often?
SELECT host, count(*) AS n_pages, count(*) FILTER (NOT kept) AS n_rejected,
    round(100.0 * count(*) FILTER (NOT kept) / count(*), 1)::DOUBLE AS percent_rejected,
    min(top.reason) AS main_reason
FROM documents
LEFT JOIN (
    SELECT host, reason FROM documents WHERE NOT kept
    GROUP BY host, reason
    QUALIFY row_number() OVER (PARTITION BY host ORDER BY count(*) DESC, reason) = 1
) AS top USING (host)
GROUP BY host
ORDER BY n_rejected DESC, n_pages DESC, host
LIMIT 100;
