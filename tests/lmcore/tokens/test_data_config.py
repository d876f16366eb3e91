"""Orders that cannot be are refused where they are written."""

import pytest

from lmcore.errors import ConfigError
from lmcore.tokens.data_config import DataConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sources": ("a", "a"), "weights": (1.0, 1.0)}, "each name once"),
        ({"sources": ("a",)}, "1 data.sources without weights"),
        ({"sources": ("a", "b"), "weights": (1.0,)}, r"weights \[1.0\] for 2 data.sources"),
        ({"sources": ("a", "b"), "weights": (1.0, -1.0)}, "none below 0"),
        ({"sources": ("a", "b"), "weights": (0.0, 0.0)}, "one above it"),
        ({"weights": (1.0,)}, "for 0 data.sources"),
        ({"sources": ("a",), "weights": (1.0,), "schedule": ((0.0, 1.0),)}, "one of them"),
        ({"sources": ("a",), "schedule": ((0.0,),)}, "rows of 2 numbers"),
        ({"sources": ("a",), "schedule": ((0.5, 1.0), (0.2, 1.0))}, "rising ones"),
        ({"sources": ("a",), "schedule": ((0.0, 1.0), (1.2, 1.0))}, "from 0 to 1"),
        ({"max_epochs": -1.0}, "data.max_epochs -1"),
        ({"curriculum_share": 0.0}, "data.curriculum_share 0"),
    ],
)
def test_impossible_order_is_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        DataConfig(**fields)
