"""What may be given as images, data, layers, targets and units; checked and never run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Subset

import cnnviz
from cnnviz.datasets.aliases import Data
from cnnviz.images import Batch
from cnnviz.images.inputs import Images
from cnnviz.introspection.layers import Layers
from cnnviz.introspection.unit_names import Unit
from cnnviz.passes.targets import OneTarget, Target
from cnnviz.results.table import Table
from cnnviz.units.visualization import Units
from cnnviz.views.predictions import Predictions


def images(
    model: cnnviz.Model,
    photo: cnnviz.Photo,
    picture: Image.Image,
    pixels: NDArray[np.uint8],
    deep: NDArray[np.uint16],
    unknown: NDArray[Any],
    tensor: torch.Tensor,
    paths: Iterator[Path],
) -> None:
    one: list[Images] = ["a.png", Path("a.png"), b"...", photo, picture, pixels, deep, unknown]
    many: list[Images] = [["a.png", Path("b.png")], (picture, pixels), [photo], paths, {"a.png"}]
    prepared: list[Images] = [tensor, [tensor, tensor], model.prepare("a.png")]
    for given in (*one, *many, *prepared):
        assert_type(model.prepare(given), Batch)
        assert_type(cnnviz.capture(model, given), cnnviz.Capture)
        assert_type(cnnviz.report(model, given), cnnviz.Report)
        assert_type(cnnviz.attribute(model, given), cnnviz.Heatmap)
    cnnviz.attribute(model, np.asarray(picture))
    cnnviz.attribute(model, [np.asarray(picture) for _ in range(3)])


def targets(model: cnnviz.Model, each: Sequence[int], names: list[str]) -> None:
    several: list[OneTarget] = [
        cnnviz.Contrast("star", 3),
        cnnviz.SumOf("star", 3),
        cnnviz.Region("star"),
    ]
    given: list[Target] = [None, 3, "star", "star - arrow", each, names, several, several[0]]
    for target in given:
        cnnviz.capture(model, "a.png", target=target)
        cnnviz.occlusion(model, "a.png", target=target)
    cnnviz.attribute(model, "a.png", target=lambda output: output.topk(2).values.diff(dim=1)[:, 0])


def layers(model: cnnviz.Model, names: tuple[str, ...]) -> None:
    given: list[Layers] = ["conv", "features.*", ["features.0", "pool"], names]
    for chosen in given:
        capture = cnnviz.capture(model, "a.png", layers=chosen)
        cnnviz.cam(capture, chosen)
        cnnviz.receptive_field(model, layers=chosen)


def data(
    model: cnnviz.Model, opened: cnnviz.Dataset, shapes: cnnviz.Shapes, subset: Subset[Any]
) -> None:
    given: list[Data] = ["shapes", Path("photos"), opened, shapes, subset, ["a.png", "b.png"]]
    for source in given:
        assert_type(cnnviz.open_dataset(source, 20), cnnviz.Dataset)
        cnnviz.top_activations(model, source)
        cnnviz.loss_landscape(model, source)


def units(model: cnnviz.Model) -> None:
    direction = cnnviz.Direction("features.0", np.ones(8))
    given: list[Units] = ["features.0:3", direction, ["class:star", Unit("features.0", 3)]]
    for chosen in given:
        cnnviz.feature_visualization(model, chosen)


def pictures(
    heatmap: cnnviz.Heatmap, whole: Figure, part: SubFigure, axes: Axes, answer: Predictions
) -> None:
    assert_type(heatmap.figure(), Figure)
    assert_type(heatmap.figure(figure=whole), Figure)
    assert_type(heatmap.figure(figure=part), Figure)
    assert_type(heatmap.figure(ax=axes), Figure)
    assert_type(heatmap.save("a.svg", size=(6.5, 3), dpi=300, font="serif"), Path)
    assert_type(answer.table(), Table)
