-- Which mixture did the small models teach, beside the groups' proportions, and how good is the regression?
SELECT p.group_name, p.n_tokens,
    round(100.0 * p.n_tokens / sum(p.n_tokens) OVER (), 2)::DOUBLE AS percent_of_tokens,
    round(100.0 * p.weight, 2)::DOUBLE AS percent_learnt, f.kind,
    round(f.cv_error, 4) AS cv_error, round(f.predicted_loss, 4) AS predicted_loss,
    round(f.measured_loss, 4) AS measured_loss,
    round(f.proportional_loss, 4) AS proportional_loss
FROM mix_proxies AS p CROSS JOIN mix_fit AS f
WHERE p.name = 'mix_fit' AND f.is_chosen
ORDER BY p.weight DESC, p.group_name;
