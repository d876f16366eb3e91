-- What did the model answer during reinforcement, and how was it graded?
SELECT step, prompt_id, prompt, completion, answer, grade, reward, advantage, n_tokens
FROM rollouts
ORDER BY step, prompt_id, reward DESC, completion, logp_old;
