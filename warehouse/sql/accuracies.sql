-- How often is each model right on held-out prompts, with its 95% interval?
SELECT model, task, n, n_correct, round(accuracy, 4) AS accuracy, round(low, 4) AS low,
    round(high, 4) AS high
FROM evaluations
ORDER BY task, list_position(['base', 'sft', 'dpo', 'grpo'], model)
