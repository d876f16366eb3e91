-- Which steps took longest, and did they run or were they cached?
SELECT step, state, seconds, cpu_seconds, round(max_rss_bytes / 1e6)::BIGINT AS max_rss_mb
FROM run_artifacts
WHERE run_id = (SELECT run_id FROM runs WHERE is_selected)
ORDER BY seconds DESC NULLS LAST, step
LIMIT 30;
