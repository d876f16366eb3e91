-- Which sizes did the IsoFLOP sweep train at each budget, and what loss did they reach?
SELECT budget_flops, n_params, n_tokens, d_model, n_layers, steps, loss, bits_per_byte, name
FROM sweep_points
ORDER BY budget_flops, n_params, name;
