"""Networks of the family of depths by name, such as ``resnet-56``, with random weights."""

from __future__ import annotations

from pathlib import Path

from cnnviz.errors import UsageError
from cnnviz.images import Preprocessing
from cnnviz.models.checkpoints import load_state, read_state
from cnnviz.models.model import Model
from cnnviz.models.networks import MEAN, STD, depth_network
from cnnviz.models.networks.depth import EXAMPLES, is_name, read_name

_IMAGENET_DEPTHS = (18, 34, 50, 101, 152)


def names() -> list[str]:
    """Return examples of the names, of which there are as many as numbers of layers."""
    return list(EXAMPLES)


def load_named(name: str, weights: str | Path) -> Model | None:
    """Return the network of this name, or None (see `cnnviz.models.sources`)."""
    return load_depth_network(name.lower(), weights) if is_name(name) else None


def load_depth_network(name: str, weights: str | Path) -> Model:
    """Build a network of the family of depths, such as ``resnet-56``, which has random weights.

    Takes what `cnnviz.models.shipped.load_shipped` takes, and a name as in
    `cnnviz.models.networks.depth_network`.
    """
    options = read_name(name)
    module = depth_network(name)
    origin, notes = f"random, seed {options.seed}", list[str]()
    if isinstance(weights, Path):
        load_state(module, read_state(weights), name, weights.name)
        origin = f"checkpoint {weights.name}"
    elif weights == "DEFAULT":
        notes.append(f"{name} comes with random weights only")
        if options.family == "resnet" and options.depth in _IMAGENET_DEPTHS:
            # A hyphen away from a pretrained network that is more likely meant.
            notes.append(f"torchvision's network for ImageNet is called resnet{options.depth}")
    elif weights != "random":
        raise UsageError(
            f"{name} has no weights called {weights!r}.",
            "There are 'random' ones; or give the path of a checkpoint.",
        )
    _, height, width = options.input_size
    preprocessing = Preprocessing(height, (height, width), MEAN, STD)
    return Model(
        module,
        name=name,
        preprocessing=preprocessing,
        weights=origin,
        notes=notes,
        untrained=not isinstance(weights, Path),
    )
