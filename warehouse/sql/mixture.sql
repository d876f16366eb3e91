-- How much of each group does the training split hold, and how much of it does the mixture read?
SELECT group_name, n_documents, n_tokens, round(100.0 * weight, 2)::DOUBLE AS percent_wanted,
    n_tokens_asked, n_tokens_drawn,
    round(100.0 * n_tokens_drawn / nullif(sum(n_tokens_drawn) OVER (), 0), 2)::DOUBLE
        AS percent_drawn,
    round(epochs, 3) AS epochs, is_capped
FROM mixture
ORDER BY n_tokens_drawn DESC, group_name;
