-- How did loss and bits per byte fall while each model was trained?
SELECT stage, name, split, step, tokens, loss, bits_per_byte, lr
FROM metrics
ORDER BY list_position(['pretrain', 'sweep', 'sft', 'dpo', 'grpo'], stage), name, split, step;
