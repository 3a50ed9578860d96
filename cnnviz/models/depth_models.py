"""Networks of the family of depths by name, such as ``resnet-56``, with random weights."""

from __future__ import annotations

from pathlib import Path

from cnnviz.images import Preprocessing
from cnnviz.models.model import Model
from cnnviz.models.networks import MEAN, STD, depth_network
from cnnviz.models.networks.depth import EXAMPLES, is_name, read_name
from cnnviz.models.untrained_networks import untrained_network

_IMAGENET_DEPTHS = (18, 34, 50, 101, 152)


def names() -> list[str]:
    """Return examples of the names, of which there are as many as numbers of layers."""
    return list(EXAMPLES)


def load_named(name: str, weights: str | Path) -> Model | None:
    """Return the network of this name, or None (see `cnnviz.models.sources`)."""
    if not is_name(name):
        return None
    name = name.lower()
    options = read_name(name)
    _, height, width = options.input_size
    notes = []
    if options.family == "resnet" and options.depth in _IMAGENET_DEPTHS:
        # A hyphen away from a pretrained network that is more likely meant.
        notes.append(f"torchvision's network for ImageNet is called resnet{options.depth}")
    return untrained_network(
        depth_network(name),
        name,
        weights,
        random=f"random, seed {options.seed}",
        preprocessing=Preprocessing(height, (height, width), MEAN, STD),
        notes=notes,
    )
