"""What a network was before a pass, noted so that each entry can be put back by itself."""

from __future__ import annotations

import operator
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from cnnviz.introspection.held_entries import put_back_dict, same_entries
from cnnviz.introspection.held_objects import LARGE, PLAIN, HeldObjects

_CONTAINERS = frozenset((list, deque, set, dict, OrderedDict, defaultdict, Counter))
_ALONE = 1 << 16
"""Bytes from which on a tensor is not joined with others to be compared."""
_HOOKS = frozenset(name for name in vars(nn.Module()) if "hooks" in name)
"""These come and go with contexts of their own."""


class SavedState:
    """Everything that a pass may change in a network, but the values of its parameters.

    Noted are the attributes of every module, its parts, buffers and flags among them, what lists,
    sets, dictionaries, closures and objects of its owner's classes there hold, what tensors and
    arrays hold that are no parameters, and the states of random generators. Each is put back only
    where it differs, and whatever becomes of the others.

    Parameters
    ----------
    modules : sequence of torch.nn.Module
        Every module of the network.
    values : bool
        Whether the values of parameters are noted as well, which takes as much memory again.
    """

    def __init__(self, modules: Sequence[nn.Module], *, values: bool = False) -> None:
        self._attributes: list[tuple[nn.Module, dict[str, Any]]] = []
        self._empty: list[Any] = []
        self._tensors: dict[int, torch.Tensor] = {}
        self._buffers: set[int] = set()
        self._held = HeldObjects(self._note_tensor)
        self._parameters: dict[int, nn.Parameter] = {}
        for kind in dict.fromkeys(map(type, modules)):
            self._held.follow_class(kind)
        for module in modules:
            self._note_module(module)
        self._held.look()
        self._flags = [(p, p.requires_grad, p.grad) for p in self.parameters]
        held = [*self._tensors.values(), *(self.parameters if values else ())]
        self._values = _Values(tensor for tensor in held if not is_lazy(tensor))

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Every parameter, once."""
        return list(self._parameters.values())

    def other_parts(self) -> tuple[list[str], list[str]]:
        """Return what was made since, and what another took the place of, by names in a module.

        Of layers and parameters, as far as there is anything to be learned in them.
        """
        built, replaced = list[str](), list[str]()
        for module, held in self._attributes:
            for kind in ("_modules", "_parameters"):
                now = vars(module)[kind]
                _, copy = self._held.containers.get(id(held[kind]), (None, {}))
                if same_entries(now, copy):
                    continue
                had = {name for name, entry in copy.items() if entry is not None}
                built += [n for n, entry in now.items() if n not in had and _is_learned(entry)]
                gone = (n for n, one in copy.items() if now.get(n) is not one)
                replaced += [n for n in gone if _is_learned(copy[n])]
        return built, replaced

    def put_back(self) -> list[Exception]:
        """Put everything back; return what went wrong with those entries that could not be."""
        failed: list[Exception] = []
        for step in self._steps():
            try:
                step()
            except Exception as error:
                failed.append(error)
        return failed

    def _steps(self) -> Iterator[Callable[[], object]]:
        yield from _carefully(self._attribute_steps())
        yield from _carefully(self._container_steps())
        yield from _carefully(self._flag_steps())
        yield from self._held.generators.steps
        yield from _carefully(self._values.steps())

    def _attribute_steps(self) -> Iterator[Callable[[], None]]:
        for module, held in self._attributes:
            now = vars(module)
            if len(now) != len(held) or not all(map(operator.is_, now.values(), held.values())):
                yield partial(put_back_dict, now, held)

    def _container_steps(self) -> Iterator[Callable[[], object]]:
        for container in filter(None, self._empty):
            yield container.clear
        yield from self._held.steps()

    def _flag_steps(self) -> Iterator[Callable[[], None]]:
        for parameter, requires_grad, grad in self._flags:
            if parameter.requires_grad is not requires_grad:
                yield partial(_require, parameter, requires_grad)
            if parameter.grad is not grad:
                yield partial(setattr, parameter, "grad", grad)

    def _note_module(self, module: nn.Module) -> None:
        held = vars(module)
        if isinstance(module, torch.jit.ScriptModule):
            # It keeps its state out of sight, and hands out another object for it each time.
            for tensor in module._buffers.values():
                self._note_tensor(tensor)
            for parameter in module._parameters.values():
                self._note_tensor(parameter)
            return
        self._attributes.append((module, dict(held)))
        self._buffers.update(map(id, module._buffers.values()))
        for name, value in held.items():
            kind = type(value)
            if kind in PLAIN:
                continue
            if name in _HOOKS:
                if value:  # which may draw random numbers
                    self._held.generators.follow(value)
            elif kind in _CONTAINERS and not value:  # as most are
                self._empty.append(value)
            elif kind is not tuple or not PLAIN.issuperset(map(type, value)):
                self._held.note(value)

    def _note_tensor(self, tensor: Any) -> None:
        if isinstance(tensor, nn.Parameter):
            self._parameters[id(tensor)] = tensor
        elif isinstance(tensor, torch.Tensor) and tensor.grad_fn is None:
            # What was computed with a graph is a result that is kept, not a state.
            if _is_large(tensor) and id(tensor) not in self._buffers:
                self._held.note_large(tensor)
            else:
                self._tensors[id(tensor)] = tensor


def _is_large(tensor: torch.Tensor) -> bool:
    plain = tensor.layout is torch.strided and not (tensor.is_nested or tensor.is_quantized)
    return plain and not tensor.is_meta and tensor.nbytes > LARGE


def _is_learned(entry: nn.Module | nn.Parameter | None) -> bool:
    if isinstance(entry, nn.Module):
        return next(entry.parameters(), None) is not None
    return entry is not None


def _require(tensor: torch.Tensor, flag: bool) -> None:
    if tensor.is_inference() == torch.is_inference_mode_enabled():
        tensor.requires_grad_(flag)
        return
    with torch.inference_mode(tensor.is_inference()):
        tensor.requires_grad_(flag)


def _carefully(steps: Iterator[Callable[[], object]]) -> Iterator[Callable[[], object]]:
    """Go through steps; where it fails to find the next, such as for want of memory, tell as one.

    What comes after these steps is put back all the same.
    """
    try:
        yield from steps
    except Exception as error:
        yield partial(_fail, error)


def _fail(error: Exception) -> None:
    raise error


class _Values:
    """Tensors and what they held, copied and compared many at once: there may be hundreds."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        self._dense: list[_Dense] = []
        self._others: list[_Other] = []
        with torch.no_grad():
            for tensor in tensors:
                dense = _Dense.of(tensor)
                if dense is not None:
                    self._dense.append(dense)
                elif not tensor.is_meta:
                    self._others.append(_Other(tensor))
        # What is large stands alone, and is compared where it lies.
        groups: dict[tuple[torch.device, int], list[_Dense]] = {}
        for place, entry in enumerate(self._dense):
            apart = place if entry.bytes.numel() >= _ALONE else -1
            groups.setdefault((entry.bytes.device, apart), []).append(entry)
        self._groups = [(group, _joined(group)) for group in groups.values()]

    def steps(self) -> Iterator[Callable[[], None]]:
        """Go through what is to be done to put every tensor back."""
        for entry in self._dense:
            if entry.moved():
                yield entry.move_back
        for group, copy in self._groups:
            if _are_as(group, copy):
                continue
            sizes = [entry.bytes.numel() for entry in group]
            for entry, held in zip(group, torch.split(copy, sizes), strict=True):
                # Comparing bytes: a NaN equals itself and -0.0 differs from 0.0.
                if not torch.equal(entry.bytes, held):
                    yield partial(entry.write, held)
        for other in self._others:
            if not other.same():
                yield other.put_back
        every: list[_Dense | _Other] = [*self._dense, *self._others]
        for each in every:
            if each.tensor.requires_grad is not each.requires_grad and each.tensor.is_leaf:
                yield partial(_require, each.tensor, each.requires_grad)


