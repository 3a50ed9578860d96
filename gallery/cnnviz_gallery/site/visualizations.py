"""Feature visualizations for the pages of units, made once and kept beside the scan."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from cnnviz.errors import CnnvizError, UsageError
from cnnviz.introspection.unit_names import read_units
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.results.drawing import Pixels
from cnnviz.results.progress import Progress, silent
from cnnviz.units.visualization import Announce
from cnnviz.units.visualization.jobs import read_span
from cnnviz.units.visualization.objectives import read_objectives
from cnnviz.views.feature_visualization import feature_visualization
from cnnviz.views.pictures.feature_visualization import pixels
from cnnviz_gallery.site.context import Visualizations

FOLDER = "visualizations"


def check(model: Model, units: str, budget: str | None = None) -> None:
    """Raise a `CnnvizError` where something other than channels that there are is named.

    It can be called long before `visualize`, which follows a scan of hours.
    """
    read_span(budget)
    for objective in read_objectives(model, units):
        if objective.kind != "channel":
            raise UsageError(
                f"{objective.name!r} is no channel, and the gallery has pages for channels only.",
                "Name channels, such as layer:3,7 or layer:*.",
            )


def visualize(
    model: Model,
    units: str,
    folder: Path | None = None,
    *,
    steps: int = 256,
    budget: str | None = None,
    progress: Progress = silent,
    announce: Announce | None = None,
) -> Visualizations:
    """Make pictures that drive channels furthest, for `cnnviz_gallery.site.build.build`.

    Parameters
    ----------
    model : Model
        The network; it is left as it was.
    units : str
        Channels as `cnnviz.feature_visualization` takes them: ``layer:3,7``, ``layer:*`` or
        ``conv:*``, with semicolons between several.
    folder : Path, optional
        The folder of the scan, in which finished pictures are kept: none is made twice.
    steps, budget, progress, announce
        As in `cnnviz.feature_visualization`.

    Returns
    -------
    mapping of str to mapping of int to ndarray
        The pictures [h, w, 3] by layer and channel.

    Raises
    ------
    UsageError
        If something other than channels is named.
    """
    check(model, units, budget)
    made = feature_visualization(
        model,
        units,
        steps,
        budget=budget,
        state=None if folder is None else folder / FOLDER,
        progress=progress,
        announce=announce,
    )
    found: dict[str, dict[int, Pixels]] = {}
    for name, pictures in zip(made.units, made.pictures, strict=True):
        (unit,) = read_units(name)
        found.setdefault(unit.layer, {})[unit.channel] = pixels(pictures[0])
    return found


def peak_of(model: Model, layer: str, channel: int, picture: Pixels) -> float | None:
    """Return the highest activation of a channel in a picture, by a forward pass of its pixels.

    At the size that it has, without any resizing. None where the network takes no such picture, as
    one of another number of channels than grey or RGB.
    """
    channels = model.preprocessing.channels
    if channels not in (1, 3):
        return None
    values = torch.from_numpy(picture[..., :channels].astype(np.float32) / 255.0).permute(2, 0, 1)
    mean, std = (
        torch.tensor(numbers)[:, None, None]
        for numbers in (model.preprocessing.mean, model.preprocessing.std)
    )
    try:
        found = capture(model, ((values - mean) / std)[None], layers=[layer], gradients=False)
        peak = float(found.activations[layer][0, channel].max())
    except (CnnvizError, KeyError):
        return None
    return peak if math.isfinite(peak) else None
