"""What can be told about a network's preprocessing from the network alone."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from cnnviz.errors import UsageError
from cnnviz.images import IMAGENET, Preprocessing
from cnnviz.models.input_trials import NOMINAL_SIDE, find_input, registered_channels
from cnnviz.results.text import plural

TO_UNIT_RANGE = Preprocessing(None, None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""What torchvision's detectors take: they resize and normalise themselves."""


def guess_preprocessing(module: nn.Module) -> Preprocessing:
    """Guess what a network was trained on, and say in `Preprocessing.origin` that it is a guess.

    A network may carry its settings: a `Preprocessing` in its attribute ``preprocessing``, or the
    ``pretrained_cfg`` of timm. Any other is run, without computing, to find the channels and the
    size that it accepts (`cnnviz.models.input_trials.find_input`); of sizes 224 x 224 px comes
    first. Three channels are normalised as for ImageNet, another number is scaled to 0..1 only.

    Raises
    ------
    ModelChangedError
        The network makes parameters when it first runs, so that to look at it would change it.
    """
    return known_preprocessing(module) or _guess(module)


def known_preprocessing(module: nn.Module) -> Preprocessing | None:
    """Return the settings that a network carries, if any."""
    own = getattr(module, "preprocessing", None)
    if isinstance(own, Preprocessing):
        return own
    config = getattr(module, "pretrained_cfg", None)
    if isinstance(config, dict) and "input_size" in config:
        try:
            return Preprocessing.from_timm(config)
        except (UsageError, KeyError, TypeError, ValueError):
            pass  # somebody else's attribute of that name
    inside = type(getattr(module, "transform", None)).__module__
    if inside.startswith("torchvision.models.detection"):
        return TO_UNIT_RANGE
    return None


def _guess(module: nn.Module) -> Preprocessing:
    found = find_input(module)
    guess = guess_for(registered_channels(module) if found is None else found.channels)
    if found is None or found.side == NOMINAL_SIDE:
        hint = "it shrinks the image as little as networks for about 32 px do"
        small = found is not None and found.of_small_images
        return replace(guess, origin=f"{guess.origin}; {hint}") if small else guess
    side = found.side
    told = f"{guess.origin}; {side} px is a size that the network accepts"
    return replace(guess, resize=side, crop=(side, side), origin=told)


def guess_for(channels: int) -> Preprocessing:
    """Return what is taken where no more is known than the number of channels."""
    if channels == 3:
        return replace(IMAGENET, origin="a guess, ImageNet's", is_guess=True)
    return replace(
        IMAGENET,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        origin=f"a guess for {plural(channels, 'channel')}",
        is_guess=True,
    )
