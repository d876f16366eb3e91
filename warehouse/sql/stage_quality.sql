-- How well did each stage do against the ground truth of the sample crawl?
SELECT stage, measure, round(value, 4) AS value, target,
    CASE WHEN target IS NULL THEN NULL ELSE value >= target END AS is_reached, n
FROM stage_quality
ORDER BY stage, measure
