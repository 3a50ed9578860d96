"""Networks that take several images: which of them is explained, and how another one is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.introspection.signatures import arguments_of
from cnnviz.models.called_network import IMAGE, CalledNetwork, Inputs, by_inputs
from cnnviz.results.text import joined


def image_inputs(module: nn.Module) -> dict[str, Any]:
    """Return the inputs of a network that may be images, by name: what is held, or `IMAGE`.

    None where the image is its only one, or it is not known what it is called with.
    """
    inputs = module.inputs if isinstance(module, CalledNetwork) else None
    if inputs is None or not isinstance(module, CalledNetwork):
        return {}
    pairs = inputs.items() if isinstance(inputs, Mapping) else _named(module, inputs)
    found = {name: value for name, value in pairs if value is IMAGE or _is_image(value)}
    return found if len(found) > 1 else {}


def _named(module: CalledNetwork, inputs: Sequence[Any]) -> list[tuple[str, Any]]:
    names = arguments_of(module.called)
    return [
        (names[place] if place < len(names) else str(place), value)
        for place, value in enumerate(inputs)
    ]


def _is_image(value: Any) -> bool:
    is_tensor = isinstance(value, torch.Tensor) and value.is_floating_point()
    return bool(is_tensor and value.ndim >= 3 and min(value.shape[-2:]) > 1)


def exchanged(
    module: nn.Module, name: str, which: str | int, held: Callable[[], torch.Tensor]
) -> tuple[CalledNetwork, tuple[int, ...]]:
    """Return a network with another of its images as the one that is explained.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    name : str
        What it is called.
    which : str or int
        The other image, by name or by its place among the images.
    held : callable
        Returns what stays where the image was.

    Returns
    -------
    network : CalledNetwork
        The same network, called so.
    shape : tuple of int
        That of the tensor [C, ...] that was given for the other image.

    Raises
    ------
    UsageError
        If there is no such image.
    """
    found = image_inputs(module)
    names = list(found)
    wanted = names[which] if isinstance(which, int) and -1 < which < len(names) else str(which)
    if wanted not in found or not isinstance(module, CalledNetwork):
        said = joined(list(map(repr, names))) if names else "none that could be exchanged"
        raise UsageError(
            f"{name} has no image input {which!r}; there is {said}.",
            "Name its images in inputs=, with cnnviz.IMAGE for one of them and tensors for the "
            "others.",
            option="Let forward_args in the file of the network return them, with cnnviz.IMAGE for "
            "one of them.",
        )
    stays, other = held(), found[wanted]
    axes = stays.ndim - 2
    shape = tuple((stays if other is IMAGE else other).shape[-axes - 1 :])

    def moved(name: str, value: Any) -> Any:
        return IMAGE if name == wanted else stays if value is IMAGE else value

    inputs = module.inputs
    assert inputs is not None
    if isinstance(inputs, Mapping):
        new: Inputs = {name: moved(name, value) for name, value in inputs.items()}
    else:
        new = tuple(moved(*one) for one in _named(module, inputs))
    return CalledNetwork(module.called, by_inputs(module.called, new)), shape


def told_input(module: nn.Module) -> str:
    """Say which of several images is the one that is explained; nothing where there is one."""
    found = image_inputs(module)
    if not found:
        return ""
    which = next(name for name, value in found.items() if value is IMAGE)
    others = joined([repr(name) for name in found if name != which])
    stays = "stays as it is" if len(found) == 2 else "stay as they are"
    return f"Of the images that go in, {which!r} is explained, and {others} {stays}."
