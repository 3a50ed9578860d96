"""Tell whether everything between a layer and a score is linear.

The gradient at the layer then is the same whatever the layer gives. A rectifier or a max-pool lets
a gradient pass or not by a sign, or by which of two numbers is greater; where these lie within
rounding of each other, whatever rounds otherwise turns it over, and the gradient of all that lies
below. What is not known to be linear counts as not linear.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch.autograd.graph import Node

_MOVES = (
    *("view", "unsafeview", "reshapealias", "asstrided", "alias", "t", "transpose", "permute"),
    *("expand", "squeeze", "unsqueeze", "select", "slice", "split", "splitwithsizes", "unbind"),
    *("cat", "stack", "clone", "tocopy", "flip", "roll", "repeat", "constantpadnd"),
    *("reflectionpad1d", "reflectionpad2d", "replicationpad1d", "replicationpad2d"),
    *("pixelshuffle", "pixelunshuffle", "contiguous", "identity", "detach", "liftfresh"),
)
_SUMS = (
    *("add", "sub", "rsub", "neg", "sum", "mean", "avgpool1d", "avgpool2d", "avgpool3d"),
    *("adaptiveavgpool1d", "adaptiveavgpool2d", "adaptiveavgpool3d"),
    *("upsamplenearest1d", "upsamplenearest2d", "upsamplenearest3d"),
    *("upsamplelinear1d", "upsamplebilinear2d", "upsamplebicubic2d", "upsampletrilinear3d"),
)
_FACTORS = {
    **dict.fromkeys(("mul", "mm", "bmm", "mv", "dot", "matmul"), (0, 1)),
    **dict.fromkeys(("addmm", "baddbmm", "addbmm", "addmv"), (1, 2)),
    **dict.fromkeys(("convolution", "withgradient"), (0, 1)),
}
"""Operations that are linear in each of two arguments, which must not both depend on the layer."""
_MADE = ("empty", "emptylike", "emptystrided", "zeros", "zeroslike", "ones", "scalartensor", "full")
"""Operations that make a tensor of none, or of the form of one alone."""
_TRAINING = 5
"""Where a batch norm is told whether it goes by what it is given."""
_LINEAR = frozenset([*_MOVES, *_SUMS, *_FACTORS, "div", "nativebatchnorm", *_MADE])


class LinearSuffix:
    """Watches a forward pass, and knows from which layers on all that came was linear.

    Parameters
    ----------
    known : iterable of torch.Tensor
        Parameters and buffers of the network, by which may be multiplied.
    """

    def __init__(self, known: Iterable[torch.Tensor]) -> None:
        self._known = {id(tensor) for tensor in known}
        self._layers: dict[str, None] = {}
        self._called: set[str] = set()

    def called(self, layer: str) -> None:
        """Note that a layer has given its output."""
        # In a later call it is not where the graph would start.
        if layer not in self._called:
            self._called.add(layer)
            self._layers[layer] = None

    def see(self, func: Any, args: Sequence[Any]) -> None:
        """Note an operation."""
        if self._layers and not self._is_linear(_plain(func._schema.name.split("::")[-1]), args):
            self._layers.clear()

    def layers(self) -> frozenset[str]:
        """Return the layers after whose first call all was linear."""
        return frozenset(self._layers)

    def _is_linear(self, name: str, args: Sequence[Any]) -> bool:
        if name == "nativebatchnorm":
            return args[_TRAINING] is False
        if name not in ("mul", "bmm", "div"):
            # The others multiply by weights, or the graph of the score will tell.
            return name in _LINEAR
        # One number for all is a constant more often than not.
        factors = [each for each in args[:2] if isinstance(each, torch.Tensor) and each.ndim]
        return sum(id(each) not in self._known for each in factors) < 2


def is_linear(scores: torch.Tensor) -> bool:
    """Whether scores are linear in all that their graph begins with."""
    seen: set[Node] = set()
    left = [scores.grad_fn]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if not _is_linear(node):
            return False
        left += [below for below, _ in node.next_functions]
    return True


def _is_linear(node: Node) -> bool:
    if node.name() == "torch::autograd::AccumulateGrad":
        return True
    name = _plain(node.name().split("::")[-1].split("Backward")[0])
    below = [following is not None for following, _ in node.next_functions]
    if name == "nativebatchnorm":
        return getattr(node, "_saved_training", None) is False and not any(below[1:])
    if name == "div":
        return not any(below[1:])
    return name in _LINEAR and not _multiplies(name, below)


def _multiplies(name: str, below: Sequence[bool]) -> bool:
    """Whether an operation multiplies two tensors that both depend on the layer."""
    places = _FACTORS.get(name)
    return places is not None and all(place < len(below) and below[place] for place in places)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
