"""What can be told about a network from its layers alone."""

from __future__ import annotations

from typing import Any

from torch import nn

from cnnviz.errors import UsageError
from cnnviz.images import IMAGENET, Preprocessing

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def guess_preprocessing(module: nn.Module) -> Preprocessing:
    """Guess what a network was trained on, and say in `Preprocessing.origin` that it is a guess.

    A timm network carries its own settings. Any other is taken to work on 224 x 224 px: with three
    channels normalised as for ImageNet, with another number of channels scaled to 0..1 only. The
    number of channels is that of the first convolution, or three where there is none.
    """
    config = getattr(module, "pretrained_cfg", None)
    if isinstance(config, dict) and "input_size" in config:
        try:
            return Preprocessing.from_timm(config)
        except (UsageError, KeyError, TypeError, ValueError):
            pass  # somebody else's attribute of that name
    channels = input_channels(module)
    resize, crop = IMAGENET.resize, IMAGENET.crop
    if channels == 3:
        origin = "a guess, ImageNet's"
        return Preprocessing(resize, crop, IMAGENET.mean, IMAGENET.std, origin=origin)
    origin = f"a guess for {channels} channel{'s' * (channels != 1)}"
    return Preprocessing(resize, crop, (0.0,) * channels, (1.0,) * channels, origin=origin)


def input_channels(module: nn.Module) -> int:
    """Return the input channels of the first convolution, or 3 where there is none."""
    for child in module.modules():
        channels: Any = getattr(child, "in_channels", None)
        if isinstance(child, _CONVOLUTIONS) and isinstance(channels, int) and channels > 0:
            return channels
    return 3
