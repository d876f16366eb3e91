-- How much text does a token of each tokenizer hold, by set of texts and language, and what is lost?
SELECT text_set, language, tokenizer, vocab_size, n_bytes, n_tokens,
    round(bytes_per_token, 3) AS bytes_per_token, round(tokens_per_word, 3) AS tokens_per_word,
    round(vocabulary_use, 4) AS vocabulary_use, round(unknown_share, 4) AS unknown_share,
    is_lossless
FROM compression
ORDER BY list_position(['validation', 'train', 'pages'], text_set), language <> 'all',
    language, list_position(['bpe', 'word', 'character', 'byte'], tokenizer)
