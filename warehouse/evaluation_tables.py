"""The tables of evaluation: tokenizers, models and stages compared with what they should be."""

from warehouse.table import table

EVALUATION_TABLES = (
    table(
        "compression",
        "How many tokens each tokenizer makes of the same text: one row for each set of texts, language and tokenizer.",
        """
        text_set text train or validation: documents of that split; pages: extracted pages, kept or not
        language text language as detected, or all for those texts together
        tokenizer text bpe; byte, character and word are baselines, as large as bpe at most
        vocab_size int ids
        n_bytes int UTF-8 bytes
        n_tokens int tokens
        bytes_per_token float n_bytes / n_tokens
        tokens_per_word float fertility: tokens for each run of letters, marks and digits or Chinese or kana character, those of blanks and punctuation included; null without words
        vocabulary_use float share of the ids that occur
        unknown_share float share of the tokens that stand for text out of vocabulary, which is lost
        is_lossless bool whether decoding gave back every text
        """,
    ),
    table(
        "longest_tokens",
        "The longest tokens that byte-level BPE learnt.",
        """
        rank int place, the longest token first
        token_id int its id
        token text its bytes as text, U+FFFD for those that are no UTF-8
        hex text its bytes
        n_bytes int number of its bytes
        n_occurrences int how often it occurs in the tokens of the training split
        """,
    ),
    table(
        "evaluations",
        "Accuracy of each model on held-out prompts.",
        """
        model text base, sft, dpo or grpo
        task text name of the task
        n int prompts
        n_correct int right answers
        accuracy float share of right answers
        low float lower end of the 95% Wilson interval
        high float upper end
        """,
    ),
    table(
        "bits_per_byte",
        "Held-out bits per byte by source and model.",
        """
        model text base, or ngram5 for the Kneser-Ney baseline
        source text host of the documents, or all
        n_documents int documents
        n_bytes int UTF-8 bytes
        nats float total negative log-likelihood
        bits_per_byte float nats / (ln 2 x bytes)
        """,
    ),
    table(
        "generations",
        "Samples from the models.",
        """
        model text base, sft, dpo or grpo
        prompt text what the model was given
        completion text what it wrote
        """,
    ),
    table(
        "truth",
        "Ground truth of the sample crawl: one row for each response record.",
        """
        url text target of the request
        warc_file text name of the crawl file
        warc_record_id text WARC-Record-ID
        page_type text article, story, qa, forum, product, spam, abuse, redirect, ...
        language text ISO 639-1 code; null where there is no text
        expected_outcome text page, or the extraction outcomes that are right, joined by |
        main_text text the text an extractor should find
        is_high_quality bool whether the page is worth training on
        is_toxic bool whether the page is abusive
        duplicate_of text URL of the page it duplicates
        duplicate_kind text exact or near
        jaccard float exact Jaccard similarity with that page
        emails texts planted e-mail addresses
        phones texts planted phone numbers
        ips texts planted IP addresses
        charset_declared text character set the page claims
        charset_true text character set it is written in
        content_encoding text gzip, deflate, br or null
        boilerplate texts lines of the page that are not main text
        """,
    ),
    table(
        "stage_quality",
        "Precision, recall and other scores of the stages against the ground truth.",
        """
        stage text the stage that is judged
        measure text what is measured
        value float the score
        target float the score it has to reach; null where there is none
        n int cases it was measured on
        """,
    ),
)
