-- Which steps of this run took longest, in the run that made their artifact, and were they cached?
WITH made AS (
    SELECT key, step, max_by(run_id, started_at) AS made_by_run,
        max_by(seconds, started_at) AS seconds, max_by(cpu_seconds, started_at) AS cpu_seconds,
        max_by(max_rss_bytes, started_at) AS max_rss_bytes
    FROM run_artifacts WHERE state = 'ran'
    GROUP BY key, step
)
SELECT r.step, r.state, m.seconds, m.cpu_seconds,
    round(m.max_rss_bytes / 1e6)::BIGINT AS max_rss_mb, m.made_by_run
FROM run_artifacts AS r LEFT JOIN made AS m USING (key, step)
WHERE r.run_id = (SELECT run_id FROM runs WHERE is_selected) AND r.kind <> 'checkpoint'
ORDER BY m.seconds DESC NULLS LAST, r.step
LIMIT 30;
