"""Run a network from one of its layers on, with other outputs there, many at a time.

What lies below the layer is computed once. Later passes are given its results by a dispatch mode,
operation by operation, so that branches and skip connections past the layer find what they need,
and no module has to be taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.operation_mode import OperationMode
from cnnviz.introspection.stop_forward import run_to
from cnnviz.models import Model


class ForwardFromLayer:
    """A network that starts at one call of one of its layers.

    Parameters
    ----------
    model : Model
        The network; every pass leaves it as it was.
    image : torch.Tensor
        One preprocessed image, [1, C, H, W].
    layer : (str, int)
        The layer's name and which of its calls.

    Attributes
    ----------
    skips : bool
        Whether passes skip what lies below the layer. False where the results below do not grow
        with the batch in one dimension each, so that all is computed every time.
    """

    def __init__(self, model: Model, image: torch.Tensor, layer: Key) -> None:
        self._model = model
        self._image = image
        self._layer = layer
        self._tape = _tape(model, image, layer)
        self.skips = self._tape is not None

    def __call__(self, values: torch.Tensor, count: int | None = None) -> Any:
        """Return the network's output for B versions of the layer's output.

        Parameters
        ----------
        values : torch.Tensor
            [B, ...], in place of what the layer gives for the image.
        count : int, optional
            B, where the first dimension holds more than the versions, such as their windows.
        """
        count = len(values) if count is None else count
        images = self._image.expand(count, *self._image.shape[1:])
        if self._tape is None:
            return self._run(images.clone(), values, _Untaped())
        try:
            return self._run(images, values, _Replayed(self._tape, count))
        except _OtherPath:
            self._tape, self.skips = None, False
            return self(values, count)

    def _run(self, images: torch.Tensor, values: torch.Tensor, mode: _Untaped) -> Any:
        module = self._model.module
        layer = {self._layer[0]: module.get_submodule(self._layer[0])}

        def replace(key: Key, _inputs: Any, _output: Any) -> Any:
            if key != self._layer:
                return None
            mode.ended = True
            return values

        with _whole_operations(module), mode:
            return run_to(self._model.forward, images, layer, after=replace)


class _OtherPath(Exception):  # noqa: N818
    """The network took another path than the one that was recorded."""


Shapes = tuple[torch.Size | None, ...]


class _Step:
    """One recorded operation: what it returned, and along which dimension the batch grows."""

    def __init__(self, func: Any, result: Any) -> None:
        self.func = func
        self.leaves, self.form = tree_flatten(result)
        self.batched: list[int | None] = [None] * len(self.leaves)

    def shapes(self) -> Shapes:
        return tuple(v.shape if isinstance(v, torch.Tensor) else None for v in self.leaves)

    def learn(self, other: Shapes) -> bool:
        """Compare with the shapes for two images; False if they do not tell the batch's place."""
        for place, (one, two) in enumerate(zip(self.shapes(), other, strict=True)):
            if one is None or two is None or one == two:
                continue
            if len(one) != len(two):
                return False
            grown = [d for d in range(len(one)) if one[d] != two[d]]
            if len(grown) != 1 or (one[grown[0]], two[grown[0]]) != (1, 2):
                return False
            self.batched[place] = grown[0]
        return True

    def result(self, count: int) -> Any:
        leaves = [
            _again(value) if batched is None else _expanded(value, batched, count)
            for value, batched in zip(self.leaves, self.batched, strict=True)
        ]
        return tree_unflatten(leaves, self.form)


def _again(value: Any) -> Any:
    # What an operation on a parameter returned is marked as a view of it, which works once only.
    return value.detach() if isinstance(value, torch.Tensor) else value


def _expanded(value: torch.Tensor, dimension: int, count: int) -> torch.Tensor:
    shape = list(value.shape)
    shape[dimension] = count
    return value.expand(shape)


class _Untaped(OperationMode):  # type: ignore[no-untyped-call]
    """Computes every operation; the other two differ in what they answer."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return self.answer(func, args, kwargs or {})

    def answer(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return func(*args, **kwargs)


class _Recorded(_Untaped):  # type: ignore[no-untyped-call]
    """Keeps what every operation returned."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[_Step] = []

    def answer(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        result = func(*args, **kwargs)
        self.steps.append(_Step(func, result))
        return result


class _Replayed(_Untaped):  # type: ignore[no-untyped-call]
    """Answers the operations below the layer from a tape, and computes those above."""

    def __init__(self, tape: Sequence[_Step], count: int) -> None:
        super().__init__()
        self._tape = tape
        self._count = count
        self._next = 0

    def answer(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self.ended:
            return func(*args, **kwargs)
        if self._next >= len(self._tape) or self._tape[self._next].func is not func:
            raise _OtherPath
        self._next += 1
        return self._tape[self._next - 1].result(self._count)


@contextmanager
def _whole_operations(module: nn.Module) -> Iterator[None]:
    # Elsewhere a dispatch mode meets a linear layer as a product of matrices, whose rows are those
    # of all images together, so that the batch has no dimension of its own; under inference_mode
    # it meets the layer itself.
    with isolated(module, grad=False), torch.inference_mode():
        yield


def _tape(model: Model, image: torch.Tensor, layer: Key) -> list[_Step] | None:
    """Record the operations up to the end of a layer's call; None if they cannot be replayed."""
    steps = _record(model, image, layer)
    twice = _record(model, image.expand(2, *image.shape[1:]).clone(), layer)
    if [step.func for step in steps] != [step.func for step in twice]:
        return None
    known = [step.learn(other.shapes()) for step, other in zip(steps, twice, strict=True)]
    return steps if all(known) else None


def _record(model: Model, images: torch.Tensor, layer: Key) -> list[_Step]:
    recorded = _Recorded()
    with _whole_operations(model.module), recorded:
        run_to(model.forward, images, {layer[0]: model.module.get_submodule(layer[0])}, [layer])
    return recorded.steps
