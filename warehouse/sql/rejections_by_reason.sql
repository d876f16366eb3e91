-- Why was each record or document rejected, by stage?
SELECT stage, reason, count(*) AS n, min(url) AS example_url
FROM rejections
GROUP BY stage, reason
ORDER BY list_position(['extract', 'decide', 'deduplicate', 'decontaminate', 'mix'], stage), n DESC, reason;
