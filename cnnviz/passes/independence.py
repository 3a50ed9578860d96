"""Whether a network answers an image the same alone and in a batch, and the same twice.

Most networks do. One with a batch norm without statistics, with a contrast over the batch, or with
a branch that depends on values does not, and what is computed for several images or variants at
once would then be wrong for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cnnviz.errors import CnnvizError, TargetError
from cnnviz.foreign_code import first_line
from cnnviz.introspection.function_calls import FunctionMode
from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.layers import named_layers
from cnnviz.introspection.network_cache import NetworkCache
from cnnviz.introspection.tolerance import differ
from cnnviz.models import Model
from cnnviz.models.detections import read_detections
from cnnviz.models.outputs import returns_boxes
from cnnviz.models.random_answers import floats
from cnnviz.results.text import percent

_READERS = frozenset(
    getattr(torch.Tensor, name)
    for name in ("__bool__", "__float__", "__int__", "__index__", "item", "tolist")
)
_CONTRAST = 0.1
_FLAT = 0.1
"""An image whose range is less, as a share of its largest value or of 1, is nearly of one grey."""


@dataclass(frozen=True)
class Independence:
    """What was found, in sentences that are empty where all is well.

    Attributes
    ----------
    alone : bool
        Whether each image has to run by itself.
    mixing : str
        Why, where images change each other's answers or may.
    repeating : str
        What is wrong where the same image gives different answers.
    """

    alone: bool = False
    mixing: str = ""
    repeating: str = ""


_UNTOLD = (
    "Whether images of a batch change each other's answers could not be told, so each image ran "
    "alone."
)
_KEPT: NetworkCache[Independence] = NetworkCache(values=True)


def independence(model: Model, inputs: torch.Tensor) -> Independence:
    """Run an image alone, again, and together with another, and compare.

    What is found is kept for the network and the size of its input, and told in the provenance of
    what is made with `model` from then on.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    inputs : torch.Tensor
        Preprocessed images [N, C, H, W], of which the first is used.
    """
    if any(isinstance(child, torch.jit.ScriptModule) for child in model.module.modules()):
        # What TorchScript holds cannot be told, and its images run one at a time anyway.
        return Independence(alone=True)
    image = inputs[:1].detach()
    around = torch.is_autocast_enabled(image.device.type), image.dtype
    question = (tuple(image.shape), *around)
    found = _KEPT.get(model.module, question, lambda: _find(model, image))
    model.remark("mixing", found.mixing)
    model.remark("repeating", found.repeating)
    return found


def _find(model: Model, image: torch.Tensor) -> Independence:
    dark, bright = _others(image)
    try:
        with isolated(model.module, grad=False):
            first, second = _run(model, image), _run(model, image)
        within = _apart(first.outputs, second.outputs)
        each_time = _apart(first.outputs, _alone(model, image).outputs) if within else 0.0
        repeating = _repeating(within, each_time)
        reads = [first.read, *(_alone(model, one).read for one in (dark, bright) if first.read)]
    except Exception as error:
        # What the network cannot do at all is told by the pass that needs it.
        told = f"could not be measured, so each ran alone: {_said(error)}."
        return Independence(True, f"Whether images change each other's answers {told}")
    if len(set(map(repr, reads))) > 1:
        told = "The network goes by values of its input which way it takes: each image ran alone."
        return Independence(True, told, repeating)
    if model.draws:
        # Row by row each image of a batch would meet other draws.
        return Independence(
            True, "Each image ran alone, so that all meet the same draws.", repeating
        )
    # What no pass repeats differs in a batch as well, whatever the others in it do.
    mixing = _UNTOLD if each_time else _mixing(model, first, image, bright)
    return Independence(bool(mixing or repeating), mixing, repeating)


def _said(error: Exception) -> str:
    return (error.what if isinstance(error, CnnvizError) else first_line(error)).rstrip(".")


def _others(image: torch.Tensor) -> list[torch.Tensor]:
    """Return a dark and a bright image of the same size, of little contrast."""
    low, high = float(image.min()), float(image.max())
    if high - low < _FLAT * max(abs(low), abs(high), 1.0):
        # Others of its own range would be the same image nearly, and change nothing.
        low, high = low - 1.0, high + 1.0
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(image.shape, generator=generator).to(image.device, image.dtype)
    span = _CONTRAST * (high - low)
    return [low + span * noise, high - span * noise]


@dataclass(frozen=True)
class _Run:
    """What the network gave, which values it looked at, and how many calls of layers it made."""

    outputs: Sequence[torch.Tensor]
    read: Sequence[Any]
    calls: int


class _Reads(FunctionMode):
    """Notes every value that is taken out of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[Any] = []

    def answer(self, func: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        found = func(*args, **named)
        if func in _READERS:
            self.read.append(found)
        return found


def _alone(model: Model, image: torch.Tensor) -> _Run:
    with isolated(model.module, grad=False):
        return _run(model, image)


def _run(model: Model, images: torch.Tensor) -> _Run:
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    with _Reads() as reads, module_hooks(named_layers(model.module), before=count):
        output = model.forward(images.clone())
    return _Run(_answers(model, output), reads.read, calls)


def _answers(model: Model, output: Any) -> list[torch.Tensor]:
    """Return what is compared: all numbers, or of boxes their scores in order.

    Boxes of nearly the same score change places by the last digit.
    """
    if not returns_boxes(model, output):
        return list(floats(output))
    try:
        found = read_detections(model, output)
    except TargetError:
        return list(floats(output))
    return [one.scores.sort(descending=True).values for one in found]


def _repeating(within: float, each_time: float) -> str:
    """Say how far apart passes are that follow one another, and that begin from the same state."""
    if each_time:
        return (
            "The network gives another answer to the same image each time (by up to "
            f"{percent(each_time)} of the largest output), whatever the seed: no pass is repeated "
            "by the next, and what is computed from several mixes different answers."
        )
    if within:
        return (
            "The network keeps something of one pass for the next, which changes its answer to the "
            f"same image (by up to {percent(within)} of the largest output)."
        )
    return ""


def _mixing(model: Model, alone: _Run, image: torch.Tensor, other: torch.Tensor) -> str:
    """Say what two images in a batch do to each other's answers; nothing where they do nothing.

    Both are compared, and the other comes first: an image that all are compared with, such as the
    first or the one of the largest value, gets the same answer in any batch.
    """
    try:
        other_alone, run = _alone(model, other), _alone(model, torch.cat([other, image]))
    except Exception as error:
        return f"The network takes one image at a time: {_said(error)}."
    if run.calls == other_alone.calls + alone.calls:
        return "The network runs images of a batch one after the other, so each ran alone."
    rows = (other_alone.outputs, alone.outputs)
    shares = [differ(one, row) for one, row in _pairs(rows, run.outputs)]
    if not shares or float("inf") in shares:
        return _UNTOLD
    if not any(shares):
        return ""
    return (
        "In this network images of a batch change each other's answers (by up to "
        f"{percent(max(shares))} of the largest output), so each image ran alone."
    )


def _pairs(
    alone: Sequence[Sequence[torch.Tensor]], together: Sequence[torch.Tensor]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Go through what each image was given alone, with its part of what was given for all."""
    for place, own in enumerate(alone):
        if len(together) == sum(map(len, alone)):
            # An entry for each image, as detectors return.
            start = sum(map(len, alone[:place]))
            yield from zip(own, together[start : start + len(own)], strict=True)
        elif len(together) == len(own):
            for one, every in zip(own, together, strict=True):
                # What has no row for each image, such as a loss beside the scores, is of the batch.
                if one.ndim and every.ndim and len(every) == len(alone) * len(one):
                    yield one, every[place * len(one) : (place + 1) * len(one)]


def _apart(one: Sequence[torch.Tensor], two: Sequence[torch.Tensor]) -> float:
    if len(one) != len(two):
        return float("inf")
    return max(map(differ, one, two), default=0.0)
