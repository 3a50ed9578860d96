"""What the answer loses when a part of the image is hidden: occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Length, Within, bounded
from cnnviz.errors import UsageError
from cnnviz.heatmaps.array_heatmaps import spectrograms_told
from cnnviz.heatmaps.constant_scores import constant_told
from cnnviz.heatmaps.doubts import CONSTANT, ROUNDED, Doubts, doubts
from cnnviz.heatmaps.heatmap import Heatmap, photo_fields
from cnnviz.heatmaps.methods import OCCLUSION, OCCLUSION_TITLE
from cnnviz.heatmaps.occlusion import Grid, block_grid, roundings_told
from cnnviz.heatmaps.settings import OcclusionSettings
from cnnviz.images.baselines import BASELINES, Baseline, baseline_images
from cnnviz.images.inputs import Images
from cnnviz.introspection.hooks import isolated
from cnnviz.models import Model, as_model
from cnnviz.passes.batch_size import rows_that_fit
from cnnviz.passes.box_targets import asked_boxes, overlaps_told
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.fast_model import now_computed_on
from cnnviz.passes.independence import independence
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.targets import Scores, Target
from cnnviz.results.progress import Progress, silent
from cnnviz.results.space import IMAGE, space_of
from cnnviz.results.text import dimensions
from cnnviz.views._occlusion_search import Laid, OcclusionSearch

_MOST_COLOURS = 4
"""Images whose colour is named."""
_FILLS = {
    "mean": "its mean colour",
    "blur": "its own blur",
    "noise": "uniform noise",
    "black": "black",
}

_ARRAY_FILLS = {
    "mean": "the mean of each channel",
    "blur": "its own blur along each axis",
    "noise": "uniform noise of its own range",
    "black": "zeros",
}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Occlusion(Heatmap):
    """What each pixel's hiding takes from the score, and what each square's takes.

    Attributes
    ----------
    drops : ndarray of float32
        For each square of the grid the score of the whole image less the score with the square
        hidden, [N, rows, columns]; for each window of a signal, and each block of a volume.
    window, stride : int
        The side of a square, and the step from one to the next, in pixels of the network's input,
        or in samples; of a block its height and width.
    """

    drops: NDArray[np.float32]
    window: int
    stride: int

    def of_images(self, part: slice, page: str = "") -> Self:
        """Return the maps and drops of some of the photos."""
        return replace(super().of_images(part, page), drops=self.drops[part])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the map of pixels and the drops of the squares."""
        return {**super().arrays(), "drops": self.drops}

    @property
    def unit(self) -> str:
        """What the values of a map are, in words."""
        side = f" behind squares of {self.window} x {self.window} px"
        return f"fall of the score{side if self.space == IMAGE else ''}"

    def caption(self) -> str:
        """Say what the colours mean, and how the squares were laid."""
        said = (*self.notes, *self.doubts)
        told = spectrograms_told(self) + "".join(f" {note}" for note in said)
        return (
            f"{self.title}: how much the score falls where the {self.space.noun} is hidden. Red "
            "is evidence for the target, which hiding takes away; blue is evidence against it. "
            "Each map has its own scale, printed above it in the unit of the score."
            f"{self._how_seen('.')}{self._slices_told()}{told}"
        )