class _Dense:
    """A tensor in plain memory: where that lies, how it is read, and its bytes."""

    def __init__(self, tensor: torch.Tensor, alias: torch.Tensor, held: torch.Tensor) -> None:
        self.tensor = tensor
        self.requires_grad = tensor.requires_grad
        self.bytes = held
        self._alias = alias
        self._form = form(tensor)
        self._storage = alias.untyped_storage()
        self._size = self._storage.nbytes()

    @classmethod
    def of(cls, tensor: torch.Tensor) -> _Dense | None:
        """Note a tensor; None where it is laid out otherwise, or is more than a plain tensor."""
        plain = type(tensor) in (torch.Tensor, nn.Parameter) and tensor.layout is torch.strided
        if not plain or tensor.is_meta or tensor.is_nested:
            return None
        alias = tensor.detach()
        # One without values counts as contiguous whatever its strides, and may not be viewed.
        flat = alias.is_contiguous() and alias.numel() > 0
        if flat and not alias.is_quantized and not alias.is_complex():
            return cls(tensor, alias, alias.view(-1).view(torch.uint8))
        # Entries that share memory, or lie apart in it, are kept as the whole of it.
        whole = torch.empty(0, dtype=torch.uint8, device=tensor.device)
        return cls(tensor, alias, whole.set_(alias.untyped_storage()))

    def moved(self) -> bool:
        """Whether the tensor has another shape or lies elsewhere."""
        return form(self.tensor) != self._form or self._storage.nbytes() != self._size

    def move_back(self) -> None:
        """Give the tensor its memory and shape."""
        if self._storage.nbytes() != self._size:
            self._storage.resize_(self._size)
        if form(self.tensor) != self._form:
            self.tensor.data = self._alias

    def write(self, held: torch.Tensor) -> None:
        """Write back what the memory held."""
        with torch.inference_mode(self.bytes.is_inference()), torch.no_grad():
            self.bytes.copy_(held)


