"""The networks that everything is proven on, built once per session with random weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, wraps
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from cnnviz.models import Model, load
from cnnviz.models.torchvision_import import import_torchvision
from cnnviz.testing import small_network

ARCHITECTURES: dict[str, int] = {
    "lenet5": 32,
    "alexnet": 64,
    "vgg16": 64,
    "vgg16_bn": 64,
    "googlenet": 64,
    "inception_v3": 96,
    "resnet18": 64,
    "resnet50": 64,
    "resnet152": 64,
    "densenet121": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_large": 64,
    "mobilenet_v3_small": 64,
    "squeezenet1_0": 64,
    "shufflenet_v2_x1_0": 64,
    "efficientnet_b0": 64,
    "convnext_tiny": 64,
    "regnet_y_400mf": 64,
    "resnext50_32x4d": 64,
}
"""Name, and the side of a small square input that it works on, in pixels."""

_OF_BLOCKS_OF_OTHERS = ("resnet152", "mobilenet_v3_large", "resnet50", "regnet_y_400mf")
OF_OTHER_BLOCKS = [name for name in ARCHITECTURES if name not in _OF_BLOCKS_OF_OTHERS]
"""Those that differ in more than in how often a block is repeated: the ResNets left out are
resnext50 without groups, RegNet is that with the gates of efficientnet_b0, and mobilenet_v3_large
is mobilenet_v3_small at greater length. They ask nothing new of a computation but time."""

OF_OTHER_KINDS = [
    name
    for name in OF_OTHER_BLOCKS
    if name
    not in ("alexnet", "vgg16_bn", "inception_v3", "resnet18", "resnext50_32x4d", "mobilenet_v2")
]
"""Those that differ in how layers follow one another, and not in the layers alone."""

_DRAWS = (
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "trunc_normal_",
    "uniform_",
    "xavier_uniform_",
)
_TILE = 65_537  # a prime, so that no row of a weight repeats another
_WIDE, _NARROW = 4096, 64
"""How wide the hidden linear layers of AlexNet and VGG are, and how wide they are in tests."""


@cache
def build(name: str, whole: bool = False) -> Model:
    """Load a network with random weights; cached, so tests must leave it as it is.

    Unless they are wanted whole, AlexNet and VGG get narrow hidden linear layers: nine in ten of
    their 61 to 138 million weights are in these, and every copy, digest and comparison of them
    takes the longer.
    """
    return drawn_anew(name, whole)


def drawn_anew(name: str, whole: bool = False) -> Model:
    """Load a network as `build` does, for a test that changes it."""
    with ExitStack() as patches:
        if not whole:
            patches.enter_context(patch.object(nn.Linear, "__init__", _narrow_linear))
        patches.enter_context(drawn_from_tiles())
        return load(name, "random", device="cpu")


@contextmanager
def drawn_from_tiles() -> Iterator[None]:
    """Draw random weights from one tile: one by one, those of AlexNet would take a second."""
    with ExitStack() as patches:
        for draw in _DRAWS:
            patches.enter_context(patch.object(nn.init, draw, _tiled))
        yield


@cache
def thin(name: str) -> Model:
    """Load a network as `build` does, with a quarter of the channels in each layer.

    For what asks how layers follow one another, which is the same with fewer weights: a sixteenth.
    """
    with thin_layers(name):
        return drawn_anew(name, whole=True)


@cache
def shallow(name: str) -> Model:
    """Load a network as `thin` does, with two of each block at most where one is repeated.

    For what asks of every kind of block, and not of depth: DenseNet repeats one 58 times.
    """
    if name not in _REPEATS:
        return thin(name)
    kind, argument, fewer = _REPEATS[name]
    with thin_layers(name), ExitStack() as patches:
        _give(kind, argument, fewer, patches)
        return drawn_anew(name, whole=True)


def small_input(name: str, count: int = 1, seed: int = 0) -> torch.Tensor:
    """Return a seeded standard normal batch ``[count, C, side, side]`` for a listed network."""
    side = ARCHITECTURES[name]
    generator = torch.Generator().manual_seed(seed)
    channels = 1 if name == "lenet5" else 3
    return torch.randn(count, channels, side, side, generator=generator)


_conv, _norm, _linear = nn.Conv2d.__init__, nn.BatchNorm2d.__init__, nn.Linear.__init__


def _narrow_linear(layer: nn.Linear, in_features: int, out_features: int, **named: Any) -> None:
    before, after = (_NARROW if n == _WIDE else n for n in (in_features, out_features))
    _linear(layer, before, after, **named)


def _tiled(tensor: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    """Fill a weight with copies of one normal tile of variance 2 / fan-in (He et al., 2015)."""
    deviation = (2 / max(tensor[0].numel(), 1)) ** 0.5 if tensor.ndim > 1 else 0.01
    flat = tensor.detach().view(-1)
    tile = torch.randn(min(_TILE, len(flat))) * deviation
    whole = flat[: len(flat) // len(tile) * len(tile)]
    whole.view(-1, len(tile)).copy_(tile)
    flat[len(whole) :].copy_(tile[: len(flat) - len(whole)])
    return tensor


@contextmanager
def thin_layers(name: str) -> Iterator[None]:
    """Give the layers that are made in the context a part of the channels that they ask for."""
    with ExitStack() as patches:
        _make_thin(name, patches)
        yield


def _make_thin(name: str, patches: ExitStack) -> None:
    """Do so as long as the patches hold."""
    if name == "convnext_tiny":  # It scales channels by weights of its own, which no layer holds.
        _give("ConvNeXt", "block_setting", _narrow, patches)
    elif name != "lenet5":
        # ShuffleNet parts its channels in halves.
        times = 2 if name == "shufflenet_v2_x1_0" else 4
        for kind, init in ((nn.Conv2d, _conv), (nn.BatchNorm2d, _norm), (nn.Linear, _linear)):
            patches.enter_context(patch.object(kind, "__init__", _with_part(init, times)))


def _with_part(init: Callable[..., None], times: int) -> Callable[..., None]:
    def part(channels: int) -> int:
        if channels in (3, 1000):  # of photos, and classes
            return channels
        return max(1, (_NARROW if channels == _WIDE else channels) // times)

    @wraps(init)
    def made(layer: nn.Module, *given: Any, **named: Any) -> None:
        asked = inspect.signature(init).bind(layer, *given, **named)
        found = asked.arguments
        groups, channels = found.get("groups", 1), found.get("in_channels")
        for each in ("in_channels", "out_channels", "num_features", "in_features", "out_features"):
            if each in found:
                found[each] = part(found[each])
        if groups == channels:
            found["groups"] = found["in_channels"]
        elif groups % times == 0:
            found["groups"] = groups // times
        init(*asked.args, **asked.kwargs)

    return made


def _twice(counts: list[int]) -> list[int]:
    return [min(count, 2) for count in counts]


def _narrow(settings: list[Any]) -> list[Any]:
    for one in settings:
        one.input_channels //= 4
        one.out_channels = one.out_channels and one.out_channels // 4
    return settings


def _layers_twice(settings: list[Any]) -> list[Any]:
    for one in settings:
        one.num_layers = min(one.num_layers, 2)
    return settings


def _depths_twice(blocks: Any) -> Any:
    blocks.depths = _twice(blocks.depths)
    return blocks


_REPEATS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "resnet50": ("ResNet", "layers", _twice),
    "resnext50_32x4d": ("ResNet", "layers", _twice),
    "densenet121": ("DenseNet", "block_config", _twice),
    "shufflenet_v2_x1_0": ("ShuffleNetV2", "stages_repeats", _twice),
    "efficientnet_b0": ("EfficientNet", "inverted_residual_setting", _layers_twice),
    "convnext_tiny": ("ConvNeXt", "block_setting", _layers_twice),
    "regnet_y_400mf": ("RegNet", "block_params", _depths_twice),
}
"""Networks that repeat a block: their class, and which of its arguments says how often."""


def _give(kind: str, argument: str, fewer: Callable[[Any], Any], patches: ExitStack) -> None:
    """Let networks of a kind be made with less than they ask for in one argument."""
    network = getattr(import_torchvision("torchvision.models"), kind)
    patches.enter_context(
        patch.object(network, "__init__", _with_fewer(network.__init__, argument, fewer))
    )


def _with_fewer(
    init: Callable[..., None], argument: str, fewer: Callable[[Any], Any]
) -> Callable[..., None]:
    signature = inspect.signature(init)

    @wraps(init)
    def shortened(*given: Any, **named: Any) -> None:
        bound = signature.bind(*given, **named)
        bound.arguments[argument] = fewer(bound.arguments[argument])
        init(*bound.args, **bound.kwargs)

    return shortened


# The network that views are tried on is small enough for every other test.
tiny_network = small_network


@cache
def lasting_network(channels: int = 3) -> nn.Sequential:
    """Return the tiny network that tests share: they must leave it as it is.

    What is found out of a network, by tracing it and the like, then serves those after it as well.
    """
    return tiny_network(channels)


def feed(module: nn.Module, images: torch.Tensor) -> nn.Module:
    """Return the network in eval mode, its batch norms holding the statistics of these images."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        module.train()(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked.fill_(100)
    return module.eval()
