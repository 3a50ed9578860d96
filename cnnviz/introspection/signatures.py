"""What a function, such as the forward of a network, takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def required_arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the arguments that must be given; none where that is not known."""
    return tuple(
        parameter.name
        for parameter in _parameters(function) or ()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    )


def arguments_of(module: nn.Module) -> tuple[str, ...]:
    """Return the names of what a network's forward takes by position, in their order."""
    found = _parameters(module.forward) or ()
    return tuple(one.name for one in found if one.kind in _POSITIONAL)


def needed_besides_image(module: nn.Module) -> tuple[str, ...]:
    """Return the arguments of a network's forward that an image alone leaves out."""
    positional = (one.name for one in _parameters(module.forward) or () if one.kind in _POSITIONAL)
    image = next(positional, None)
    return tuple(name for name in required_arguments(module.forward) if name != image)


def takes_image_by_name(module: nn.Module) -> str:
    """Return the name under which alone a network takes its only input, or nothing."""
    parameters = _parameters(module.forward)
    if parameters is None or any(
        one.kind in (*_POSITIONAL, one.VAR_POSITIONAL) for one in parameters
    ):
        return ""
    required = required_arguments(module.forward)
    return required[0] if len(required) == 1 else ""


def signature_of(module: nn.Module) -> str:
    """Return how a network's forward is written: ``forward(rgb, depth)``."""
    parameters = _parameters(module.forward)
    if parameters is None:
        return "forward(...)"
    bare = [one.replace(annotation=one.empty) for one in parameters]
    return f"forward{inspect.Signature(bare)}"


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # written in C, or TorchScript
        return None
