"""Which functions a forward pass called, and which layers lie ahead of each.

A list of what a network does, such as that of `cnnviz.architecture`, names functions beside layers,
and a function cannot be asked for. Who asks for one is told what to name in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from torch import nn

from cnnviz.errors import LayerError
from cnnviz.results.text import listed

_MOST = 3
"""How many layers are named in place of a function."""


@dataclass(frozen=True)
class CalledFunction:
    """One call of a function.

    Attributes
    ----------
    label : str
        What lists write, such as ``layer1.0: add`` or ``relu (2 of 3)``.
    operation : str
        The function alone.
    behind : tuple of str
        The layers whose outputs it reads, through other functions; empty for the image itself.
    """

    label: str
    operation: str
    behind: tuple[str, ...]


_KEPT: WeakKeyDictionary[nn.Module, tuple[CalledFunction, ...]] = WeakKeyDictionary()


def keep_functions(module: nn.Module, called: Sequence[CalledFunction]) -> None:
    """Keep what the last pass that was followed called, for as long as the network lives."""
    _KEPT[module] = tuple(called)


def function_not_layer(module: nn.Module, text: str) -> LayerError | None:
    """Return what to say of a text that is no layer, where it is the name of a function; or None.

    Parameters
    ----------
    module : torch.nn.Module
        The network; what it calls is known once it was followed.
    text : str
        What was asked for: a function alone, or a call of it as lists write it.
    """
    kept = _KEPT.get(module, ())
    meant = [one for one in kept if one.label == text]
    meant = meant or [one for one in kept if one.operation == text]
    if not meant:
        return None
    behind = list(dict.fromkeys(name for one in meant for name in one.behind))
    what = f"{text!r} is a function that forward calls, and only layers can be named."
    if not behind:
        return LayerError(what, "It reads the image: name a layer behind it, or make it a module.")
    names = listed([repr(name) for name in behind], _MOST)
    which = "layer" if len(behind) == 1 else "layers"
    return LayerError(
        what, f"It reads the output of {which} {names}: name one, or make the function a module."
    )
