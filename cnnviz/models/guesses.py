"""What can be told about a network from its layers alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.images import IMAGENET, Preprocessing
from cnnviz.results.text import plural

NOMINAL_SIDE = 224
"""Height and width assumed where nothing says another, in pixels."""

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


SIDES = (224, 32, 28, 64, 96, 128, 48, 160, 192, 227, 256, 299, 384, 512)
"""Sides of square inputs that `fit_size` tries, in pixels: common ones first."""


def guess_preprocessing(module: nn.Module) -> Preprocessing:
    """Guess what a network was trained on, and say in `Preprocessing.origin` that it is a guess.

    A network may carry its settings: a `Preprocessing` in its attribute ``preprocessing``, or the
    ``pretrained_cfg`` of timm. Any other is taken to work on 224 x 224 px: with three channels
    normalised as for ImageNet, with another number of channels scaled to 0..1 only. The number of
    channels is that of the first convolution, or three where there is none.
    """
    own = getattr(module, "preprocessing", None)
    if isinstance(own, Preprocessing):
        return own
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
    origin = f"a guess for {plural(channels, 'channel')}"
    return Preprocessing(resize, crop, (0.0,) * channels, (1.0,) * channels, origin=origin)


def fit_size(module: nn.Module, guess: Preprocessing) -> Preprocessing:
    """Return a guess whose size the network accepts, found by running it on zeros.

    A network that flattens its maps into a linear layer accepts one size only. It is run in the
    mode it is in, on one image of each of `SIDES` until it does not fail; where all fail the guess
    is returned as it was. Settings that are no guess are not touched.
    """
    if not guess.origin:
        return guess
    for side in SIDES:
        try:
            with torch.no_grad():
                module(torch.zeros(1, guess.channels, side, side))
        except Exception:  # a network may fail in any way at a size it is not made for
            continue
        if side == NOMINAL_SIDE:
            return guess
        origin = f"{guess.origin}; {side} px is a size that the network accepts"
        return replace(guess, resize=side, crop=(side, side), origin=origin)
    return guess


def input_channels(module: nn.Module) -> int:
    """Return the input channels of the first convolution, or 3 where there is none."""
    for child in module.modules():
        channels: Any = getattr(child, "in_channels", None)
        if isinstance(child, _CONVOLUTIONS) and isinstance(channels, int) and channels > 0:
            return channels
    return 3
