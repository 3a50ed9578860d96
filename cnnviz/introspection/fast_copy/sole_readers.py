"""Find the layers whose output a batch norm reads and nothing else does.

The trace of `cnnviz.introspection.tracing` has links between calls, but hands them on through views
and slices, and tells nothing of an attribute such as ``.data``. Here one wrong pair is a wrong
number, so every operation of a pass that is given the very tensor counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from cnnviz.introspection.fast_copy.folding import LAYERS, NORMS, can_fold, folds_on
from cnnviz.introspection.fast_copy.held_tensors import held_tensors
from cnnviz.introspection.fast_copy.linearity import LinearSuffix
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.hooks import module_hooks
from cnnviz.introspection.operation_mode import OperationMode

Pairs = Mapping[str, str]
"""The name of each layer that can be folded, with that of its batch norm."""

_VALUES = ("__bool__", "__float__", "__int__", "__index__", "__complex__", "item", "tolist")
_OUTSIDE = ("numpy", "__array__", "__dlpack__", "data_ptr", "storage", "untyped_storage")
_READERS = frozenset(
    [getattr(torch.Tensor, name) for name in (*_VALUES, *_OUTSIDE)]
    + [vars(torch._C.TensorBase)["data"].__get__]
)


class Readers(FunctionMode):
    """Watches a forward pass, and notes who reads what layers give.

    Parameters
    ----------
    network : torch.nn.Module
        The network, in eval mode.

    Attributes
    ----------
    goes_by_values : bool
        Whether values were taken out of tensors, so that another input may go another way.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.goes_by_values = False
        self._layers = {name: each for name, each in _once(network) if type(each) in LAYERS}
        self._norms = {name: each for name, each in _once(network) if type(each) in NORMS}
        self._modules = {name: each for name, each in _once(network) if name}
        self._linear = LinearSuffix(chain(network.parameters(), network.buffers()))
        self._operations = _Operations(self._linear)
        # Where a layer is followed by different norms, or by none, there is no pair.
        self._given: dict[str, list[_Given]] = {name: [] for name in self._layers}

    def run(self, forward: Callable[[], Any]) -> Any:
        """Run a forward pass under watch, and return what it returns."""
        layers = module_hooks(self._layers, after=self._note)
        norms = module_hooks(self._norms, before=self._enter, after=self._leave)
        each = module_hooks(self._modules, after=self._returned)
        with layers, norms, each, self._operations, self:
            output = forward()
        for tensor in held_tensors(output):
            self._operations.read(tensor)
        return output

    def pairs(self) -> Pairs:
        """Return the pairs that were found."""
        found = {}
        for layer, given in self._given.items():
            norms = {norm for each in given for norm in each.readers}
            single = all(len(each.readers) == 1 and each.whole for each in given)
            norm = norms.pop() if len(norms) == 1 and single else None
            if norm is not None and can_fold(self._layers[layer], self._norms[norm]):
                found[layer] = norm
        return found

    def returned_by(self) -> Mapping[str, frozenset[str]]:
        """Return for each layer the modules around it that return its very output."""
        return {
            layer: frozenset().union(*(each.returned_by for each in given)) - {layer}
            for layer, given in self._given.items()
        }

    def linear(self) -> frozenset[str]:
        """Return the layers between which and the answer everything seems to be linear."""
        return self._linear.layers()

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Pass every call on, and note those that take a value out of a tensor."""
        self.goes_by_values |= func in _READERS
        return func(*args, **named)

    def _note(self, name: str, layer: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            given = _Given(folds_on(layer, output.shape))
            self._given[name].append(given)
            self._operations.given[output] = given

    def _returned(self, name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        self._linear.called(name)
        if isinstance(output, torch.Tensor):
            given: _Given | None = self._operations.given.get(output)
            if given is not None:
                given.returned_by.add(name)

    def _enter(self, name: str, norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        # One that its owner leaves in training mode goes by what it is given.
        folds = len(inputs) == 1 and not norm.training
        self._operations.within = (name, inputs[0] if folds else None)

    def _leave(self, _name: str, _norm: nn.Module, _inputs: Any, _output: Any) -> None:
        self._operations.within = ("", None)


class _Given:
    """What a layer gave in one call: by which batch norms it is read, None for anything else."""

    def __init__(self, whole: bool) -> None:
        self.whole = whole
        self.readers: set[str | None] = set()
        self.returned_by: set[str] = set()


class _Operations(OperationMode):  # type: ignore[no-untyped-call]
    """Notes of every operation which of the layers' outputs it is given, and that it came."""

    def __init__(self, linear: LinearSuffix) -> None:
        super().__init__()
        self._linear = linear
        self.given: Any = WeakTensorKeyDictionary()
        self.within: tuple[str, torch.Tensor | None] = ("", None)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        for value in tree_leaves((args, named)):
            if isinstance(value, torch.Tensor):
                self.read(value)
        self._linear.see(func, args)
        return func(*args, **named)

    def read(self, tensor: torch.Tensor) -> None:
        """Note that a tensor is read now."""
        given: _Given | None = self.given.get(tensor)
        if given is not None:
            norm, its = self.within
            given.readers.add(norm if its is tensor else None)


def _once(network: nn.Module) -> list[tuple[str, nn.Module]]:
    return list(network.named_modules())
