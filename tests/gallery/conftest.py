"""Scans and sites that several tests read, of the shipped network."""

from __future__ import annotations

import pytest

from cnnviz.datasets import Dataset, open_dataset
from cnnviz.models import Model, load
from cnnviz_gallery.scanned import Scan, Settings
from cnnviz_gallery.scanning import scan


@pytest.fixture(scope="session")
def shapes_model() -> Model:
    return load("shapes-plain")


@pytest.fixture(scope="session")
def shapes_data() -> Dataset:
    return open_dataset("shapes", 60)


@pytest.fixture(scope="session")
def shapes_scan(shapes_model: Model, shapes_data: Dataset) -> Scan:
    layers = ["features.0", "features.3", "features.10", "classifier"]
    return scan(shapes_model, shapes_data, layers, settings=Settings(sample=24))
