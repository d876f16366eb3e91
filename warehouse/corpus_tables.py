"""The tables of the corpus: from records of the crawl to token shards."""

from warehouse.table import Outcomes, table

CORPUS_TABLES = (
    table(
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
        charset_source text who named it: bom, http, meta, detector or fallback
        page_type text article, forum, listing, product, text or pdf; empty where no tier asked
        tier text how its text was read: fast, precise or union; empty where it is no HTML
        title text title of the page
        author text author, as the page states it
        published text date of publication, as the page states it
        licence text licence or its URL, as the page states it
        canonical_url text canonical URL, as the page states it
        n_links int links to other documents
        outlinks texts the first distinct URLs it links to
        opt_out texts uses it forbids: noindex, none, noai, noimageai, tdm-reservation
        outcome text page, or the reason why the record gave no page
        """,
        Outcomes("record_id", "outcome", "page"),
    ),
    table(
        "texts",
        "Main text of each extracted page.",
        """
        doc_id text the record it came from
        text text main text as extracted
        """,
    ),
    table(
        "scores",
        "Everything that curation measures of a document; decisions read these columns.",
        """
        doc_id text the document
        language text ISO 639-1 code, or und
        language_score float confidence of the detector
        quality float calibrated probability of high quality
        toxicity float calibrated probability of toxicity
        worst_sentence_toxicity float the highest probability of toxicity of its sentences
        toxic_sentences float share of sentences whose probability of toxicity is 0.5 or more
        style float calibrated probability of high quality, by how the page is written
        educational float calibrated probability of educational value; null where no labels taught it
        hate float calibrated probability of hate; null where no labels taught it
        nsfw float calibrated probability of sexual content; null where no labels taught it
        reference float calibrated probability of being like the reference texts; null where none were given
        perplexity float perplexity of the cleaned text under the n-gram model of its language; null where that has none
        n_chars int characters of the extracted text
        n_lines int non-blank lines of the extracted text
        n_lines_removed int lines that the line rules removed (C4; RefinedWeb where the recipe says so)
        n_words int words of the extracted text
        mean_word_length float mean characters in a word (Gopher)
        hash_ratio float hash signs per word (Gopher)
        ellipsis_ratio float ellipses per word (Gopher)
        bullet_lines float share of lines that start with a bullet (Gopher)
        ellipsis_lines float share of lines that end with an ellipsis (Gopher)
        alphabetic_words float share of words with a letter (Gopher)
        n_stop_words int distinct stop words; -1 where the language has no list (Gopher)
        n_stop_word_occurrences int stop words, each occurrence counted; -1 where the language has no list (Gopher as DCLM has it)
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
        n_uppercase_lines int lines that are mainly upper-case (RefinedWeb)
        n_numeric_lines int lines of digits alone (RefinedWeb)
        n_counter_lines int lines such as 3 likes (RefinedWeb)
        n_one_word_lines int lines of one word (RefinedWeb)
        n_button_lines int short lines with the text of a button, such as read more (RefinedWeb)
        flagged_words float share of words in lines that one of these five rules flags (RefinedWeb)
        bad_word_ratio float words of the language's list of bad words for each word (C4)
        url_block text how a block list names the address: domain, subdomain, address, or empty
        n_url_substrings int banned substrings in the address (RefinedWeb, strict)
        n_url_words int banned words in the address (RefinedWeb, hard)
        n_url_soft_words int different words in the address that say little alone (RefinedWeb, soft)
        n_emails int e-mail addresses masked
        n_phones int phone numbers masked
        n_ips int IP addresses masked
        n_cards int numbers of payment cards masked
        n_ibans int bank account numbers (IBAN) masked
        n_keys int private keys and keys to services masked
        """,
        Outcomes("doc_id"),
    ),
    table(
        "clean_texts",
        "Main text after line rules and masking of personal data.",
        """
        doc_id text the document
        text text text that the later stages see
        """,
    ),
    table(
        "decisions",
        "The decision of curation over each document's scores.",
        """
        doc_id text the document
        outcome text kept, or the first rule that rejected it
        perplexity_bucket text head, middle or tail of its language's documents by perplexity; null where it has none
        """,
        Outcomes("doc_id", "outcome", "kept"),
    ),
    table(
        "perplexity_buckets",
        "How many documents of each language lie in head, middle and tail by perplexity.",
        """
        language text ISO 639-1 code, or und
        n_documents int documents of the language
        n_unscored int documents without a perplexity, as their language has no model
        head_limit float highest perplexity of the head; null where none has one
        middle_limit float highest perplexity of the middle; null where none has one
        n_head int documents in the head
        n_middle int documents in the middle
        n_tail int documents in the tail
        """,
    ),
    table(
        "perplexity_models",
        "The n-gram models that perplexity is taken under, trained in the pipeline: one a language.",
        """
        language text ISO 639-1 code
        n_texts int reference texts that it was made of
        n_words int their words
        n_ngrams int n-grams of all orders
        n_held_out int reference texts that were held out
        held_out_p10 float perplexity that a tenth of the held-out texts stays below; null where there are none
        held_out_p33 float the same for a third
        held_out_p50 float the same for half
        held_out_p67 float the same for two thirds
        held_out_p90 float the same for nine tenths
        """,
    ),
    table(
        "dedup_outcomes",
        "What deduplication did with each document.",
        """
        doc_id text the document
        outcome text kept, or payload_, url_, exact_ or near_duplicate, or empty_after_X_dedup for the cut X that left no word of it: line, host_line, paragraph, substring or ngram
        """,
        Outcomes("doc_id", "outcome", "kept"),
    ),
    table(
        "duplicates",
        "One row for each document that was removed as a duplicate.",
        """
        doc_id text the removed document
        kind text payload or url where it shares that with its survivor or a copy of it, exact where its normalised text is its survivor's, else near
        survivor_id text the document of its cluster that stays, never itself a removed one; it may be of an earlier crawl
        cluster_id text smallest doc_id of the cluster: the survivor and all removed for it
        jaccard float true Jaccard similarity with the survivor: of the shingle sets after all cuts for near, 1 for exact; null for payload and url
        """,
    ),
    table(
        "removed_lines",
        "Lines that too many documents share, and other text that stands in better documents.",
        """
        line text the line, normalised; of other kinds, the first 200 characters of what was removed
        kind text line, host_line, paragraph, substring or ngram
        host text the host for which a line is too frequent; empty for other kinds
        n_documents int documents that hold the line, or from which the text was removed
        n_removed int occurrences removed
        """,
    ),
    table(
        "unique_texts",
        "Text of each surviving document after deduplication.",
        """
        doc_id text the document
        text text the text that is tokenised
        """,
    ),
    table(
        "decontamination_outcomes",
        "What decontamination did with each unique document.",
        """
        doc_id text the document
        outcome text kept or contaminated
        """,
        Outcomes("doc_id", "outcome", "kept"),
    ),
    table(
        "contamination",
        "What unique documents hold of evaluation items: one row for each document, item and length of n-gram.",
        """
        doc_id text the document
        set_name text the evaluation set: its file, or problems for the journey's own
        item_id text the item within its set
        n int words of an n-gram
        n_found int distinct n-grams of the item that the document holds
        share float n_found over all distinct n-grams of the item
        is_contaminated bool whether the share is the rule's, or more
        n_spans int runs of the document's words that these n-grams cover
        first_char int first character of the longest of them in the document's text
        end_char int the character behind its last
        matched_text text the longest of them
        """,
    ),
    table(
        "uncheckable",
        "Evaluation items with fewer words than an n-gram: one row for each item and length.",
        """
        set_name text the evaluation set
        item_id text the item
        n int words of an n-gram
        n_words int words of the item
        """,
    ),
    table(
        "decontamination_sets",
        "The evaluation sets that the corpus was searched for.",
        """
        set_name text the set
        n_items int items
        n_checkable int items with at least one n-gram of the shortest length
        n_contaminated int items that a document holds, by the rule
        n_documents int documents that hold one, by the rule
        """,
    ),
    table(
        "classifiers",
        "The heads trained in the pipeline: one for each label set, and style.",
        """
        name text quality, toxicity, style, educational, hate, nsfw or reference
        n_train int documents trained on
        n_test int documents held out
        auc float ROC-AUC on the held-out documents
        base_rate float share of positives among all documents
        threshold float probability at which precision and recall are stated
        precision float share of positives among the held-out documents at or above the threshold
        recall float share of the held-out positives that are at or above the threshold
        """,
    ),
    table(
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
)
