"""What can be told about a network's preprocessing from the network alone."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from cnnviz.errors import UsageError
from cnnviz.images import IMAGENET, ArrayPreprocessing, Preprocessing
from cnnviz.models.array_trials import (
    AcceptedArray,
    find_array,
    likely_channels,
    registered_space,
    takes_channels,
)
from cnnviz.models.input_trials import NOMINAL_SIDE, find_input, registered_channels
from cnnviz.models.own_scale import own_scale, told_own_scale
from cnnviz.results.space import IMAGE, Space
from cnnviz.results.text import plural

TO_UNIT_RANGE = Preprocessing(None, None, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""What torchvision's detectors take: they resize and normalise themselves."""


def guess_preprocessing(module: nn.Module) -> Preprocessing:
    """Guess what a network was trained on, and say in `Preprocessing.origin` that it is a guess.

    A network may carry its settings: a `Preprocessing` in its attribute ``preprocessing``, or the
    ``pretrained_cfg`` of timm. Any other is run, without computing, to find the channels and the
    size that it accepts (`cnnviz.models.input_trials.find_input`); of sizes 224 x 224 px comes
    first. One whose first convolution has one axis, or three, takes signals or volumes, as they are
    given. Three channels are normalised as for ImageNet, another number is scaled to 0..1 only;
    and where the network begins with a normalisation of its own, that is left to it.

    Raises
    ------
    ModelChangedError
        The network makes parameters when it first runs, so that to look at it would change it.
    """
    return known_preprocessing(module) or _left_to_network(module, _guess(module))


def _left_to_network(module: nn.Module, guess: Preprocessing) -> Preprocessing:
    """Return a guess without the mean and std that the network subtracts and divides by itself."""
    if isinstance(guess, ArrayPreprocessing):
        return guess
    found = own_scale(module, (guess.channels, *guess.usual_size(NOMINAL_SIDE)))
    if found is None or found.takes is None:
        return guess
    _, *hints = guess.origin.split("; ")
    origin = "; ".join([f"a guess: the network normalises by itself, {found}", *hints])
    return replace(guess, mean=found.takes.mean, std=found.takes.std, origin=origin)


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


def fitted(module: nn.Module, given: Preprocessing, name: str) -> Preprocessing:
    """Return what was said of signals or volumes, with one mean and std for each channel.

    One of each stands for all channels, whose number is then read off the network.

    Raises
    ------
    UsageError
        There are several, and the network takes another number of channels.
    """
    if not isinstance(given, ArrayPreprocessing) or takes_channels(
        module, given.space, given.channels, given.shape
    ):
        return given
    found = find_array(module)
    if found is None or found.space != given.space:
        return given
    if given.channels > 1:
        raise UsageError(
            f"The preprocessing has {given.channels} means, and {name} takes "
            f"{given.space.noun}s {given.space.shape(found.channels)}.",
            "Give one mean and one std for each channel, or one of each for all.",
        )
    return replace(given, mean=given.mean * found.channels, std=given.std * found.channels)


def _guess(module: nn.Module) -> Preprocessing:
    arrays_first = registered_space(module) != IMAGE
    array = find_array(module) if arrays_first else None
    found = None if array is not None else find_input(module)
    if found is None and array is None and not arrays_first:
        array = find_array(module)
    if array is not None or (found is None and arrays_first):
        return _of_arrays(array, registered_space(module), module)
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


def of_other_input(known: Preprocessing, shape: tuple[int, ...]) -> Preprocessing | None:
    """Return how another image input of a network is prepared; None where the network has to tell.

    Parameters
    ----------
    known : Preprocessing
        That of the input that was explained before.
    shape : tuple of int
        That of the tensor [C, ...] that was given for the other one, which it has to fit.
    """
    channels, *size = shape
    alike = channels == known.channels
    if isinstance(known, ArrayPreprocessing) or len(size) != IMAGE.axes:
        return known if alike else None
    found, (height, width) = known if alike else guess_for(channels), size
    if alike and found.size in (None, (height, width)):
        return found
    said = [found.origin] if found.origin else []
    origin = "; ".join([*said, f"{height} x {width} px is the size of the tensor given for it"])
    return replace(found, resize=max(size), crop=(height, width), origin=origin)


def _of_arrays(found: AcceptedArray | None, space: Space, module: nn.Module) -> ArrayPreprocessing:
    """Return how signals or volumes are taken: numbers as they are, frames as numbers from 0 to 1.

    Where nothing was found that the network runs on, its first convolution says the channels.
    """
    channels, size = likely_channels(module, space)[0], None
    if found is not None:
        channels, size, space = found.channels, found.size, found.space
    frames = space.axes == 3 and channels == 3
    return ArrayPreprocessing(
        crop=(size[1], size[2]) if frames and size is not None else None,
        resize=min(size[1:]) if frames and size is not None else None,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
        axes=space.axes,
        shape=size,
        origin="a guess for clips" if frames else "",
        is_guess=frames,
    )


def told_doubt(module: nn.Module, preprocessing: Preprocessing) -> str:
    """Say that a preprocessing is a guess and matters, or seems wrong; nothing where it is known.

    Raises
    ------
    ModelChangedError
        The network makes parameters when it first runs, so that to look at it would change it.
    """
    return " ".join(
        said for said in (_told_guess(preprocessing), told_own_scale(module, preprocessing)) if said
    )


def _told_guess(preprocessing: Preprocessing) -> str:
    if preprocessing.is_undivided:
        return (
            "The mean of the images of this network was said and no std: once it is "
            "subtracted, no deviation divides them. Say it with --std or preprocessing=; "
            "it is 1 where this is right."
        )
    if not preprocessing.is_guess:
        return ""
    return (
        "The preprocessing is guessed, and another gives other answers: "
        f"{preprocessing.describe()}; say it in preprocessing.toml beside the network's file, or "
        "with --resize, --crop, --mean and --std."
    )
