"""Heatmaps by name, as the functions that checks make them anew with."""

from __future__ import annotations

from cnnviz.heatmaps.checks.explained_batch import Explain
from cnnviz.views._explainers import heatmap


def by_name(method: str, layer: str | None = None) -> Explain:
    """Return a method by its default settings as a function of network, images and classes."""
    return lambda model, batch, classes: heatmap(model, batch, classes, method, layer=layer).maps[
        -1
    ]
