"""What was found out about a network, kept for as long as the network stays what it was."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count
from types import BuiltinFunctionType, CellType, FunctionType
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary, ref

import torch
from torch import nn
from torch.nn.modules import module as torch_modules

from cnnviz.introspection.turns import one_at_a_time

Found = TypeVar("Found")

_MOST = 8
"""How many findings are kept of one network, such as of several sizes of input."""
_HEAP_TYPE = 1 << 9
"""The flag of Python that marks a class as not built in."""
_NESTED = 8
"""How deep lists within lists are compared."""
_MANY = 20_000
"""How many entries are compared of all that a network holds: looking at a table takes longer than a
pass."""
_TORCHS_OWN = frozenset(vars(nn.Module()))
"""Attributes of every module: parts and tensors, which are looked at, and what no pass reads."""
_PLAIN = (
    *(type(None), bool, int, float, complex, str, bytes, enum.Enum, type),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format),
)


_NUMBERS = frozenset((type(None), bool, int, float, str))
"""The exact types of most attributes, which cannot change."""


class NetworkCache(Generic[Found]):
    """Findings about networks, each dropped with its network, and found anew once that changes.

    A finding is kept with a `fingerprint` of the network; it is handed out again for an equal one
    only. Nothing is kept of a network that cannot be compared.

    Parameters
    ----------
    values : bool
        Whether a finding depends on what parameters and buffers hold, and not on their form alone.
    """

    def __init__(self, *, values: bool) -> None:
        self._values = values
        self._kept: WeakKeyDictionary[nn.Module, dict[Hashable, tuple[Any, Found]]]
        self._kept = WeakKeyDictionary()

    def get(self, module: nn.Module, question: Hashable, find: Callable[[], Found]) -> Found:
        """Return the kept answer to a question about a network, or find it."""
        # What another thread does to a network meanwhile would be taken for a change of it.
        with one_at_a_time():
            return self._get(module, question, find)

    def kept(
        self, module: nn.Module, question: Hashable, find: Callable[[], Found]
    ) -> Found | None:
        """Do as `get`, but return None where nothing would be kept of the network."""
        with one_at_a_time():
            now = fingerprint(module, values=self._values)
            return None if now is None else self._known(now, module, question, find)

    def _get(self, module: nn.Module, question: Hashable, find: Callable[[], Found]) -> Found:
        now = fingerprint(module, values=self._values)
        return find() if now is None else self._known(now, module, question, find)

    def _known(
        self, now: Any, module: nn.Module, question: Hashable, find: Callable[[], Found]
    ) -> Found:
        kept = self._kept.setdefault(module, {})
        if question in kept and kept[question][0] == now:
            return kept[question][1]
        found = find()
        kept.pop(question, None)
        kept[question] = now, found
        if len(kept) > _MOST:
            del kept[next(iter(kept))]
        return found


class _IncomparableError(Exception):
    """Something in a network that cannot be compared with what it was."""


class Fingerprint:
    """What a network is like, equal to another as long as all lives that either refers to.

    An address alone would not do: it is given to another object once the first is gone. So
    addresses are compared, and what lay there is watched, without keeping it alive; that takes a
    fraction of the time of comparing objects one by one.
    """

    def __init__(self, told: tuple[Any, ...], watched: list[ref[Any]]) -> None:
        self._told, self._watched = told, watched

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fingerprint) or self._told != other._told:
            return False
        return all(each() is not None for each in chain(self._watched, other._watched))

    __hash__ = None  # type: ignore[assignment]


def fingerprint(module: nn.Module, *, values: bool = True) -> Fingerprint | None:
    """Return what equals itself as long as a network in eval mode does the same.

    Compared are every submodule and its class, plain attributes such as a stride, the form and
    place of every tensor, and how often it was written to. Training flags do not count.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    values : bool
        Whether it counts that a parameter or buffer was written to, as far as torch counts that:
        it does not for writes through ``.data``.

    Returns
    -------
    Fingerprint or None
        None where that cannot be told: in TorchScript, under modes of torch, with attributes of
        unknown kinds, and of values also with hooks. Of the form alone a network with other hooks
        is another network.
    """
    if torch._C._len_torch_function_stack() or torch._C._len_torch_dispatch_stack():
        return None
    if torch_modules._global_forward_hooks or torch_modules._global_forward_pre_hooks:
        return None
    named = list(module.named_modules(remove_duplicate=False))
    if named[0][1] is not module:
        # It stands for a network, and how that is called counts as well.
        named.insert(0, ("", module))
    look = _Look(values, frozenset(id(child) for _, child in named))
    try:
        told = tuple([(name, *_of_module(child, look)) for name, child in named])
    except Exception:  # also of a list or object of theirs that raises when it is looked at
        return None
    return Fingerprint(told, look.watched)


@dataclass(frozen=True)
class _Look:
    """What counts: values of tensors, and the modules that are looked at in their own turn.

    `watched` are the objects of which it counts that they are the same.
    """

    values: bool
    modules: frozenset[int]
    watched: list[ref[Any]] = field(default_factory=list)
    further: Iterator[int] = field(default_factory=count)

    def same(self, value: Any) -> int:
        """Return what stands for an object that is equal to itself alone."""
        try:
            self.watched.append(ref(value))
        except TypeError as error:
            raise _IncomparableError from error
        return id(value)


def _of_module(module: nn.Module, look: _Look) -> tuple[Any, ...]:
    if isinstance(module, torch.jit.ScriptModule):
        raise _IncomparableError
    hooks = [*module._forward_hooks.values(), *module._forward_pre_hooks.values()]
    if hooks and look.values:
        # They may change what passes, and by what they hold out of sight.
        raise _IncomparableError
    own = [
        (name, _frozen(value, look))
        for name, value in vars(module).items()
        if name not in _TORCHS_OWN
    ]
    tensors = [
        (name, None if tensor is None else _of_tensor(tensor, look))
        for name, tensor in chain(module._parameters.items(), module._buffers.items())
    ]
    told = [look.same(hook) for hook in hooks]
    return look.same(module), type(module), look.same(type(module).forward), told, own, tensors


def _of_tensor(tensor: torch.Tensor, look: _Look) -> tuple[Any, ...]:
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_inference():
        raise _IncomparableError
    form = (tensor.shape, tensor.stride(), tensor.dtype, tensor.device)
    if not look.values:
        return form
    return (*form, look.same(tensor), tensor.data_ptr(), tensor._version)


def _frozen(value: Any, look: _Look, depth: int = 0) -> Any:
    """Return an attribute as something that later changes to it do not reach."""
    kind = type(value)
    if kind in _NUMBERS:
        return kind, value
    if kind is tuple and _NUMBERS.issuperset(map(type, value)):
        return kind, value, [*map(type, value)]
    if isinstance(value, _PLAIN):
        return type(value), value
    if isinstance(value, torch.Tensor):
        return _of_tensor(value, look)
    if id(value) in look.modules:
        return look.same(value)
    if depth > _NESTED or next(look.further) > _MANY:
        raise _IncomparableError
    if isinstance(value, FunctionType | BuiltinFunctionType):
        held = [_in_cell(cell) for cell in getattr(value, "__closure__", None) or ()]
        return look.same(value), [_frozen(entry, look, depth + 1) for entry in held]
    if isinstance(value, partial):
        value = (value.func, value.args, value.keywords)
    if isinstance(value, dict | list | tuple) and len(value) > _MANY:
        raise _IncomparableError
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, set | frozenset):
        if not all(isinstance(entry, _PLAIN) for entry in value):
            raise _IncomparableError
        return frozenset(value)
    if isinstance(value, list | tuple):
        return type(value), [_frozen(entry, look, depth + 1) for entry in value]
    if is_record(value):
        # Such as the coder of boxes that a detector holds.
        held = [vars(value), *map(_class_data, type(value).__mro__[:-1])]
        return look.same(value), type(value), _frozen(held, look, depth + 1)
    raise _IncomparableError


def _in_cell(cell: CellType) -> Any:
    """Return what a closure holds, which may change while the function stays the same."""
    try:
        return cell.cell_contents
    except ValueError:  # not yet bound
        raise _IncomparableError from None


def _class_data(kind: type) -> dict[str, Any]:
    """Return what a class holds for all its objects, but for what it does."""
    told = (FunctionType, classmethod, staticmethod, property)
    return {
        name: value
        for name, value in vars(kind).items()
        if not name.startswith("__") and not isinstance(value, told)
    }


def is_record(value: Any) -> bool:
    """Whether an object is of a class written in Python, all of whose state is in its attributes.

    Modules are not: those that a network holds out of sight may do anything.
    """
    kinds = type(value).__mro__[:-1]
    return (
        not isinstance(value, nn.Module)
        and all(
            each.__flags__ & _HEAP_TYPE
            and "__slots__" not in vars(each)
            and each.__module__ != "torch"
            for each in kinds
        )
        and hasattr(value, "__dict__")
    )
