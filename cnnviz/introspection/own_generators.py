"""Random generators that a network keeps for itself, whose states are its own as buffers are.

They stand in attributes, in what these hold, and in what the network's code draws from: closures,
defaults, hooks, and names of its file.
"""

from __future__ import annotations

import functools
import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

LONG = 1000
"""Entries from which on a container is a table of data, whose entries hold no state."""
_FAR = 12
"""How many steps from the network it is looked for generators."""
_MOST = 6000
"""At how many things it is looked for them."""
_PLAIN = frozenset((bool, int, float, str, bytes, type(None), type, types.ModuleType))
_LIBRARIES = (sys.stdlib_module_names | {"cnnviz", "numpy", "timm", "torch", "torchvision"}) - {
    "__main__",
    "collections",  # UserDict
    "types",  # SimpleNamespace
}
"""Whose objects and functions are not gone into: their generators are the global ones."""


def put_back_generator(found: Any) -> Callable[[], object] | None:
    """Return what puts a generator of random numbers back to its state of now.

    Parameters
    ----------
    found : Any
        What a network holds: a generator of torch, on any device, of NumPy or of Python, or
        something else.

    Returns
    -------
    callable or None
        None where it is no generator, or one that asks the system and has no state.
    """
    if is_a(found, torch.Generator):
        return partial(found.set_state, found.get_state())
    if is_a(found, random.Random):
        if is_a(found, random.SystemRandom):
            return None
        return partial(found.setstate, found.getstate())
    if is_a(found, np.random.RandomState):
        return partial(found.set_state, found.get_state())
    bits = found.bit_generator if is_a(found, np.random.Generator) else found
    if is_a(bits, np.random.BitGenerator):
        return partial(setattr, bits, "state", bits.state)
    return None


class OwnGenerators:
    """The generators that are reached from what a network holds, each with what puts it back.

    Attributes
    ----------
    steps : list of callable
        What puts each back to the state that it had when it was found.
    """

    def __init__(self) -> None:
        self.steps: list[Callable[[], object]] = []
        self._seen: dict[int, Any] = {}
        self._waiting: deque[tuple[Any, int]] = deque()

    def follow_class(self, kind: type) -> None:
        """Look in the attributes and the code of a class and of those it is derived from."""
        for each in kind.__mro__:
            if is_of_library(each) or id(each) in self._seen:
                continue
            self._seen[id(each)] = each
            for value in list(vars(each).values()):
                self.follow(value)

    def follow(self, value: Any) -> None:
        """Have a value looked at, and what it leads to."""
        self._wait(value, 0)

    def look(self) -> None:
        """Look at all that waits and what it leads to, the nearest first and so many at most."""
        while self._waiting:
            value, depth = self._waiting.popleft()
            step = put_back_generator(value)
            if step is not None:
                self.steps.append(step)
            elif not is_a(value, torch.Tensor, nn.Module, np.ndarray):
                for entry in _entries(value):
                    self._wait(entry, depth + 1)

    def _wait(self, value: Any, depth: int) -> None:
        if type(value) in _PLAIN or id(value) in self._seen or depth > _FAR:
            return
        if depth and len(self._seen) > _MOST:
            return
        self._seen[id(value)] = value  # kept, for another may get the place of one that is gone
        self._waiting.append((value, depth))


def is_a(value: Any, *kinds: type) -> bool:
    """Whether a value is of one of these classes, whatever it says of its class itself.

    What stands for an object that is somewhere else, such as a request that is over, may raise when
    it is asked.
    """
    return issubclass(type(value), kinds)


def is_of_library(kind: Any) -> bool:
    """Whether a class or function is of Python, torch or another library that keeps no state."""
    return package_of(kind) in _LIBRARIES


def package_of(kind: Any) -> str:
    """Return the first name of where a class or function is from; "" where it does not say."""
    try:
        place = kind.__module__
    except Exception:  # of theirs, or nowhere
        return ""
    return place.partition(".")[0] if isinstance(place, str) else ""


def attributes(value: Any) -> dict[str, Any] | None:
    """Return where an object of somebody's own class keeps its attributes; None where it has none.

    A data set is none of the network's state, whoever holds it.
    """
    if is_of_library(type(value)) or is_a(value, type, torch.utils.data.Dataset):
        return None
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def _entries(value: Any) -> list[Any]:
    try:
        return list(_led_to(value))
    except Exception:  # of theirs, which raises when it is looked into
        return []


def _led_to(value: Any) -> Iterable[Any]:
    if is_a(value, list, tuple, set, frozenset, deque):
        yield from tuple(value) if len(value) <= LONG else ()
    elif is_a(value, dict):
        yield from tuple(value.values()) if len(value) <= LONG else ()
    elif is_a(value, types.FunctionType):
        yield from () if is_of_library(value) else _of_code(value)
    elif is_a(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    elif is_a(value, staticmethod, classmethod):
        yield value.__func__
    elif is_a(value, property):
        yield value.fget
    elif is_a(value, types.MethodType):
        yield from (value.__func__, value.__self__)
    elif is_a(value, types.BuiltinMethodType):
        yield value.__self__
    if not is_of_library(type(value)):
        yield from (attributes(value) or {}).values()
        yield from _slots(value)


def closure(function: types.FunctionType) -> Iterator[Any]:
    """Go through what a function holds of where it was defined."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _of_code(function: types.FunctionType) -> Iterator[Any]:
    yield from closure(function)
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    yield from function.__dict__.values()
    for name in _names(function.__code__):
        if name in function.__globals__:
            yield function.__globals__[name]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _slots(value: Any) -> Iterator[Any]:
    for kind in type(value).__mro__:
        for member in vars(kind).values():
            if isinstance(member, types.MemberDescriptorType):
                try:
                    yield member.__get__(value)
                except AttributeError:  # not set
                    continue