def form(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Return where a tensor in plain memory lies, and as what."""
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _are_as(group: Sequence[_Dense], copy: torch.Tensor) -> bool:
    try:
        now = group[0].bytes if len(group) == 1 else _joined(group)
        # Numbers of eight bytes are compared several times as fast as bytes.
        wide = all(one.numel() % 8 == 0 == one.storage_offset() % 8 for one in (now, copy))
        return torch.equal(*(one.view(torch.int64) if wide else one for one in (now, copy)))
    except (MemoryError, RuntimeError):
        return False  # There may be no memory for all at once: each is looked at by itself.


def _joined(group: Sequence[_Dense]) -> torch.Tensor:
    return torch.cat([entry.bytes for entry in group])


class _Other:
    """A tensor that is sparse, nested or of a class of its own, and a copy of it."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor
        self.requires_grad = tensor.requires_grad
        self._version = version(tensor)
        self._held = tensor.detach().clone()

    def same(self) -> bool:
        """Whether it holds what it held, as far as its kind lets that be seen."""
        mine, held = _parts(self.tensor), _parts(self._held)
        if mine is None or held is None:
            return version(self.tensor) == self._version
        return len(mine) == len(held) and all(map(_same_bits, mine, held))

    def put_back(self) -> None:
        """Write the copy back."""
        with torch.no_grad():
            if self.tensor.layout is torch.sparse_coo or self.tensor.shape != self._held.shape:
                self.tensor.data = self._held.clone()
            else:
                self.tensor.copy_(self._held)


def _parts(tensor: torch.Tensor) -> tuple[torch.Tensor, ...] | None:
    """Return the plain tensors that one of another layout consists of; None if not known."""
    plain = tensor.detach()
    if plain.is_nested:
        return tuple(plain.unbind())
    if plain.layout is torch.sparse_coo:
        return plain._indices(), plain._values()
    if plain.layout in (torch.sparse_csr, torch.sparse_bsr):
        return plain.crow_indices(), plain.col_indices(), plain.values()
    if plain.layout in (torch.sparse_csc, torch.sparse_bsc):
        return plain.ccol_indices(), plain.row_indices(), plain.values()
    return None


def _same_bits(one: torch.Tensor, two: torch.Tensor) -> bool:
    if one.shape != two.shape or one.dtype != two.dtype:
        return False
    first, second = (
        torch.view_as_real(each) if each.is_complex() else each
        for each in (one.contiguous(), two.contiguous())
    )
    return torch.equal(first.reshape(-1).view(torch.uint8), second.reshape(-1).view(torch.uint8))


def version(tensor: torch.Tensor) -> int:
    """Return how often a tensor was written to, as far as torch counts that."""
    return 0 if tensor.is_inference() else int(tensor._version)
