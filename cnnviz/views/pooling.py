"""Pooling of a feature map: what each method keeps, its switches, and what a shift changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.bounds import Index, Length, bounded
from cnnviz.course.pooling import METHODS, operations, pool, similarity_by_shift, switches
from cnnviz.errors import LayerError, UsageError
from cnnviz.introspection.layers import named_layers
from cnnviz.introspection.unit_names import check_channels
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.captured import Capture, check_capture
from cnnviz.passes.no_map import no_map
from cnnviz.results import drawing
from cnnviz.results.result import Result
from cnnviz.results.text import dimensions, layer_said, three_digits

FARTHEST = 4
"""Pixels of the map by which it is shifted at most."""
_DETAIL = 6
"""About how many values of the map stand in the picture as numbers, down and across."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Pooling(Result):
    """A feature map, pooled by four methods, and what a shift leaves of six operations.

    Attributes
    ----------
    image, layer : str
        The image and the layer.
    channel, channels : int
        The channel that is drawn, and how many the layer has, over all of which a shift is
        measured.
    map : ndarray of float32
        [H, W]: the map of that channel.
    size, stride : int
        Side of a window, and values from one window to the next.
    methods : tuple of str
        The methods of pooling.
    pooled : ndarray of float64
        [4, H', W']: what each makes of the map.
    switches : ndarray of int64
        [H', W', 2]: row and column of the largest value of each window.
    detail_at : (int, int)
        Upper row and left column of the part of the map that is drawn as numbers.
    detail : ndarray of float32
        [P, P]: that part.
    detail_pooled : ndarray of float64
        [4, p, p]: what each method makes of it.
    operations : tuple of str
        What is measured under a shift, the alternatives to pooling among them.
    output_sizes : tuple of (int, int)
        How many values each operation leaves of the map, down and across.
    receptive_fields : tuple of int
        How many values of the map one value of each output sees across.
    shifts : ndarray of int64
        [S]: the shifts in values of the map.
    similarity : ndarray of float64
        [6, S]: the correlation of each operation's result with that of the map as it is, over all
        channels, each about its own mean: 1 where nothing changed, 0 where the two have nothing in
        common; the mean of a shift to the left and of one upwards; NaN where one is constant.
    """

    derived: ClassVar[tuple[str, ...]] = ("repeated", "rectified")

    image: str
    layer: str
    channel: int
    channels: int
    map: NDArray[np.float32]
    size: int
    stride: int
    methods: tuple[str, ...]
    pooled: NDArray[np.float64]
    switches: NDArray[np.int64]
    detail_at: tuple[int, int]
    detail: NDArray[np.float32]
    detail_pooled: NDArray[np.float64]
    operations: tuple[str, ...]
    output_sizes: tuple[tuple[int, int], ...]
    receptive_fields: tuple[int, ...]
    shifts: NDArray[np.int64]
    similarity: NDArray[np.float64]

    @property
    def repeated(self) -> int:
        """How many windows have their maximum where another has it: none without overlap."""
        flat = self.switches.reshape(-1, 2)
        return len(flat) - len(np.unique(flat, axis=0))

    @property
    def rectified(self) -> bool:
        """Whether the map has no value below zero, as after a ReLU."""
        return bool(self.map.min() >= 0.0)

    def summary(self) -> str:
        """Say what is left of the map, and how similar it is after a shift by one."""
        plain, largest = self.similarity[0, 1], self.similarity[1, 1]
        told = (
            f"shifted by 1 the maps correlate with themselves by {three_digits(plain)}, their "
            f"maxima by {three_digits(largest)}"
            if np.isfinite([plain, largest]).all()
            else "the maps are constant, and what a shift changes is not measured"
        )
        return (
            f"{layer_said(self.layer)}: {dimensions(self.map.shape)} pooled over {self.size} x "
            f"{self.size} to "
            f"{dimensions(self.pooled.shape[1:])}; {told}"
        )

    def caption(self) -> str:
        """Say what is drawn, and how a shift is measured."""
        signs = (
            ""
            if self.rectified
            else " The map has values below zero (blue): it is not what an activation function "
            "such as ReLU gives, which networks usually pool."
        )
        row, column = self.detail_at
        overlap = (
            f" Windows overlap, so that {self.repeated} of {self.pooled[0].size} have a maximum "
            "that another has as well."
            if self.stride < self.size
            else ""
        )
        return (
            f"Channel {self.channel} of {layer_said(self.layer)} for {self.image}, and what is "
            "left of it when "
            f"windows of {self.size} x {self.size}, {self.stride} apart, become one value each: "
            "their largest, their mean, their sum, or the root of the sum of their squares (L2); a "
            f"sum is {self.size**2} times the mean, so that its picture is the same, on another "
            f"scale.{signs} Switches are "
            "where the largest value of each window was: the deconvnet puts values back there "
            f"(Zeiler and Fergus 2013).{overlap} Below, the values in the frame (rows from {row}, "
            f"columns from {column}) and what each method makes of them, rounded only when "
            "written, so that what is computed from the written ones may miss by one in the last "
            "digit; the largest of each window is in bold frames. The curves are measured on all "
            f"{self.channels} channels: they are shifted by whole values, and what comes out is "
            "correlated with what came out before, each channel about its own mean; the mean of a "
            "shift to the left and one upwards. 1 is the same, 0 has nothing in common with it. A "
            "sum correlates as its average does. Stride alone keeps every value at that step and "
            "sees nothing "
            "between; the dilated convolution (a Gaussian of 3 x 3, spread by the window's size; "
            "Yu and Koltun 2016) sees farther and keeps all places. What shifts by a whole "
            "multiple of the stride moves on as it is; between, values come out otherwise (Zhang "
            "2019)."
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the map, what is left of it, numbers, and curves over the shift."""
        from cnnviz.views.pictures.pooling import draw

        return draw(self, into)


@bounded
def pooling(
    capture: Capture,
    layer: str | None = None,
    *,
    channel: Index | None = None,
    image: Index = 0,
    size: Length = 2,
    stride: Length | None = None,
) -> Pooling:
    """Pool a feature map by four methods, and measure what a small shift changes.

    Parameters
    ----------
    capture : Capture
        A capture that holds the layer.
    layer : str, optional
        The layer; by default the first captured one with a map that has no value below zero, as
        after a ReLU, since this is what networks pool; where there is none, the first with a map.
    channel : int, optional
        The channel that is drawn; by default the one with the largest value.
    image : int
        Which of the captured images.
    size : int
        Side of a window, 2 by default.
    stride : int, optional
        Values from one window to the next; by default the size, so that windows do not overlap.

    Returns
    -------
    Pooling

    Raises
    ------
    LayerError
        If the layer was not captured, its output is no map, or it has no such channel.
    UsageError
        If a number cannot be, or the map is smaller than a window and the shifts.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> capture = cnnviz.capture(model, photo, layers="features.4")
    >>> cnnviz.pooling(capture).summary().split(";")[0]
    'features.4: 24 x 24 pooled over 2 x 2 to 12 x 12'
    """
    check_capture(capture, "pooling")
    check_takes_images(capture.model, "pooling")
    step = size if stride is None else stride
    name, maps = _maps_of(capture, layer, image)
    if channel is None:
        channel = int(maps.max((1, 2)).argmax())
    check_channels([channel], len(maps), name)
    measured = operations(size, step)
    farthest = _farthest(name, maps, size, [reach for _, reach in measured.values()])
    chosen = maps[channel : channel + 1]
    found = switches(chosen, size, step)[0]
    rows, columns = _detail(chosen[0], size, step)
    detail = chosen[0, rows, columns]
    return Pooling(
        provenance=capture.provenance,
        image=capture.batch.photos[image].name,
        layer=name,
        channel=channel,
        channels=len(maps),
        map=chosen[0],
        size=size,
        stride=step,
        methods=METHODS,
        pooled=np.concatenate([pool(chosen, method, size, step) for method in METHODS]),
        switches=found,
        detail_at=(rows.start, columns.start),
        detail=detail,
        detail_pooled=np.concatenate([pool(detail[None], m, size, step) for m in METHODS]),
        operations=tuple(measured),
        output_sizes=tuple(_shape(operation(chosen)) for operation, _ in measured.values()),
        receptive_fields=tuple(reach for _, reach in measured.values()),
        shifts=np.arange(farthest + 1),
        similarity=np.stack(
            [similarity_by_shift(maps, operation, farthest) for operation, _ in measured.values()]
        ),
    )


def _maps_of(capture: Capture, layer: str | None, image: int) -> tuple[str, NDArray[np.float32]]:
    """Return the layer that is pooled, and its maps of one image, [C, h, w]."""
    capture.check_image(image)
    name = layer if layer is not None else _first(capture, image)
    capture.check_map(name)
    return name, capture.activation_maps(name)[image].float().cpu().numpy()


def _farthest(name: str, maps: NDArray[np.float32], size: int, reaches: Sequence[int]) -> int:
    """Return by how many values maps [C, h, w] can be shifted at most under all operations."""
    sides = maps.shape[1:]
    found = int(min(FARTHEST, min(sides) - max(reaches)))
    if found < 1:
        raise UsageError(
            f"The map of {name} is {dimensions(sides)}: too small for windows of {size} x {size}, "
            "a dilated kernel and a shift.",
            "Name an earlier layer, or give a smaller size.",
        )
    return found


def _shape(maps: NDArray[np.float64]) -> tuple[int, int]:
    return int(maps.shape[1]), int(maps.shape[2])


def _first(capture: Capture, image: int) -> str:
    """Return the first layer whose maps are as after a ReLU, or else the first with maps."""
    mapped = capture.mapped()
    if not mapped:
        if not named_layers(capture.model.module):
            raise no_map(capture.model)
        raise LayerError(
            "None of the captured layers holds a map.",
            "Capture convolutions.",
            option="Name a layer with --layer to be told why it holds no map.",
        )
    for name in mapped:
        maps = capture.activation_maps(name)[image]
        # What is zero everywhere shows nothing of an image.
        if bool((maps >= 0.0).all()) and bool((maps > 0.0).any()):
            return name
    return mapped[0]


def _detail(values: NDArray[np.float32], size: int, stride: int) -> tuple[slice, slice]:
    """Return the rows and columns of whole windows around the largest value of a map."""
    middle = np.unravel_index(int(values.argmax()), values.shape)
    found = []
    for length, centre in zip(values.shape, middle, strict=True):
        windows = (length - size) // stride + 1
        shown = min(windows, max(1, (_DETAIL - size) // stride + 1))
        first = min(max(int(centre) // stride - shown // 2, 0), windows - shown)
        found.append(slice(first * stride, (first + shown - 1) * stride + size))
    return found[0], found[1]