@bounded
@in_smaller_batches
def occlusion(
    model: Model | nn.Module,
    images: Images,
    window: Length = 32,
    stride: Length = 16,
    fill: Baseline = "mean",
    target: Target = None,
    *,
    approximate: Annotated[float | None, Within(0.0, 1.0, above=True)] = None,
    progress: Progress = silent,
) -> Occlusion:
    """Hide one square of each image after the other, and see what the score loses.

    A pixel's value is the mean drop of the score over the squares that hide it (Zeiler and Fergus
    2013). Squares lie as in captum's `Occlusion`, whose values these are. Of each layer only the
    patch that a square changes is computed (Nakandala et al. 2019), which is exact.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images.
    window : int
        The side of the square, in pixels of the network's input; the length of a window of a
        signal, in samples. Where it is more than the input's shorter side, or would hide all of the
        input, half that side is taken instead, with half of that as stride. A block of a volume has
        as large a share of the slices as of the shorter side of each.
    stride : int
        The step from one square to the next, in pixels; at most `window`.
    fill : {"mean", "blur", "noise", "black"}
        What a square shows: the mean colour of the image, the image blurred, noise, or black.
    target : None, int, str, sequence of these, or callable
        What is explained; the likeliest class of each image by default.
    approximate : float, optional
        The largest share of a layer's side, above 0 and at most 1, that a square is taken to
        change: less work, and an error that is measured and told.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while squares are hidden.

    Returns
    -------
    Occlusion
        One map for each image, at the size of the network's input.

    Raises
    ------
    UsageError
        If an argument is out of range.
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.
    TargetError
        If a target does not fit the output.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> print(cnnviz.occlusion(model, photo, window=32, stride=32).summary())
    Occlusion for 'crescent' at the input
    """
    _check(window, stride, fill)
    wrapped = as_model(model)
    _check_approximate(approximate, wrapped)
    batch = wrapped.prepare(images)
    target = checked_target(wrapped, target, batch)
    held = capture(wrapped, batch, layers=(), gradients=False)
    inputs = held.batch.tensor
    grid, notes = _grid(inputs, window, stride, fill)
    with isolated(wrapped.module, grad=False):
        explained = held.scored(target)
        baselines = baseline_images(wrapped.preprocessing, inputs, fill)
        alone = independence(wrapped, inputs).alone
        at_once = 1 if alone else max(2, rows_that_fit(wrapped, inputs))
    search = OcclusionSearch(wrapped, inputs, baselines, explained, grid, at_once)
    drops, found = search.run(approximate, progress)
    names = tuple(resolved.name for resolved in explained.resolved_targets)
    notes += _colours_told(held, baselines) if fill == "mean" else []
    photos = [one.name for one in held.batch.photos]
    notes += overlaps_told(explained.resolved_targets, photos)
    doubted, coarse = _doubts(held, explained, drops, photos)
    return Occlusion(
        provenance=replace(
            held.provenance,
            targets=names,
            seed=0,
            computed_on=_computed_on(held.computed_on, now_computed_on(wrapped, inputs)),
        ),
        method=OCCLUSION,
        title=OCCLUSION_TITLE,
        layers=("input",),
        maps=(np.stack([grid.spread(each) for each in drops]),),
        **photo_fields(held),
        targets=names,
        relu=False,
        notes=(*notes, *found, *coarse, *filter(None, [wrapped.explained_input])),
        doubts=doubted.said,
        marks=doubted.marks,
        target_classes=tuple(resolved.class_index for resolved in explained.resolved_targets),
        asked_boxes=asked_boxes(explained.resolved_targets) if held.detects else (),
        settings=_settings(grid, fill, approximate),
        drops=drops,
        window=grid.window,
        stride=grid.stride,
    )


def _doubts(
    held: Capture, explained: Scores, drops: NDArray[np.float32], names: Sequence[str]
) -> tuple[Doubts, list[str]]:
    """Say of which images the drops are rounding, and of which they are coarse for it."""
    largest = torch.from_numpy(np.abs(drops).reshape(len(drops), -1).max(1))
    constant = constant_told(held, explained, largest)
    others = [place for place in range(len(names)) if place not in constant]
    nothing, coarse = roundings_told(
        explained.values[others], drops[others], [names[place] for place in others]
    )
    causes = (CONSTANT, constant), (ROUNDED, [others[place] for place in nothing])
    said = [*constant.values(), *nothing.values()]
    return doubts(said, [[""] * len(names)], *causes), coarse


