from collections.abc import Iterator

import pytest

from tests.helpers.loaded_once import loaded_once


@pytest.fixture(scope="session", autouse=True)
def networks_loaded_once() -> Iterator[None]:
    """Load the networks that pages name once, and look through them once and not for each page."""
    with loaded_once():
        yield
