"""One full store and its catalog for all tests that only read."""

import pytest
from factory_models import full_store

from warehouse import catalog


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    return full_store(tmp_path_factory.mktemp("full"))


@pytest.fixture(scope="session")
def connection(full):
    with catalog.connect(full) as opened:
        yield opened