def _settings(grid: Laid, fill: Baseline, approximate: float | None) -> OcclusionSettings:
    return OcclusionSettings(
        method=OCCLUSION,
        window=grid.window,
        stride=grid.stride,
        fill=fill,
        approximate=approximate,
    )


def _check_approximate(approximate: float | None, model: Model) -> None:
    if approximate is not None and model.space != IMAGE:
        what = f"What a hidden part of a {model.space.noun} changes is not approximated."
        raise UsageError(what, "Leave approximate out.")


def _computed_on(whole: str, hidden: str) -> str:
    """Say on what the score of the whole input and those with a part hidden were computed."""
    return hidden if whole == hidden else f"{hidden}; the score of the whole input on: {whole}"


def _check(window: int, stride: int, fill: str) -> None:
    if stride > window:
        raise UsageError(
            f"Squares of {window} px cannot go in steps of {stride} px.",
            "Give a stride from 1 to the window.",
        )
    if fill not in BASELINES:
        raise UsageError(f"There is no fill {fill!r}.", f"Choose {', '.join(BASELINES)}.")


def _grid(inputs: torch.Tensor, window: int, stride: int, fill: Baseline) -> tuple[Laid, list[str]]:
    size = tuple(int(length) for length in inputs.shape[2:])
    space, side, notes = space_of(len(size)), min(size[-2:]), []
    # One that hides everything says nothing of any place.
    hides_all = window >= max(size[-2:]) > 1
    if window > side or hides_all:
        what, unit = _WINDOWS[space.noun]
        do = "do not fit into" if window > side else "hide all of"
        notes = [f"{what} of {window} {unit} {do} an input of {space.size(size)}."]
        window = max(1, side // 2)
        stride = max(1, window // 2)
    grid: Laid
    if space == IMAGE:
        grid = Grid(size[0], size[1], window, stride)
    else:
        grid = block_grid(size, window, stride)
    return grid, [*notes, _told(grid, fill)]


_WINDOWS = {
    "image": ("Squares", "px"),
    "signal": ("Windows", "samples"),
    "volume": ("Blocks", "voxels"),
}


def _told(grid: Laid, fill: Baseline) -> str:
    """Say how the squares, windows or blocks were laid, and what they show."""
    if isinstance(grid, Grid):
        return (
            f"Squares of {grid.window} x {grid.window} px, {grid.stride} px apart ({grid.rows} x "
            f"{grid.columns}), hide the image behind {_FILLS[fill]}; a pixel has the mean drop of "
            "the score over the squares that hide it."
        )
    space = space_of(len(grid.size))
    what, _ = _WINDOWS[space.noun]
    return (
        f"{what} of {space.size(grid.windows)}, {dimensions(grid.strides)} apart "
        f"({dimensions(grid.shape)}), hide the {space.noun} behind {_ARRAY_FILLS[fill]}; a "
        f"{space.place} has the mean drop of the score over those that hide it."
    )


def _colours_told(held: Capture, baselines: torch.Tensor) -> list[str]:
    """Say which colour the mean of each image is, where its channels are those of a picture."""
    prepared = held.model.preprocessing
    if prepared.space != IMAGE or prepared.channels not in (1, 3):
        return []
    colours = [prepared.invert(one[:, :1, :1].cpu())[0, 0].tolist() for one in baselines]
    if prepared.channels == 1:
        words = [f"grey {colour[0]}" for colour in colours]
    else:
        words = [f"RGB {', '.join(map(str, colour))}" for colour in colours]
    if len(set(words)) > 1:
        names = [photo.name for photo in held.batch.photos]
        words = [f"{name} {word}" for name, word in zip(names, words, strict=True)]
    told = "; ".join(dict.fromkeys(words[:_MOST_COLOURS]))
    more = " …" if len(set(words)) > _MOST_COLOURS else ""
    return [f"The mean colour of what the network saw, from 0 to 255: {told}{more}."]
