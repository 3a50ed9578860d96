"""Methods by name, each as a function that makes its maps anew for any network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import torch

from cnnviz.errors import TargetError, UsageError, did_you_mean
from cnnviz.heatmaps.checks.explained_batch import Explain, Maps
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.images import Batch
from cnnviz.introspection.hooks import preserve_state
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.passes.targets import Target, describe, logits_of, score
from cnnviz.views import attribute, cam, occlusion

CAMS: tuple[str, ...] = get_args(cam.Method)
ATTRIBUTIONS: tuple[str, ...] = get_args(attribute.Method)
OCCLUSION = "occlusion"
METHODS: tuple[str, ...] = (*CAMS, *ATTRIBUTIONS, OCCLUSION)
"""The methods that can be asked for by name."""
EVERY_CLASS = "every class"
"""What a method explains that asks for no class."""
INPUT = "input"
"""What stands for the layer of a map with a value for every pixel."""
FUSED = " | "
"""What stands between the names of layers whose maps were fused into one."""


def heatmap(
    model: Model,
    batch: Batch,
    classes: Sequence[int],
    method: str,
    *,
    layer: str | None = None,
    seed: int = 0,
) -> Heatmap:
    """Return the heatmap of a method for one class of each image.

    Parameters
    ----------
    model : Model
        The network.
    batch : Batch
        The images.
    classes : sequence of int
        The class to explain, for each image.
    method : str
        One of `METHODS`.
    layer : str, optional
        For a class activation map: the layer; the last stage without it.
    seed : int
        The seed of the methods that draw at random.

    Raises
    ------
    UsageError
        If there is no such method.
    """
    target = list(classes)
    named: Any = method
    if method in CAMS:
        layers = "stages" if layer is None else layer.split(FUSED)
        held = capture(model, batch, layers=layers, target=target, gradients="layers")
        if layer is None:
            return cam.cam(held, None, named)
        return cam.cam(held, layers, named, fuse=len(layers) > 1)
    if method in ATTRIBUTIONS:
        return attribute.attribute(model, batch, named, target, seed=seed)
    if method == OCCLUSION:
        return occlusion.occlusion(model, batch, target=target)
    raise UsageError(
        f"There is no method {method!r} of making heatmaps.",
        did_you_mean(method, METHODS, f"Choose {', '.join(METHODS)}."),
    )


def explainer(method: str, *, layer: str | None = None, seed: int = 0) -> Explain:
    """Return a method with its default settings as a function of network, images and classes."""

    def explain(model: Model, batch: Batch, classes: Sequence[int]) -> Maps:
        found = heatmap(model, batch, classes, method, layer=layer, seed=seed)
        return np.asarray(found.maps[-1], np.float32)

    return explain


def explained_classes(
    model: Model, batch: Batch, explained: Heatmap | str, target: Target = None
) -> tuple[int, ...]:
    """Return the one class of each image that a heatmap explains.

    Parameters
    ----------
    model : Model
        The network.
    batch : Batch
        The images.
    explained : Heatmap or str
        A heatmap, which names what it explains; or the name of a method.
    target : None, int, str, or sequence of these
        The class, where it is known.

    Raises
    ------
    TargetError
        If something else than one class is explained, or its name does not tell which.
    """
    with preserve_state(model.module), torch.no_grad():
        output = model.forward(batch.tensor.clone())
    logits = logits_of(output)
    if logits.ndim != 2:
        raise TargetError(
            f"The network returns {describe(logits)}, which holds no probabilities of classes.",
            "Give a network that returns [N, classes].",
        )
    if target is None and isinstance(explained, Heatmap):
        best = logits.argmax(1).tolist()
        return tuple(
            _named(model, name, top, logits.shape[1])
            for name, top in zip(explained.targets, best, strict=True)
        )
    found = [
        resolved.class_index
        for resolved in score(model, output, target, len(batch)).resolved_targets
    ]
    if any(index is None for index in found):
        raise _no_class()
    return tuple(index for index in found if index is not None)


def _named(model: Model, name: str, top: int, count: int) -> int:
    # Several classes may have one name; the likeliest of the image comes first.
    if name in (model.category(top), EVERY_CLASS):
        return top
    found = [index for index in range(count) if model.category(index) == name]
    if len(found) != 1:
        raise _no_class(name)
    return found[0]


def _no_class(name: str = "") -> TargetError:
    what = f"{name!r}" if name else "What was explained"
    return TargetError(
        f"{what} is not one class of the network, whose probability could be followed.",
        "Give the class as target=.",
    )
