"""What every part of a scan must agree on: found in the first image that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, cast

import torch

from cnnviz.datasets import Dataset, LoadedBatch
from cnnviz.errors import TargetError
from cnnviz.models import Model
from cnnviz.models.categories import classes_called
from cnnviz.models.outputs import class_probabilities, read_output, scores_of
from cnnviz.passes import scan
from cnnviz_gallery.scan import quantised_sums
from cnnviz_gallery.scan.one_size import check_one_size
from cnnviz_gallery.scan.scan_result import Grouping
from cnnviz_gallery.scan.sent_back import check_sent_back

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class CountedLayer:
    """A layer that is counted.

    Attributes
    ----------
    layer : str
        Its name.
    shape : tuple of int
        (C, H, W) of its output.
    units : tuple of float
        What its channels are summed in.
    centres : tuple of int
        The peak above zero of each channel in the first image, in its unit.
    """

    layer: str
    shape: Shape
    units: tuple[float, ...]
    centres: tuple[int, ...]


@dataclass(frozen=True)
class ScanPlan:
    """What is known before anything is counted.

    Attributes
    ----------
    input_shape : tuple of int
        (C, H, W) of what goes into the network.
    layers : tuple of Counted
        The layers.
    classes : int
        Columns of the network's output; 0 where it is not one row of scores for each image.
    grouping : {"labels", "predictions"}
        What the groups of images are.
    groups : int
        How many there are.
    label_classes : tuple of int
        For each label the class of the network that it means, or -1; empty where a label is the
        number of its class.
    """

    input_shape: Shape
    layers: tuple[CountedLayer, ...]
    classes: int
    grouping: Grouping
    groups: int
    label_classes: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "input_shape": list(self.input_shape),
            "layers": [list(astuple(each)) for each in self.layers],
            "classes": self.classes,
            "grouping": self.grouping,
            "groups": self.groups,
            "label_classes": list(self.label_classes),
        }

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> ScanPlan:
        """Return what `to_json` wrote."""
        return cls(
            _shape(held["input_shape"]),
            tuple(
                CountedLayer(name, _shape(shape), tuple(units), tuple(centres))
                for name, shape, units, centres in held["layers"]
            ),
            held["classes"],
            held["grouping"],
            held["groups"],
            tuple(held["label_classes"]),
        )


def plan_scan(model: Model, data: Dataset, names: Sequence[str]) -> ScanPlan:
    """Run the first image that can be read, once all are known to come out in one size.

    Raises
    ------
    UsageError
        If images come out in different sizes.
    LayerError
        If a layer has no channels, or its units cannot be sent back to the pixels.
    ImageError
        If no image can be read.
    """
    check_one_size(model, data)
    first = scan.first_batch(data, model, range(len(data)))
    check_sent_back(model, first.tensor[:1], names)
    layers: list[CountedLayer] = []
    outputs: list[torch.Tensor | None] = []

    def see(layer: str, maps: torch.Tensor, _batch: LoadedBatch) -> None:
        finite = maps[0].float().nan_to_num(0.0, 0.0, 0.0).flatten(1).cpu()
        units = quantised_sums.units_for(finite.abs().amax(1).numpy())
        centres = quantised_sums.centres_for(finite.amax(1), units)
        numbers = tuple(units.tolist()), tuple(centres.tolist())
        layers.append(CountedLayer(layer, _shape(maps.shape[1:]), *numbers))

    scan.scan(
        model,
        data,
        names,
        see,
        batch_size=1,
        workers=1,
        indices=[int(first.indices[0])],
        answered=lambda output, _batch: outputs.append(class_shares(model, output)),
    )
    classes = 0 if outputs[0] is None else outputs[0].shape[1]
    # Of some data sets only a few have a label, and others tell one with the image alone.
    labelled = bool(first.labels[0] >= 0) or any(
        data.label(at) is not None for at in range(len(data))
    )
    return ScanPlan(
        input_shape=_shape(first.tensor.shape[1:]),
        layers=tuple(layers),
        classes=classes,
        grouping="labels" if labelled else "predictions",
        groups=(len(data.classes) or classes) if labelled else classes,
        label_classes=classes_meant(data.classes, class_names(model), classes),
    )


def classes_meant(wanted: Sequence[str], known: Sequence[str], classes: int) -> tuple[int, ...]:
    """Return for each label of the data the class that it means, or -1; none where it has no names.

    By name, as `ClassNames` matches them. Where the network has none, names in as many folders as
    it has classes stand in their order, as a training on them has it; of others nothing is known.
    """
    if wanted and not known:
        return tuple(range(classes)) if len(wanted) == classes else (-1,) * len(wanted)
    return classes_called(wanted, known) if wanted else ()


def class_names(model: Model) -> tuple[str, ...]:
    """Return the names of the classes as its output has them, or none where they are not known."""
    reading = model.reading
    return (model.categories if reading is None else reading.names) or ()


def class_shares(model: Model, output: Any) -> torch.Tensor | None:
    """Return the probability of each class, [N, classes], or None where there are none.

    There are none for values and embeddings, nor for a map of classes for every pixel.
    """
    try:
        reading, scores = read_output(model, output), scores_of(model, output)
    except TargetError:
        return None
    return class_probabilities(reading, scores.detach().cpu()) if scores.ndim == 2 else None


def _shape(shape: Sequence[int]) -> Shape:
    return cast("Shape", tuple(int(size) for size in shape))
