"""A copy of a network's modules whose tensors lie in the memory of the network's own."""

from __future__ import annotations

import enum
from collections import OrderedDict, defaultdict, deque
from collections.abc import Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, TypeVar

import torch
from torch import nn

from cnnviz.introspection.network_cache import is_record

_Module = TypeVar("_Module", bound=nn.Module)

PLAIN = (
    *(type(None), bool, int, float, complex, str, bytes, enum.Enum, type, torch.Size),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format, BuiltinFunctionType),
)
_HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    "_compiled_call_impl",
)


class NoFastCopyError(Exception):
    """Why no fast copy is made of a network, in a few words; the network itself then runs."""


def shared_copy(module: _Module) -> _Module:
    """Return a network whose modules are copies, and whose tensors are the same memory.

    What modules hold besides, such as lists of other modules or bound methods, refers to the
    copies. Its parameters want no gradient.

    Raises
    ------
    NoFastCopyError
        The network holds something of which that cannot be said.
    """
    within = list(module.modules())
    if any(part.training and _changes_itself(part) for part in within):
        # What it does to itself in eval mode, it would do to the memory of the network.
        raise NoFastCopyError("it does more than to set a flag for eval mode")
    # One that stands for a network is none of its modules.
    parts = within if within[0] is module else [module, *within]
    copies = _Copies()
    for part in parts:
        if isinstance(part, torch.jit.ScriptModule):
            raise NoFastCopyError("part of it is TorchScript")
        if any(vars(part).get(name) for name in _HOOKS):
            raise NoFastCopyError("its owner has put hooks on it, or compiled it")
        copies.known(part, type(part).__new__(type(part)))
    for part in parts:
        copy = copies.of(part)
        # Not one by one: a module is not yet one that would take an attribute.
        vars(copy).update({name: copies.of(value) for name, value in vars(part).items()})
    copied: _Module = copies.of(module)
    return copied


def _changes_itself(module: nn.Module) -> bool:
    kind = type(module)
    return kind.train is not nn.Module.train or kind.eval is not nn.Module.eval


class _Copies:
    """What stands in the copy for each thing of the network."""

    def __init__(self) -> None:
        # With the things themselves, so that no other gets the identity of one.
        self._made: dict[int, tuple[Any, Any]] = {}

    def known(self, thing: Any, copy: Any) -> Any:
        """Note what stands for a thing."""
        self._made[id(thing)] = thing, copy
        return copy

    def of(self, thing: Any) -> Any:
        """Return what stands for a thing, which is made now if it is not yet there."""
        if id(thing) in self._made:
            return self._made[id(thing)][1]
        if isinstance(thing, PLAIN):
            return thing
        if isinstance(thing, torch.Tensor):
            return self.known(thing, _same_memory(thing))
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if isinstance(thing, MethodType):
            return MethodType(thing.__func__, self.of(thing.__self__))
        if type(thing) is partial:
            named = {name: self.of(value) for name, value in thing.keywords.items()}
            return partial(self.of(thing.func), *map(self.of, thing.args), **named)
        return self._container(thing)

    def _container(self, thing: Any) -> Any:
        kind: Any = type(thing)
        if kind in (dict, OrderedDict, defaultdict):
            made = self.known(thing, kind(thing.default_factory) if kind is defaultdict else kind())
            made.update({key: self.of(value) for key, value in thing.items()})
        elif kind in (list, deque):
            made = self.known(thing, kind() if kind is list else deque(maxlen=thing.maxlen))
            made.extend(map(self.of, thing))
        elif kind in (set, frozenset):
            made = self.known(thing, kind(map(self.of, thing)))
        elif isinstance(thing, tuple):
            each = tuple(map(self.of, thing))
            made = self.known(thing, kind(*each) if hasattr(kind, "_fields") else kind(each))
        elif is_record(thing):
            made = self.known(thing, kind.__new__(kind))
            vars(made).update({name: self.of(value) for name, value in vars(thing).items()})
        else:
            raise NoFastCopyError(f"it holds an object of {kind.__name__}")
        return made

    def _function(self, function: FunctionType) -> FunctionType:
        """Return a function as it is, unless it holds something of the network."""
        held = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        try:
            held += [cell.cell_contents for cell in function.__closure__ or ()]
        except ValueError:
            raise NoFastCopyError("it holds a function that is not yet complete") from None
        if not _is_plain(held):
            raise NoFastCopyError(f"the function {function.__name__} holds something of its own")
        return function


def _is_plain(values: Sequence[Any], depth: int = 0) -> bool:
    """Whether values, and those in lists and functions, hold nothing that could be a network's."""
    return depth < 8 and all(
        isinstance(value, PLAIN)
        or (type(value) in (list, tuple) and _is_plain(value, depth + 1))
        or (type(value) is dict and _is_plain(list(value.values()), depth + 1))
        or (
            isinstance(value, FunctionType)
            and _is_plain([cell.cell_contents for cell in value.__closure__ or ()], depth + 1)
        )
        for value in values
    )


def _same_memory(tensor: torch.Tensor) -> torch.Tensor:
    plain = type(tensor) in (torch.Tensor, nn.Parameter) and tensor.layout is torch.strided
    if not plain or tensor.is_quantized or tensor.is_nested or tensor.is_inference():
        raise NoFastCopyError(f"it holds a tensor of the kind {type(tensor).__name__}")
    with torch.inference_mode(False), torch.no_grad():
        alias = tensor.detach()
    return nn.Parameter(alias, requires_grad=False) if isinstance(tensor, nn.Parameter) else alias
