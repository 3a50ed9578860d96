"""Whether an object is a network that can be run: it can be walked through, its weights are there.

Every part of cnnviz walks through the modules of a network, and asks them for what torch's own
classes answer without fail. A class may answer by a method of its own that raises; that is met here
once, before any work, and told as what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from cnnviz.errors import ModelError, UsageError

_ASKED: tuple[tuple[str, Callable[[nn.Module], Any]], ...] = (
    ("named_modules", lambda module: list(module.named_modules())),
    ("modules", lambda module: list(module.modules())),
    ("named_parameters", lambda module: list(module.named_parameters())),
    ("parameters", lambda module: list(module.parameters())),
    ("named_buffers", lambda module: list(module.named_buffers())),
    ("buffers", lambda module: list(module.buffers())),
)
"""What the whole network is asked for, which asks every module of it."""
_ASKED_EACH: tuple[tuple[str, Callable[[nn.Module], Any]], ...] = (
    ("children", lambda module: next(iter(module.children()), None)),
    ("training", lambda module: bool(module.training)),
    ("__hash__", hash),
    ("__eq__", lambda module: bool(module == module)),
    # Of what is not there an AttributeError is right, and any other exception is not.
    ("__getattr__", lambda module: hasattr(module, "preprocessing")),
)
_IN_ITS_PLACE: tuple[tuple[type, str], ...] = (
    (str, "Load it first: cnnviz.load(name)."),
    (
        torch.export.ExportedProgram,
        "Give torch.export.unflatten(program), or load the file: cnnviz.load('network.pt2').",
    ),
    (object, "Give a torch.nn.Module, or what cnnviz.load returns."),
)
"""What to give in place of an object: of the first class that it is of."""


def check_module(module: object) -> None:
    """Raise a `CnnvizError` unless an object is a network whose weights are all there."""
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"A network must be a torch.nn.Module, not {type(module).__name__}.",
            next(remedy for of, remedy in _IN_ITS_PLACE if isinstance(module, of)),
        )
    for name, child in list(_walk(module)):
        for what, ask in _ASKED_EACH:
            _ask(child, what, ask, name)
    for what, ask in _ASKED:
        _ask(module, what, ask)
    named = [*module.named_parameters(), *module.named_buffers()]
    lazy = [name for name, tensor in named if is_lazy(tensor)]
    if lazy:
        raise ModelError(
            f"{type(module).__name__} has lazy layers that have never seen an input ({lazy[0]}).",
            "Run it once on an input of the right shape before handing it over.",
        )
    meta = [name for name, tensor in named if tensor.is_meta]
    if meta:
        raise ModelError(
            f"The weights of {type(module).__name__} are on the meta device ({meta[0]}).",
            "Load real weights first: module.to_empty(device='cpu') and load_state_dict.",
        )


def _ask(module: nn.Module, what: str, ask: Callable[[nn.Module], Any], name: str = "") -> None:
    try:
        ask(module)
    except Exception as error:
        place = f" of its layer {name!r}" if name else ""
        told = _told(error)
        raise ModelError(
            f"{type(module).__name__} cannot be looked into: {what!r}{place} raises {told}.",
            f"Mend it, or leave {what!r} to torch.nn.Module.",
        ) from error


def _told(error: Exception) -> str:
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # An error of its own class may raise as well.
        lines = []
    return ": ".join([type(error).__name__, *lines[:1]])


def _walk(root: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Go through all modules, each once, and refuse what no method of torch would come through."""
    within: set[int] = set()
    left: set[int] = set()
    # Not by a function that calls itself: a chain of modules may be longer than Python's stack.
    stack: list[tuple[str, nn.Module, bool]] = [("", root, False)]
    while stack:
        name, module, ends = stack.pop()
        if ends:
            within.discard(id(module))
            left.add(id(module))
        elif id(module) in within:
            raise ModelError(
                f"The layer {name!r} of {type(root).__name__} holds itself, so that its layers "
                "have no end.",
                "Keep what leads back in a list or tuple, where it is no layer.",
            )
        elif id(module) not in left:
            yield name, module
            within.add(id(module))
            stack.append((name, module, True))
            stack += [(place, child, False) for place, child in _parts(root, name, module)]


def _parts(root: nn.Module, name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(module, torch.jit.ScriptModule):
        return
    if "_modules" not in vars(module):
        raise ModelError(
            f"{type(module).__name__} was not initialised as a torch.nn.Module is.",
            "Call super().__init__() first in its __init__.",
        )
    for key, child in vars(module)["_modules"].items():
        place = f"{name}.{key}" if name else f"{key}"
        if not isinstance(key, str):
            raise ModelError(
                f"The name of a layer of {type(root).__name__} is {key!r}, and no text.",
                "Add layers with add_module, or as attributes.",
            )
        if not isinstance(child, nn.Module | None):
            raise ModelError(
                f"What {type(root).__name__} holds as its layer {place!r} is no torch.nn.Module "
                f"but of the type {type(child).__name__}.",
                "Keep it as an attribute that is no layer.",
            )
        if child is not None:
            yield place, child
