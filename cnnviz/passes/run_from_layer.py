"""Run a network from one of its layers on, with other outputs there, many at a time.

What lies below the layer is computed once. Later passes are given its results by a dispatch mode,
operation by operation, so that branches and skip connections past the layer find what they need,
and no module has to be taken apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.operation_mode import OperationMode
from cnnviz.introspection.stop_forward import run_to
from cnnviz.introspection.tolerance import differ
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
        with the batch in one dimension each, image by image, so that all is computed every time.
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
        # In memory of their own, as images are: some code asks whether a tensor is contiguous.
        images = self._image.expand(count, *self._image.shape[1:]).clone()
        if self._tape is None:
            return self._run(images, values, _Untaped())
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
            return mode.real(run_to(self._model.forward, images, layer, after=replace))


class _OtherPath(Exception):  # noqa: N818
    """The network took another path than the one that was recorded."""


class _Step:
    """One recorded operation: what it returned, and how the batch makes it grow."""

    def __init__(self, func: Any, result: Any) -> None:
        self.func = func
        self.leaves, self.form = tree_flatten(result)
        self.growths: list[_Growth | None] = [None] * len(self.leaves)

    def learn(self, other: _Step) -> bool:
        """Compare with the step for two images; False if they do not tell the batch's place."""
        if self.form != other.form:  # It takes the images of a batch apart.
            return False
        for place, (one, two) in enumerate(zip(self.leaves, other.leaves, strict=True)):
            if not (isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor)):
                continue
            if one.shape == two.shape:
                continue
            growth = _growth(one, two)
            if growth is None:
                return False
            self.growths[place] = growth
        return True

    def result(self, count: int, later: _Later) -> Any:
        leaves = [
            _again(value) if growth is None else later.stand_in(value, growth, count)
            for value, growth in zip(self.leaves, self.growths, strict=True)
        ]
        return tree_unflatten(leaves, self.form)


class _Growth(NamedTuple):
    """Along which dimension a result has more for more images, and in which order."""

    dimension: int
    in_turn: bool
    """Whether all of one image comes before the next, as windows that are cut from it may; else
    all images stand together at each place."""
    strides: tuple[int, ...]
    """Those of the result for two images."""

    def of(self, value: torch.Tensor, count: int) -> torch.Tensor:
        """Return the result for so many copies of the image."""
        if self.in_turn:
            return torch.cat([value] * count, self.dimension)
        return value.repeat_interleave(count, self.dimension)

    def empty(self, value: torch.Tensor, count: int) -> torch.Tensor:
        """Return a tensor of the shape and strides of that result, which has no memory."""
        shape = list(value.shape)
        shape[self.dimension] *= count
        own = self.strides[self.dimension]
        strides = [one * count // 2 if one > own else one for one in self.strides]
        # What is no inference tensor, as a view of a parameter, is replaced by none either.
        with torch.inference_mode(value.is_inference()):
            found = torch.empty_strided(shape, strides, dtype=value.dtype, device=value.device)
        found.untyped_storage().resize_(0)
        return found


def _growth(one: torch.Tensor, two: torch.Tensor) -> _Growth | None:
    """Return how what one image gives became what two give; None where that cannot be told."""
    if one.dim() != two.dim() or one.is_complex():
        return None
    grown = [d for d in range(one.dim()) if one.shape[d] != two.shape[d]]
    if len(grown) != 1 or two.shape[grown[0]] != 2 * one.shape[grown[0]]:
        return None
    both = [_Growth(grown[0], in_turn, two.stride()) for in_turn in (True, False)]
    if one.shape[grown[0]] == 1:
        return both[0]
    return next((each for each in both if not differ(each.of(one, 2), two)), None)


class _Later:
    """Stands for results that are put together only where something above the layer reads them.

    Most of what lies below a layer is read there alone, so that nobody needs more of it than its
    shape.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[torch.Tensor, torch.Tensor, _Growth, int]] = {}
        self._made: dict[int, torch.Tensor] = {}

    def stand_in(self, value: torch.Tensor, growth: _Growth, count: int) -> torch.Tensor:
        empty = growth.empty(value, count)
        self._kept[_memory(empty)] = empty, value, growth, count
        return empty

    def real(self, value: Any) -> Any:
        """Return what a tensor stands for, the same one each time, since it may be written to."""
        if not self._kept or not isinstance(value, torch.Tensor):
            return value
        found = self._kept.get(_memory(value))
        if found is None:
            return value
        _, kept, growth, count = found
        if id(kept) not in self._made:
            self._made[id(kept)] = growth.of(kept, count)
        return self._made[id(kept)]


def _memory(value: torch.Tensor) -> int:
    return int(value.untyped_storage()._cdata)


def _again(value: Any) -> Any:
    # What an operation on a parameter returned is marked as a view of it, which works once only.
    return value.detach() if isinstance(value, torch.Tensor) else value


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

    def real(self, output: Any) -> Any:
        """Return the network's output with nothing in it that stands for something else."""
        return output


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
        self._later = _Later()

    def answer(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if self.ended:
            args, kwargs = self.real((args, kwargs))
            return func(*args, **kwargs)
        if self._next >= len(self._tape) or self._tape[self._next].func is not func:
            raise _OtherPath
        self._next += 1
        return self._tape[self._next - 1].result(self._count, self._later)

    def real(self, output: Any) -> Any:
        return tree_map(self._later.real, output)


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
    known = [step.learn(other) for step, other in zip(steps, twice, strict=True)]
    return steps if all(known) else None


def _record(model: Model, images: torch.Tensor, layer: Key) -> list[_Step]:
    recorded = _Recorded()
    with _whole_operations(model.module), recorded:
        run_to(model.forward, images, {layer[0]: model.module.get_submodule(layer[0])}, [layer])
    return recorded.steps
