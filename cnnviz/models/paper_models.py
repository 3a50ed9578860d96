"""Networks of the course that torchvision has not, built from their papers, with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from cnnviz.images import Preprocessing
from cnnviz.images.preprocessing import IMAGENET
from cnnviz.models.model import Model
from cnnviz.models.networks.inception_v2 import InceptionV2
from cnnviz.models.networks.lenet_1998 import LeNet5of1998
from cnnviz.models.networks.mobilenet_v1 import MobileNetV1
from cnnviz.models.networks.zfnet import ZFNet
from cnnviz.models.randomness import RANDOM, seeded
from cnnviz.models.untrained_networks import untrained_network

_DIGITS = Preprocessing(32, (32, 32), (0.0,), (1.0,))
PAPERS: Mapping[str, tuple[Callable[[], nn.Module], Preprocessing]] = {
    "lenet5-1998": (LeNet5of1998, _DIGITS),
    "zfnet": (ZFNet, IMAGENET),
    "inception_v2": (InceptionV2, IMAGENET),
    "mobilenet_v1": (MobileNetV1, IMAGENET),
}
"""Each network by name, with what its input is made by."""


def names() -> list[str]:
    """Return the names."""
    return list(PAPERS)


def load_named(name: str, weights: str | Path) -> Model | None:
    """Return the network of this name, or None (see `cnnviz.models.sources`)."""
    if name.lower() not in PAPERS:
        return None
    name = name.lower()
    build, preprocessing = PAPERS[name]
    with seeded():
        module = build()
    return untrained_network(module, name, weights, random=RANDOM, preprocessing=preprocessing)
