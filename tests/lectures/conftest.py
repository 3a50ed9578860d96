"""A short lecture on a tiny network, saved once for several tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnviz.lectures import lecture
from cnnviz.lectures.beginning import Loading
from cnnviz.reports import Manifest, Report
from tests.helpers.report_model import small_model, write_photo


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photo(tmp_path_factory.mktemp("photo") / "my garden.png", 1)


@pytest.fixture(scope="session")
def told(photo: Path) -> Report:
    """Return two chapters, of which the second is about the photo as well as the network."""
    loading = Loading("small_model()", "--model small.py:make")
    return lecture(small_model(), photo, "classification,filters", loading=loading)


@pytest.fixture(scope="session")
def saved(told: Report, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return told.save(tmp_path_factory.mktemp("one") / "lecture")
