"""Weights of channels that are rounding alone, because what follows undoes what they stand for.

The gradient before an instance norm adds up to zero in every channel: the norm takes away the mean
that Grad-CAM weighs a channel by, and the size that XGrad-CAM does. What is left of the sum is
rounding, up to a thousandth of its terms, and looks like a map. A score may also depend so little
on a layer that is not undone; which of the two it is, other values of the layer tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from cnnviz.errors import CnnvizError
from cnnviz.introspection.layer_tensors import Key
from cnnviz.passes.batch_size import rows_in_cache
from cnnviz.passes.captured import Capture
from cnnviz.passes.run_from_layer import ForwardFromLayer
from cnnviz.passes.targets import ResolvedTarget

_IN_DOUBT = 1e-2
"""As a share of the sizes of the terms: smaller sums were not seen to be rounding beyond 4e-4."""
_NOTHING = 1e-3
"""As a share of what the same change does that is drawn for each place."""


@dataclass(frozen=True)
class Weighing:
    """What the weight of a channel sums up, and the change of the channel that it stands for.

    Attributes
    ----------
    terms : callable
        From activations and gradients [N, C, h, w] to what is summed over the places.
    changed : callable
        From the activations of an image [C, h, w] and signs to what the layer gives in their place.
    """

    terms: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    changed: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _shifted(maps: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    spread = maps.flatten(1).std(1, correction=0)
    return maps + signs * spread.reshape(-1, *[1] * (maps.ndim - 1))


BY_MEAN = Weighing(lambda _, gradients: gradients, _shifted)
BY_SIZE = Weighing(
    lambda activations, gradients: activations * gradients,
    lambda maps, signs: maps * (1.0 + 0.5 * signs),
)


def channel_means(gradients: torch.Tensor) -> torch.Tensor:
    """Return the mean gradient of each channel [N, C], zero where it cancels but for rounding."""
    places = gradients.flatten(2)
    means, sizes = places.mean(2), places.abs().mean(2)
    cancels = means.abs() <= 8 * torch.finfo(gradients.dtype).eps * sizes
    return means.masked_fill(cancels, 0.0)


def undone(
    capture: Capture,
    layer: Key,
    weighing: Weighing,
    targets: Sequence[ResolvedTarget] | None = None,
) -> torch.Tensor:
    """Tell of which images all weights of a layer are rounding alone, [N].

    Parameters
    ----------
    capture : Capture
        Images, with the activations and gradients of the layer.
    layer : (str, int)
        The layer's name and which of its calls.
    weighing : Weighing
        What the weights sum up.
    targets : sequence of ResolvedTarget, optional
        What is explained of each image; that of the capture if not given.
    """
    activations = capture.activation_maps(layer).float()
    terms = weighing.terms(activations, capture.gradient_maps(layer).float()).flatten(2)
    small = terms.sum(2).abs() <= _IN_DOUBT * terms.abs().sum(2)
    found = torch.zeros(len(small), dtype=torch.bool, device=small.device)
    asked = capture.resolved_targets if targets is None else targets
    for image in (small.all(1) & terms.flatten(1).any(1)).nonzero()[:, 0].tolist():
        found[image] = _makes_no_difference(capture, layer, image, weighing, asked[image])
    return found


def _makes_no_difference(
    capture: Capture, layer: Key, image: int, weighing: Weighing, target: ResolvedTarget
) -> bool:
    """Tell whether the score stays when each channel changes as a whole, and not place by place."""
    layout, given = capture.layout(layer), capture.activations[layer]
    own = capture.activation_maps(layer)[image]
    draws = torch.Generator().manual_seed(0)
    tried = [own]
    for shape in ((len(own), *[1] * (own.ndim - 1)), own.shape):
        signs = torch.randint(0, 2, shape, generator=draws).to(own) * 2 - 1
        tried.append(weighing.changed(own, signs))
    one, images = capture.batch.tensor[image : image + 1], len(capture.batch.tensor)
    at_once, scores = rows_in_cache(capture.model, capture.batch.tensor), list[float]()
    try:
        run = ForwardFromLayer(capture.model, one, layer)
        # Where images of a batch change each other's answers, one after the other.
        for part in torch.split(torch.stack(tried), at_once):
            repeated = layout.repeated(given, image, images, len(part))
            output = run(layout.put(repeated, part), len(part))
            scores += target.score(output).double().tolist()
    except CnnvizError:  # A target that is for all images together, say: nothing is known.
        return False
    before, whole, places = scores
    return bool(abs(whole - before) < _NOTHING * abs(places - before))
