"""What the explorer holds of each layer: its maps, and what each class makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.explorer.linear_head import LinearHead
from cnnviz.heatmaps.cam_methods import CAM_METHODS, GradientCam
from cnnviz.heatmaps.cancelled_weights import BY_MEAN, channel_means, undone
from cnnviz.heatmaps.constant_scores import constant_told, gradient_swings
from cnnviz.heatmaps.doubts import CONSTANT
from cnnviz.introspection.layer_tensors import Key
from cnnviz.introspection.receptive_fields import ReceptiveField
from cnnviz.introspection.tracing import trace
from cnnviz.models import Model
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.targets import Scores
from cnnviz.results.progress import Progress
from cnnviz.results.text import listed

BY_PLACE = ("hirescam", "layercam")
"""Methods whose maps are kept as they are, since their gradients have a value for each place."""
_IMAGES_AT_ONCE = 8
_MOST_NAMED = 3
_ALIKE = 1e-4
"""Of the largest weight: how well the gradients of a linear head agree with it."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ExploredLayer:
    """A layer of the page.

    Attributes
    ----------
    name : str
        Its name, with ``#call`` where it is called several times.
    activations : ndarray of float32
        [C, h, w], what it gives for the photo.
    classes : tuple of int
        The K classes that can be asked for here.
    weights : ndarray of float32
        [K, C], the mean over the places of the gradient of each class's score: the weights of
        Grad-CAM (Selvaraju et al. 2017, equation 1).
    maps : dict of str to ndarray of float32
        By method the map [K, h, w] of each class. Empty with a linear head, where both are that of
        Grad-CAM, or of its positive weights.
    head : LinearHead or None
        What follows the layer, where that is a mean over the places and a linear layer.
    field : ReceptiveField or None
        What of the image each place sees; None where that is unknown.
    doubts : tuple of str
        Why Grad-CAM of which classes must not be read as evidence.
    """

    name: str
    activations: Floats
    classes: tuple[int, ...]
    weights: Floats
    maps: dict[str, Floats]
    head: LinearHead | None
    field: ReceptiveField | None
    doubts: tuple[str, ...]

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return len(self.activations)


def explored_layers(
    seen: Capture,
    image: Any,
    names: Sequence[str],
    classes: Sequence[int],
    progress: Progress,
    head: LinearHead | None = None,
) -> tuple[ExploredLayer, ...]:
    """Return what the page holds of some layers.

    Parameters
    ----------
    seen : Capture
        The photo, captured at these layers.
    image : Any
        The photo, as it was given.
    names : sequence of str
        The layers, from shallow to deep.
    classes : sequence of int
        The classes that can be asked for at every layer; where a linear head follows, all can.
    progress : callable
        Called as ``progress(done, total, what)``.
    head : LinearHead, optional
        What follows the last layer, where that is known to be a mean and a linear layer.
    """
    model = seen.model
    keys = {name: seen.activations.resolve(name) for name in names}
    gradients = _Gradients(model, image, keys, classes, progress)
    fields = trace(model.module, seen.batch.tensor)
    found = []
    for name, key in keys.items():
        activations = seen.activation_maps(key)[0].float()
        own = head if name == names[-1] else None
        own = None if own is None else _passing(own, gradients.weights[name], classes)
        every = tuple(classes) if own is None else tuple(range(seen.logits.shape[1]))
        found.append(
            ExploredLayer(
                name=name,
                activations=activations.cpu().numpy(),
                classes=every,
                weights=gradients.weights[name] if own is None else own.weights,
                maps=gradients.maps[name] if own is None else {},
                head=own,
                field=fields.find(*key).map_field,
                doubts=gradients.doubts(name),
            )
        )
    return tuple(found)


def _passing(head: LinearHead, weights: Floats, classes: Sequence[int]) -> LinearHead | None:
    """Return a head with its share of places, or None where the gradients are not those of it."""
    slopes = head.slopes[list(classes)]
    squares = (slopes**2).sum(0)
    shares = (slopes * weights).sum(0) / np.where(squares == 0.0, 1.0, squares)
    off = np.abs(slopes * shares - weights).max()
    if off > _ALIKE * np.abs(weights).max():
        return None
    return replace(head, passed=shares.astype(np.float32))


class _Gradients:
    """The weights and maps of each class at each layer, some classes at a time."""

    def __init__(
        self,
        model: Model,
        image: Any,
        keys: Mapping[str, Key],
        classes: Sequence[int],
        progress: Progress,
    ) -> None:
        weights: dict[str, list[Floats]] = {name: [] for name in keys}
        maps: dict[str, dict[str, list[Floats]]] = {
            name: {method: [] for method in BY_PLACE} for name in keys
        }
        self._doubts: dict[str, list[str]] = {name: [] for name in keys}
        self._constant: list[str] = []
        layers = list(dict.fromkeys(name for name, _ in keys.values()))
        for start in range(0, len(classes), _IMAGES_AT_ONCE):
            progress(start, len(classes), "gradients of the classes")
            wanted = list(classes[start : start + _IMAGES_AT_ONCE])
            held = capture(
                *(model, [image] * len(wanted)),
                layers=layers,
                target=wanted,
                gradients="layers",
            )
            named = [model.category(one) for one in wanted]
            told = Scores(held.scores, held.resolved_targets)
            constant = constant_told(held, told, gradient_swings(held))
            self._constant += [named[place] for place in constant]
            for name, key in keys.items():
                values, slopes = held.activation_maps(key).float(), held.gradient_maps(key).float()
                means = channel_means(slopes)
                lost = undone(held, key, BY_MEAN)
                means[lost.known] = 0.0
                self._doubts[name] += lost.told(CAM_METHODS["gradcam"].title, name, named)
                weights[name].append(means.cpu().numpy())
                for method in BY_PLACE:
                    maps[name][method].append(_formula(method, values, slopes))
        self.weights = {name: np.concatenate(parts) for name, parts in weights.items()}
        self.maps = {
            name: {method: np.concatenate(parts) for method, parts in by_method.items()}
            for name, by_method in maps.items()
        }

    def doubts(self, layer: str) -> tuple[str, ...]:
        """Say why Grad-CAM of a layer must not be read as evidence, and for which classes."""
        said = self._doubts[layer]
        if self._constant:
            said = [*said, f"Maps of {listed(self._constant, _MOST_NAMED)}: {CONSTANT}."]
        return tuple(said)


def _formula(method: str, activations: torch.Tensor, gradients: torch.Tensor) -> Floats:
    line = CAM_METHODS[method]
    assert isinstance(line, GradientCam)
    found: Floats = line.formula(activations, gradients).cpu().numpy()
    return found
