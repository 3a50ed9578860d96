"""Heatmaps by the name of their method, and made anew from what they were made with.

It stands among the views because it calls three of them, and is no view itself: below it nothing
makes maps of every kind, and above it only the views that check maps need them made again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnviz.heatmaps.attribution_methods import ATTRIBUTION_METHODS
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.heatmaps.checks.explained_batch import Asked, Explain, Maps
from cnnviz.heatmaps.constant_scores import unasked
from cnnviz.heatmaps.heatmap import Heatmap
from cnnviz.heatmaps.methods import check_method
from cnnviz.heatmaps.settings import (
    AttributionSettings,
    CamSettings,
    MapSettings,
    OcclusionSettings,
)
from cnnviz.images import Batch
from cnnviz.introspection.layers import named_layers, split, without_call
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.passes.targets import Target
from cnnviz.views.attribute import attribute
from cnnviz.views.cam import cam
from cnnviz.views.occlusion import occlusion


def heatmap(
    model: Model,
    batch: Batch,
    target: Target,
    method: str,
    *,
    layer: str | None = None,
    seed: int = 0,
) -> Heatmap:
    """Return the heatmap of a method, by its default settings, for one target of each image.

    Parameters
    ----------
    model : Model
        The network.
    batch : Batch
        The images.
    target : None, int, str, another target, a sequence of these, or callable
        What to explain.
    method : str
        One of `cnnviz.heatmaps.methods.method_names`.
    layer : str, optional
        For a class activation map: the layer; the last stage without it.
    seed : int
        The seed of the methods that draw at random.

    Raises
    ------
    UsageError
        If there is no such method.
    """
    check_method(method)
    named: Any = method
    if method in CAM_METHODS:
        known = named_layers(model.module)
        names = None if layer is None else split(layer, known)
        layers = "stages" if names is None else [without_call(name, known) for name in names]
        held = capture(model, batch, layers=layers, target=target, gradients="layers")
        return cam(held, names, named)
    if method in ATTRIBUTION_METHODS:
        return attribute(model, batch, named, target, seed=seed)
    return occlusion(model, batch, target=target)


def remake(model: Model, batch: Batch, target: Target, settings: MapSettings) -> Heatmap:
    """Return the heatmap that the same settings make for a network, images and targets.

    Parameters
    ----------
    model : Model
        The network.
    batch : Batch
        The images.
    target : None, int, str, another target, a sequence of these, or callable
        What to explain.
    settings : MapSettings
        What a heatmap was made with.
    """
    if isinstance(settings, CamSettings):
        held = capture(
            model,
            batch,
            layers=[name for name, _ in settings.layers],
            target=target,
            gradients="layers",
            rule=settings.rule,
        )
        calls = [f"{name}#{call}" for name, call in settings.layers]
        return cam(held, calls, settings.method, fuse=settings.fused, relu=settings.relu)
    if isinstance(settings, AttributionSettings):
        return attribute(
            model,
            batch,
            settings.method,
            target,
            baseline=settings.baseline,
            channels=settings.channels,
            steps=settings.steps,
            seed=settings.seed,
        )
    if isinstance(settings, OcclusionSettings):
        return occlusion(
            model,
            batch,
            settings.window,
            settings.stride,
            settings.fill,
            target,
            approximate=settings.approximate,
        )
    raise TypeError(f"{type(settings).__name__} is made by no view")


def explainer(settings: MapSettings) -> Explain:
    """Return what makes the last of the maps with these settings for any network and images."""

    def explain(model: Model, batch: Batch, asked: Asked) -> Maps:
        with unasked():
            return np.asarray(remake(model, batch, asked, settings).maps[-1], np.float32)

    return explain
