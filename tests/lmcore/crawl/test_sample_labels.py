"""What the shipped labels teach, on pages whose words they do not know."""

from random import Random

import pytest

from lmcore.crawl.sample import write_sample_labels
from lmcore.crawl.sample_config import SampleConfig
from lmcore.crawl.sample_document import paragraph, pick
from lmcore.crawl.sample_junk import AD_PROSE, GRAMMAR
from lmcore.crawl.sample_pages import PageKey, document_of
from lmcore.curate.classifiers import load_heads, train
from lmcore.curate.config import CurateConfig

N_PAGES = 80


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    labels = tmp_path_factory.mktemp("labels")
    models = tmp_path_factory.mktemp("models")
    write_sample_labels(labels, SampleConfig())
    train([labels], models, CurateConfig())
    return load_heads(models)


def english_pages(kind):
    documents = [document_of(0, PageKey(kind, k))[0] for k in range(N_PAGES)]
    return [document.main_text for document in documents if document.language == "en"]


def share(heads, name, texts, limit):
    """Share of the texts that score above a limit."""
    return sum(p > limit for p in heads.probabilities(texts)[name]) / len(texts)


@pytest.mark.parametrize("kind", ["spam", "product", "forum"])
def test_labels_teach_that_spam_is_not_toxic(heads, kind):
    assert share(heads, "toxicity", english_pages(kind), 0.5) < 0.05


def test_labels_teach_that_abuse_is_toxic(heads):
    limit = CurateConfig().max_toxicity
    assert share(heads, "toxicity", english_pages("abuse"), limit) > 0.9


def test_labels_teach_that_advertising_is_of_low_quality_and_a_product_page_is_not(heads):
    # of all spam, prose is what no rule of Gopher's or C4's rejects
    texts = [
        paragraph(GRAMMAR, rng, {}, pick(rng, AD_PROSE, 9)) for rng in map(Random, range(N_PAGES))
    ]
    limit = CurateConfig().min_quality
    assert share(heads, "quality", texts, limit) < 0.05
    assert share(heads, "quality", english_pages("product"), limit) > 0.95
