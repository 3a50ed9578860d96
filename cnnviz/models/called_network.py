"""A network that takes more than an image, as one that takes an image alone.

Every part of this package calls a network with images and nothing else. Where a network needs
more, or takes its image by name, `CalledNetwork` stands for it: it has the same layers under the
same names, and its forward hands the images on as the caller said.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.introspection.signatures import signature_of, takes_image_by_name


class _Place(enum.Enum):
    """The place of the image among the arguments of a network."""

    IMAGE = "image"

    @property
    def __name__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name


IMAGE: Final = _Place.IMAGE
"""The place of the image among the `inputs` of a `Model`."""

Call = Callable[[nn.Module, torch.Tensor], Any]
Inputs = Sequence[Any] | Mapping[str, Any]


class CalledNetwork(nn.Module):
    """A network with the same layers whose forward calls another with more than the images.

    Its dictionaries of layers, parameters and buffers are those of the network, so that names are
    the same, and what is done to either is done to both. Of its modules the first, called "", is
    the network itself: that is what is listened to, and whose state is kept.

    Parameters
    ----------
    network : torch.nn.Module
        The network, which is not changed.
    call : callable
        ``call(network, images)``, which returns what the network returns.
    """

    def __init__(self, network: nn.Module, call: Call) -> None:
        super().__init__()
        # In a tuple it is no layer of this one, which would put a prefix before every name.
        self._called = (network, call)
        for held in ("_modules", "_parameters", "_buffers", "_non_persistent_buffers_set"):
            vars(self)[held] = getattr(network, held)
        # Its mode is the network's, see below.
        vars(self).pop("training", None)

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """Go through the modules of the network, itself first, as `torch.nn.Module` does."""
        yield from self._called[0].named_modules(memo, prefix, remove_duplicate)

    def forward(self, images: torch.Tensor) -> Any:
        """Call the network."""
        network, call = self._called
        return call(network, images)

    def train(self, mode: bool = True) -> CalledNetwork:
        """Set the mode of the network as it does so itself."""
        self._called[0].train(mode)
        return self

    @property
    def inputs(self) -> Inputs | None:
        """What it is called with, `IMAGE` among it; None where a function of the caller does it."""
        call = self._called[1]
        if not isinstance(call, partial) or call.func is not _call_with:
            return None
        held: Inputs = call.keywords["inputs"]
        return held

    @property
    def called(self) -> nn.Module:
        """The network that is called."""
        return self._called[0]

    def around(self, network: nn.Module) -> CalledNetwork:
        """Return the same call of another network, such as a copy."""
        return CalledNetwork(network, self._called[1])

    @property
    def training(self) -> bool:
        """The mode of the network."""
        # nn.Module sets it before there is a network.
        return bool(self._called[0].training) if "_called" in vars(self) else True

    @training.setter
    def training(self, mode: bool) -> None:
        if "_called" in vars(self):
            self._called[0].training = mode


def called_network(module: nn.Module, call: Call | None, inputs: Inputs | None) -> nn.Module:
    """Return a network that takes an image alone: itself where it does, or one that calls it.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    call, inputs
        How it is called, see `cnnviz.models.Model`.

    Raises
    ------
    UsageError
        If both are given, or `IMAGE` does not stand among the inputs exactly once.
    """
    if call is not None and inputs is not None:
        raise UsageError("Both call and inputs are given.", "Give one of the two.")
    if call is not None:
        return CalledNetwork(module, call)
    if inputs is not None:
        return CalledNetwork(module, by_inputs(module, inputs))
    name = takes_image_by_name(module)
    return CalledNetwork(module, partial(_call_with, inputs={name: IMAGE})) if name else module


def by_arguments(arguments: Callable[[torch.Tensor], Any]) -> Call:
    """Return the call of a network with what a function makes of the images.

    Parameters
    ----------
    arguments : callable
        ``arguments(images)``, which returns the arguments: a dict by name, a tuple by position, or
        the only one.
    """
    return partial(_call_with_made, arguments=arguments)


def by_inputs(network: nn.Module, inputs: Inputs) -> Call:
    """Return the call of a network with the image among constants."""
    held: Inputs = dict(inputs) if isinstance(inputs, Mapping) else tuple(inputs)
    values = held.values() if isinstance(held, dict) else held
    places = sum(value is IMAGE for value in values)
    if places != 1:
        raise UsageError(
            f"IMAGE stands {places} times among the inputs, and must stand once.",
            f"Put cnnviz.IMAGE where the image goes; the network takes {signature_of(network)}.",
        )
    return partial(_call_with, inputs=held)


# The calls are partial functions, so that what they hold can be compared
# (`cnnviz.introspection.network_cache`).


def _call_with(network: nn.Module, images: torch.Tensor, *, inputs: Inputs) -> Any:
    if isinstance(inputs, Mapping):
        return network(**{name: _filled(value, images) for name, value in inputs.items()})
    return network(*(_filled(value, images) for value in inputs))


def _filled(value: Any, images: torch.Tensor) -> Any:
    return images if value is IMAGE else _beside(value, images)


def _beside(value: Any, images: torch.Tensor) -> Any:
    """Return a constant where the images are, as many times as there are images."""
    if not isinstance(value, torch.Tensor):
        return value
    floating = value.is_floating_point() and images.is_floating_point()
    moved = value.to(images.device, images.dtype if floating else value.dtype)
    if moved.ndim and len(moved) == 1 and len(images) != 1:
        return moved.expand(len(images), *moved.shape[1:])
    return moved


def _call_with_made(
    network: nn.Module, images: torch.Tensor, *, arguments: Callable[[torch.Tensor], Any]
) -> Any:
    made = arguments(images)
    if isinstance(made, Mapping):
        return network(**made)
    return network(*made) if isinstance(made, tuple) else network(made)
