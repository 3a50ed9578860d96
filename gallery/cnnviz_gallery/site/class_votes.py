"""Which units vote for a class: what each adds to its score, measured on images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.tolerance import tolerance
from cnnviz.introspection.unit_names import Unit
from cnnviz.models.weights import layer_weight
from cnnviz_gallery.site.context import SiteContext

VOTES = 12


@dataclass(frozen=True)
class Vote:
    """What one or several units add to the score of a class.

    Attributes
    ----------
    units : tuple of Unit
        The units whose sum the last layer reads there: several behind a shortcut.
    value : float
        What they add; see `ClassVotes`.
    """

    units: tuple[Unit, ...]
    value: float

    def page_unit(self, subject: SiteContext) -> Unit:
        """Return the unit that stands for all of them: the last that has a page, if any has."""
        order = list(subject.folders)
        there = [unit for unit in self.units if subject.has(unit)]
        return max(there, key=lambda unit: order.index(unit.layer), default=self.units[-1])


@dataclass(frozen=True)
class ClassVotes:
    """The units that add most to the score of a class, where they add more than nothing.

    A unit adds the value that arrives at the last layer times its weight there, over all positions
    of it, and of a convolution the mean over the positions of its output: the mean of that over
    the images. Without images, or where what arrives cannot be read or is not finite, it is the sum
    of the weights.

    Attributes
    ----------
    votes : tuple of Vote
        The largest first, at most `VOTES`.
    images : int
        How many images were measured; 0 where the values are weights alone.
    """

    votes: tuple[Vote, ...]
    images: int

    def to_json(self) -> dict[str, Any]:
        """Return the votes as `votes_of_json` reads them."""
        rows = [
            [[[unit.layer, unit.channel] for unit in vote.units], vote.value] for vote in self.votes
        ]
        return {"images": self.images, "votes": rows}


def votes_of_json(found: dict[str, Any]) -> ClassVotes:
    """Return what `ClassVotes.to_json` came from."""
    votes = tuple(
        Vote(tuple(Unit(layer, channel) for layer, channel in units), float(value))
        for units, value in found["votes"]
    )
    return ClassVotes(votes, int(found["images"]))


def class_votes(subject: SiteContext, index: int, places: Sequence[int]) -> ClassVotes:
    """Return the votes for a class.

    Parameters
    ----------
    subject : SiteContext
        The network.
    index : int
        The class.
    places : sequence of int
        The images to measure.
    """
    layer = subject.last_layer
    arriving = {} if layer is None else subject.weights.arriving(layer)
    if layer is None or not arriving:
        return ClassVotes((), 0)
    module = subject.model.module.get_submodule(layer.partition("#")[0])
    added = _added(subject, module, layer, index, places) if places else None
    measured = added is not None and len(added) == sum(map(len, arriving.values()))
    each = added if added is not None and measured else _weights(module, index)
    found = [Vote(units, float(each[list(at)].sum())) for units, at in arriving.items() if units]
    found.sort(key=lambda vote: -vote.value)
    votes = tuple(vote for vote in found[:VOTES] if vote.value > 0.0)
    return ClassVotes(votes, len(places) if measured else 0)


def _weights(module: nn.Module, index: int) -> NDArray[np.float64]:
    """Return the weights of a class, added up over the positions of a kernel, [features]."""
    weight = layer_weight(module)[index].detach().double().cpu()
    return np.asarray(weight.reshape(len(weight), -1).sum(1).numpy())


def _added(
    subject: SiteContext, module: nn.Module, layer: str, index: int, places: Sequence[int]
) -> NDArray[np.float64] | None:
    """Return what each feature adds to the score of a class on average, or None if unknown."""
    read: list[torch.Tensor] = []
    given: list[torch.Tensor] = []

    def before(name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], torch.Tensor):
            read.append(inputs[0].detach().clone())

    def after(name: str, module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        given.append(output.detach().clone())

    model = subject.model
    batch = model.prepare(subject.images.tensors(places))
    with (
        isolated(model.module, grad=False),
        module_hooks({layer: module}, before=before, after=after),
    ):
        model.forward(batch.tensor)
    call = int(layer.partition("#")[2] or 0)
    if call >= len(read) or len(read[call]) != len(places):
        return None
    found = _contributions(module, layer_weight(module)[index].detach(), read[call])
    if found is None or not _adds_up(module, found, index, given[call]):
        return None
    added = np.asarray(found.double().mean(0).cpu().numpy())
    return added if np.isfinite(added).all() else None


def _adds_up(module: nn.Module, found: torch.Tensor, index: int, given: torch.Tensor) -> bool:
    """Whether what the features add is what the layer gave: a class of its own may weigh anew."""
    own = given[..., index] if isinstance(module, nn.Linear) else given[:, index]
    biases: torch.Tensor | None = getattr(module, "bias", None)
    bias = 0.0 if biases is None else float(biases.detach()[index])
    apart = (found.double().sum(1) + bias - own.double().reshape(len(own), -1).mean(1)).abs()
    sizes = found.double().abs().sum(1) + abs(bias)
    return bool((apart <= tolerance(given) * sizes).all())


def _contributions(
    module: nn.Module, weight: torch.Tensor, read: torch.Tensor
) -> torch.Tensor | None:
    """Return what each feature adds for each image, [N, features].

    `weight` is that of the class alone, [features] or [features, h, w].
    """
    if isinstance(module, nn.Linear):
        rows = read * weight
        return rows.flatten(1, -2).mean(1) if read.ndim > 2 else rows
    if not isinstance(module, nn.Conv2d) or module.groups > 1 or module.padding_mode != "zeros":
        return None
    alone = F.conv2d(
        read,
        weight[:, None],
        None,
        module.stride,
        module.padding,
        module.dilation,
        groups=len(weight),
    )
    return alone.mean((2, 3))
