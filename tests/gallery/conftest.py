"""Scans and sites that several tests read, of the shipped network and of a tiny one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cnnviz.datasets import Dataset, open_dataset
from cnnviz.datasets.shapes import CLASSES
from cnnviz.images import Preprocessing
from cnnviz.models import Model, load
from cnnviz_gallery.scan.scan import scan
from cnnviz_gallery.scan.scan_result import ScanResult, ScanSettings
from cnnviz_gallery.site.build import build


class Tiny(nn.Module):
    """Two branches that are joined, a sum with a shortcut, and a head; one channel is silent."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 5, stride=2, padding=2)
        self.relu = nn.ReLU(inplace=True)
        self.left = nn.Conv2d(6, 4, 1)
        self.right = nn.Conv2d(6, 5, 3, padding=1, groups=1)
        self.mixed = nn.Conv2d(9, 9, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Linear(36, 10)
        with torch.no_grad():
            self.right.bias[2] = -100.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x))
        joined = torch.cat([self.left(x), self.right(x)], 1).relu()
        mixed = self.mixed(joined)
        mixed += joined
        return self.head(torch.flatten(self.pool(mixed.relu()), 1))


def tiny_model(**options: object) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        module = Tiny().eval()
    settings: dict[str, object] = {
        "name": "tiny",
        "categories": CLASSES,
        "preprocessing": Preprocessing(32, (32, 32), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    }
    return Model(module, **{**settings, **options})


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
