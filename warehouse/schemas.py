"""Every table of the warehouse, every column documented.

A table is a set of Parquet files of one schema; files join a table by the name under which the
stage wrote them. ``c2m sql`` lists this page as its help and the README quotes it.
"""

from warehouse.table import Outcomes, Table, read_columns


def _table(name: str, doc: str, columns: str, outcomes: Outcomes | None = None) -> Table:
    return Table(name, doc, read_columns(columns), outcomes)


_TABLES = (
    _table(
        "records",
        "One row for each record of each crawl file, whatever became of it.",
        """
        record_id text identity of the record: hash of its WARC-Record-ID, or of file and offset
        warc_file text name of the crawl file
        warc_offset int first byte of the record in the file as it is stored
        warc_length int bytes of the record in the file as it is stored; -1 where unknown
        record_type text response, request, metadata, warcinfo, conversion, ...
        url text target of the request
        date text time of the capture, as the record states it
        http_status int status code of the response; null where there is none
        mime text media type without parameters, lower case
        payload_digest text sha1 of the payload as it was archived
        charset text character set the page was decoded with
        title text title of the page
        outcome text page, or the reason why the record gave no page
        """,
        Outcomes("record_id", "outcome", "page"),
    ),
    _table(
        "texts",
        "Main text of each extracted page.",
        """
        doc_id text the record it came from
        text text main text as extracted
        """,
    ),
    _table(
        "scores",
        "Everything that curation measures of a document; decisions read these columns.",
        """
        doc_id text the document
        language text ISO 639-1 code, or und
        language_score float confidence of the detector
        quality float calibrated probability of high quality
        toxicity float calibrated probability of toxicity
        n_chars int characters of the extracted text
        n_lines int non-blank lines of the extracted text
        n_lines_removed int lines that C4's rules removed
        n_words int words of the extracted text
        mean_word_length float mean characters in a word (Gopher)
        hash_ratio float hash signs per word (Gopher)
        ellipsis_ratio float ellipses per word (Gopher)
        bullet_lines float share of lines that start with a bullet (Gopher)
        ellipsis_lines float share of lines that end with an ellipsis (Gopher)
        alphabetic_words float share of words with a letter (Gopher)
        n_stop_words int distinct stop words; -1 where the language has no list (Gopher)
        duplicate_lines float share of lines that repeat an earlier one (Gopher)
        duplicate_paragraphs float share of paragraphs that repeat an earlier one (Gopher)
        duplicate_line_chars float share of characters in repeated lines (Gopher)
        duplicate_paragraph_chars float share of characters in repeated paragraphs (Gopher)
        top_2gram_chars float share of characters in the most frequent word 2-gram (Gopher)
        top_3gram_chars float the same for 3-grams
        top_4gram_chars float the same for 4-grams
        duplicate_5gram_chars float share of characters in repeated word 5-grams (Gopher)
        duplicate_6gram_chars float the same for 6-grams
        duplicate_7gram_chars float the same for 7-grams
        duplicate_8gram_chars float the same for 8-grams
        duplicate_9gram_chars float the same for 9-grams
        duplicate_10gram_chars float the same for 10-grams
        n_sentences int sentences of the cleaned text (C4)
        has_lorem_ipsum bool whether the text holds lorem ipsum (C4)
        has_curly_bracket bool whether the text holds a curly bracket (C4)
        terminal_punctuation_lines float share of lines that end in . ? ! or a quote (FineWeb)
        short_lines float share of short lines (FineWeb)
        line_duplicate_chars float share of characters in repeated lines (FineWeb)
        newlines_per_word float line breaks per word (FineWeb)
        n_emails int e-mail addresses masked
        n_phones int phone numbers masked
        n_ips int IP addresses masked
        """,
        Outcomes("doc_id"),
    ),
    _table(
        "clean_texts",
        "Main text after line rules and masking of personal data.",
        """
        doc_id text the document
        text text text that the later stages see
        """,
    ),
    _table(
        "decisions",
        "The decision of curation over each document's scores.",
        """
        doc_id text the document
        outcome text kept, or the first rule that rejected it
        """,
        Outcomes("doc_id", "outcome", "kept"),
    ),
    _table(
        "dedup_outcomes",
        "What deduplication did with each document.",
        """
        doc_id text the document
        outcome text kept, exact_duplicate, near_duplicate or empty_after_line_dedup
        """,
        Outcomes("doc_id", "outcome", "kept"),
    ),
    _table(
        "duplicates",
        "One row for each document that was removed as a duplicate.",
        """
        doc_id text the removed document
        kind text exact where its normalised text is its survivor's, else near
        survivor_id text the document of its cluster that stays, never itself a removed one
        cluster_id text smallest doc_id of the cluster: the survivor and all removed for it
        jaccard float true Jaccard similarity with the survivor: of the shingle sets after line deduplication for near, 1 for exact
        """,
    ),
    _table(
        "removed_lines",
        "Lines removed because too many documents share them.",
        """
        line text the line, normalised
        n_documents int documents that hold it
        n_removed int occurrences removed
        """,
    ),
    _table(
        "unique_texts",
        "Text of each surviving document after line deduplication.",
        """
        doc_id text the document
        text text the text that is tokenised
        """,
    ),
    _table(
        "classifiers",
        "The fastText classifiers trained in the pipeline.",
        """
        name text quality or toxicity
        n_train int documents trained on
        n_test int documents held out
        auc float ROC-AUC on the held-out documents
        base_rate float share of positives among all documents
        threshold float probability at which precision and recall are stated
        precision float share of positives among the held-out documents at or above the threshold
        recall float share of the held-out positives that are at or above the threshold
        """,
    ),
    _table(
        "shards",
        "Where each document lies in the token shards.",
        """
        doc_id text the document
        split text train or validation
        shard int number of the shard in its split
        start int index of its first token in the shard
        length int tokens, the closing end-of-text token included
        n_bytes int UTF-8 bytes of its text
        """,
        Outcomes("doc_id"),
    ),
    _table(
        "metrics",
        "Training curves of every trained model: one row for each logged step.",
        """
        stage text pretrain, sweep, sft, dpo or grpo
        name text name of the step that trained it
        step int optimiser steps done
        tokens int tokens seen
        split text train, validation or rollouts
        loss float mean loss in nats per token, or the objective of the stage
        bits_per_byte float loss in bits per UTF-8 byte of text
        lr float learning rate
        grad_norm float global gradient norm before clipping
        accuracy float greedy accuracy on the validation problems (SFT), or share of pairs ordered rightly (DPO)
        n_supervised int supervised tokens of the batch (SFT)
        margin float mean margin of the implicit reward in nats (DPO)
        reward float mean reward of the graded rollouts (GRPO)
        n_rollouts int rollouts sampled (GRPO)
        n_errors int rollouts on which the verifier failed (GRPO)
        n_unfinished int rollouts without a closing token (GRPO)
        n_groups_used int groups with unequal rewards, the ones that teach (GRPO)
        surprisal float mean negative log-probability of a sampled token in nats (GRPO)
        kl float estimated KL divergence from the reference model, nats per token (GRPO)
        clip_fraction float share of tokens whose ratio was clipped (GRPO)
        max_logp_gap float largest difference between the sampler's and the trainer's log-probability (GRPO)
        """,
    ),
    _table(
        "checkpoints",
        "Committed checkpoints of training runs.",
        """
        stage text pretrain
        name text name of the step that trains it
        step int optimiser steps done
        tokens int tokens seen
        loss float last training loss in nats per token
        """,
    ),
    _table(
        "draws",
        "Which windows of the training split each step of pretraining or of the sweep read; a checkpoint holds those since the one before it.",
        """
        training_key text key of the training step, pretrain or sweep, that read it
        step int optimiser step, counted from 1
        window_id int number of the window: tokens [window * context_length, that + context_length]
        context_length int targets in a window
        """,
    ),
    _table(
        "sweep_points",
        "One row for each trained point of the IsoFLOP sweep.",
        """
        name text name of the point
        budget_flops float compute budget, 6 N D
        d_model int width
        n_layers int depth
        n_params int parameters N that enter the law
        n_tokens int tokens D
        steps int optimiser steps
        loss float final validation loss in nats per token
        bits_per_byte float the same in bits per byte
        """,
    ),
    _table(
        "scaling_optima",
        "Minimum of the IsoFLOP parabola of each budget.",
        """
        budget_flops float compute budget
        n_params float compute-optimal parameters
        n_tokens float compute-optimal tokens
        loss float loss at the minimum
        is_interior bool whether the minimum lies between the measured sizes
        """,
    ),
    _table(
        "scaling_fit",
        "Coefficients of the fitted laws.",
        """
        law text n_opt, d_opt, loss_opt or parametric
        parameter text name of the coefficient
        value float fitted value
        low float lower end of the 90% bootstrap interval; null where not estimated
        high float upper end
        """,
    ),
    _table(
        "scaling_predictions",
        "Loss predicted for the pretrained model beside the measured one.",
        """
        name text the model
        n_params int parameters
        n_tokens int tokens
        predicted_loss float nats per token
        low float lower end of the 90% interval
        high float upper end
        measured_loss float nats per token on the validation split
        extrapolation float its compute 6 N D over the largest of the sweep
        """,
    ),
    _table(
        "preferences",
        "Preference pairs that DPO trained on.",
        """
        problem_id text the problem
        prompt text what was asked
        chosen text the right answer
        rejected text the answer turned down
        kind text wrong or malformed
        logp_reference_chosen float log-probability of the chosen answer under the reference, nats
        logp_reference_rejected float log-probability of the rejected answer under the reference
        """,
    ),
    _table(
        "rollouts",
        "Every completion that GRPO sampled.",
        """
        step int optimiser step it was sampled for
        prompt_id text the problem; the rollouts of one problem in one step are a group
        prompt text what was asked
        completion text what the model answered
        answer text the right answer
        grade text right, wrong or error
        reward float reward; null where the verifier failed
        advantage float group-relative advantage; 0 where the verifier failed
        logp_old float log-probability of the completion when it was sampled, nats
        n_tokens int tokens of the completion
        is_finished bool whether the completion closed its turn
        """,
    ),
    _table(
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
    _table(
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
    _table(
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
    _table(
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
    _table(
        "generations",
        "Samples from the models.",
        """
        model text base, sft, dpo or grpo
        prompt text what the model was given
        completion text what it wrote
        """,
    ),
    _table(
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
    _table(
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

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
