import pytest

from lmcore.crawl.config import ExtractConfig
from lmcore.errors import ConfigError


@pytest.mark.parametrize(
    "field",
    [
        {"tier": "beautiful"},
        {"forum_tier": "quick"},
        {"page_memory_bytes": 1 << 20},
        {"max_pdf_pages": 0},
        {"max_outlinks": -1},
        {"page_seconds": 0.0},
        {"max_page_bytes": 0},
        {"max_depth": -1},
        {"min_text_chars": 0},
        {"max_replacement_rate": 1.5},
        {"page_seconds": float("nan")},
    ],
)
def test_extract_config_value_that_cannot_work_raises_config_error(field):
    with pytest.raises(ConfigError, match=next(iter(field))):
        ExtractConfig(**field)
