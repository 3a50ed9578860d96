"""Weights of channels that stand for nothing, because what follows undoes what they stand for.

The gradient before an instance norm adds up to zero in every channel: the norm takes away the mean
that Grad-CAM weighs a channel by, and the size that XGrad-CAM does. What is left of the sum is
rounding, up to a thousandth of its terms, or what the norm's eps lets through, and looks like a
map. Terms may also cancel so far in a layer that is not undone; which of the two it is, other
values of the layer tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cnnviz.errors import CnnvizError
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.stop_forward import run_to
from cnnviz.models import Model
from cnnviz.passes.batch_size import rows_in_cache
from cnnviz.passes.captured import Capture
from cnnviz.passes.independence import independence
from cnnviz.passes.wider_forward import wider_forward
from cnnviz.results.text import layer_said, listed

_IN_DOUBT = 1e-2
"""As a share of the sizes of the terms: smaller sums were not seen to be rounding beyond 4e-4."""
_NOTHING = 1e-3
"""As a share of what the same change does that is drawn for each place."""
_MOST_NAMED = 4
_HALVES = (torch.bfloat16, torch.float16)
_DRAWS = 3
"""By chance the changes of several channels may make up for each other, but hardly thrice."""


@dataclass(frozen=True)
class Weighing:
    """What the weight of a channel sums up, and the change of the channel that it stands for.

    Attributes
    ----------
    terms : callable
        From activations and gradients [N, C, h, w] to what is summed over the places.
    changed : callable
        From the activations of an image [C, h, w] and signs to what the layer gives in their place.
    cancelled : str
        Why every weight may be zero although the change makes a difference, in words.
    """

    terms: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    changed: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    cancelled: str


def _shifted(maps: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    spread = maps.flatten(1).std(1, correction=0)
    return maps + signs * spread.reshape(-1, *[1] * (maps.ndim - 1))


BY_MEAN = Weighing(
    lambda _, gradients: gradients,
    _shifted,
    "the gradient of each channel adds up to zero over its places",
)
BY_SIZE = Weighing(
    lambda activations, gradients: activations * gradients,
    lambda maps, signs: maps * (1.0 + 0.5 * signs),
    "the values of each channel, by whose sum it divides, add up to zero, as behind an instance "
    "norm, or what they are multiplied with does",
)


def channel_means(gradients: torch.Tensor) -> torch.Tensor:
    """Return the mean gradient of each channel [N, C], zero where it cancels but for rounding."""
    places = gradients.flatten(2)
    means, sizes = places.mean(2), places.abs().mean(2)
    cancels = means.abs() <= 8 * torch.finfo(gradients.dtype).eps * sizes
    return means.masked_fill(cancels, 0.0)


@dataclass(frozen=True)
class Undone:
    """Of which images the weights of a layer stand for nothing.

    Attributes
    ----------
    known : torch.Tensor
        [N], true where that is so.
    unknown : torch.Tensor
        [N], true where it may be so, and the network does not run on other values of the layer, or
        in float32.
    """

    known: torch.Tensor
    unknown: torch.Tensor

    def told(self, title: str, layer: str, names: Sequence[str]) -> list[str]:
        """Say of which images a map of this title is zero for it, and of which it may be noise.

        Parameters
        ----------
        title : str
            What the map is called.
        layer : str
            Where it is made.
        names : sequence of str
            What each image is called.
        """
        said = []
        if self.known.any():
            said.append(
                f"{title} is zero at {layer_said(layer)} for {_named(names, self.known)}: it gives "
                "each channel one weight, and what follows takes that out of the channel again, "
                "all of it or all but a thousandth, as an instance norm does. Choose a layer "
                "behind it, or hirescam or layercam, which weigh each place."
            )
        if self.unknown.any():
            said.append(
                f"{title} at {layer_said(layer)} may be rounding alone for "
                f"{_named(names, self.unknown)}: the terms of every weight cancel, and whether "
                "what follows undoes the weights could not be measured, since the network does "
                "not run on other values there, in float32 at least."
            )
        return said


def _named(names: Sequence[str], which: torch.Tensor) -> str:
    return listed([names[image] for image in which.nonzero()[:, 0].tolist()], _MOST_NAMED)


def undone(capture: Capture, layer: Key, weighing: Weighing) -> Undone:
    """Tell of which images all weights of a layer stand for nothing.

    Parameters
    ----------
    capture : Capture
        Images, with the activations and gradients of the layer.
    layer : (str, int)
        The layer's name and which of its calls.
    weighing : Weighing
        What the weights sum up.
    """
    activations = capture.activation_maps(layer).float()
    terms = weighing.terms(activations, capture.gradient_maps(layer).float()).flatten(2)
    sums, sizes = terms.sum(2).abs().amax(1), terms.abs().sum(2).amax(1)
    # Of the largest: in a channel that makes no difference rounding is all there is, of one sign.
    rounding = torch.finfo(capture.model.dtype).eps
    doubted = (sums <= max(_IN_DOUBT, 8 * rounding) * sizes) & (sizes > 0.0)
    known, unknown = torch.zeros_like(doubted), torch.zeros_like(doubted)
    for part in _together(capture, doubted.nonzero()[:, 0].tolist()):
        try:
            found = _makes_no_difference(capture, layer, part, weighing)
        except CnnvizError:  # A network may refuse what it was not given before.
            unknown[part] = doubted[part]
        else:
            known[part] = found.to(doubted.device) & doubted[part]
    return Undone(known, unknown)


def _together(capture: Capture, doubted: list[int]) -> list[list[int]]:
    """Return which images go through the network together: all where a target is for all."""
    if not doubted:
        return []
    images, targets = capture.batch.tensor, capture.resolved_targets
    for_all = any(callable(targets[image].asked) for image in doubted)
    if for_all and not independence(capture.model, images).alone:
        return [list(range(len(images)))]
    # One where images of a batch change each other's answers.
    at_once = rows_in_cache(capture.model, images)
    return [doubted[begin : begin + at_once] for begin in range(0, len(doubted), at_once)]


def _makes_no_difference(
    capture: Capture, layer: Key, images: list[int], weighing: Weighing
) -> torch.Tensor:
    """Tell of [B] whether a score stays when channels change as a whole, and not by places."""
    own = capture.activation_maps(layer)[images]
    own = own.float() if own.dtype in _HALVES else own
    draws = torch.Generator().manual_seed(0)
    before = _scores(capture, layer, images, own)

    def furthest(shape: Sequence[int]) -> torch.Tensor:
        moved = []
        for _ in range(_DRAWS):
            signs = torch.randint(0, 2, (len(own), *shape), generator=draws).to(own) * 2 - 1
            changed = [weighing.changed(*pair) for pair in zip(own, signs, strict=True)]
            moved.append((_scores(capture, layer, images, torch.stack(changed)) - before).abs())
        return torch.stack(moved).amax(0)

    whole = furthest((own.shape[1], *[1] * (own.ndim - 2)))
    return whole < _NOTHING * furthest(own.shape[1:])


def _scores(capture: Capture, layer: Key, images: list[int], maps: torch.Tensor) -> torch.Tensor:
    """Return the scores of some images where a layer gives other maps, in double precision."""
    module, layout, given = capture.model.module, capture.layout(layer), capture.activations[layer]
    count = len(capture.batch.tensor)
    each = [layout.repeated(given, image, count, 1) for image in images]
    held = torch.cat(each, layout.batch_of(tuple(given.shape), count))
    values = layout.put(held.to(maps.dtype), maps)

    def replace(key: Key, _inputs: object, _output: object) -> torch.Tensor | None:
        return values if key == layer else None

    with isolated(module, grad=False):
        output = run_to(
            _exact_forward(capture.model),
            capture.batch.tensor[images],
            {layer[0]: module.get_submodule(layer[0])},
            after=replace,
        )
        targets = [capture.resolved_targets[image] for image in images]
        scores = [target.score(output)[place] for place, target in enumerate(targets)]
    return torch.stack(scores).double()


def _exact_forward(model: Model) -> Callable[[torch.Tensor], Any]:
    """Return the forward pass, in float32 where a score of 8 or 11 bits would not tell a change."""
    if model.dtype not in _HALVES:
        return model.forward
    return wider_forward(model, torch.float32)
