-- Which hosts give most tokens to the model?
SELECT host, count(*) AS n_documents, sum(n_tokens)::BIGINT AS tokens,
    round(100.0 * sum(n_tokens) / sum(sum(n_tokens)) OVER (), 2)::DOUBLE AS percent_tokens
FROM documents
WHERE split = 'train'
GROUP BY host
ORDER BY tokens DESC, host
LIMIT 100;
