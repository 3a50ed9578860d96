"""Scans and sites that several tests read, of the shipped network and of a tiny one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cnnviz.datasets import Dataset, open_dataset
from cnnviz.models import Model, load
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.scan.scan_result import ScanResult, ScanSettings
from cnnviz_gallery.site.build import build
from tests.helpers.gallery.compressed_sheets import compressed_once
from tests.helpers.gallery.tiny import tiny_model


@pytest.fixture(scope="session", autouse=True)
def sheets_compressed_once() -> Iterator[None]:
    """Compress each picture once: most tests build pages that another one has built before."""
    with compressed_once():
        yield


@pytest.fixture(scope="session")
def tiny() -> Model:
    return tiny_model()


@pytest.fixture(scope="session")
def tiny_data() -> Dataset:
    return open_dataset("shapes", 30)


@pytest.fixture(scope="session")
def tiny_scan(tiny: Model, tiny_data: Dataset) -> ScanResult:
    return scan(tiny, tiny_data, settings=ScanSettings(sample=12))


@pytest.fixture(scope="session")
def tiny_site(
    tiny: Model, tiny_data: Dataset, tiny_scan: ScanResult, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the folder of a site of the tiny network."""
    return build(tiny_scan, tiny, tiny_data, tmp_path_factory.mktemp("tiny") / "site").home.parent


@pytest.fixture(scope="session")
def shapes_model() -> Model:
    return load("shapes-plain")


@pytest.fixture(scope="session")
def shapes_data() -> Dataset:
    return open_dataset("shapes", 30)


@pytest.fixture(scope="session")
def shapes_scan(shapes_model: Model, shapes_data: Dataset) -> ScanResult:
    layers = ["features.0", "features.3"]
    return scan(shapes_model, shapes_data, layers, settings=ScanSettings(sample=24))


@pytest.fixture
def write_photos(tmp_path: Path):
    """Return what writes small photos of the given names, and returns their folder."""
    import numpy as np
    from PIL import Image

    def write(*names: str) -> Path:
        folder = tmp_path / "photos"
        folder.mkdir()
        for seed, name in enumerate(names):
            coarse = np.random.default_rng(seed).integers(0, 255, (5, 6, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((60, 40), Image.Resampling.BICUBIC).save(folder / name)
        return folder

    return write
