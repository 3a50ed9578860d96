"""How far feature maps, and the answer, follow an image that is shifted across the frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Length, bounded
from cnnviz.errors import LayerError, UsageError
from cnnviz.images.inputs import Images
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.captures import capture
from cnnviz.passes.checked_target import checked_target
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.resolved_target import Unit
from cnnviz.passes.targets import Target
from cnnviz.results import drawing
from cnnviz.results.known_mean import mean_of_known
from cnnviz.results.progress import Progress, silent
from cnnviz.results.table import Table, TableColumn, TableResult
from cnnviz.views._equivariance_layers import compared_layers, tracks_of, usual_shift
from cnnviz.views._equivariance_walk import Walk
from cnnviz.views._equivariance_words import caption, summary
from cnnviz.views.pictures.equivariance import draw


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Equivariance(TableResult):
    """How far the maps of L layers and the answers to N images follow S shifts.

    Attributes
    ----------
    layers : tuple of str
        The L layers, in the order of the forward pass.
    strides : ndarray of int64
        [L]: pixels of the image from one position of the layer to the next, along the shift.
    fields : tuple of str
        The receptive field of each layer, in words.
    images : tuple of str
        The names of the N images.
    shifts : ndarray of int64
        [S]: pixels of the network's input that each image is shifted by, from 0.
    direction : {"right", "down"}
        Which way.
    edge : {"photo", "wrap"}
        What enters at the edge: what the photo has there, or what left on the other side.
    inside : ndarray of float64
        [L, N, S]: the mismatch of maps over the positions that no edge reaches, whose receptive
        field lies wholly in what both frames show: the distance between the map of the shifted
        image and the shifted map of the image, as a share of the deviation of the former from the
        means of its channels. NaN where the layer has no such position.
    everywhere : ndarray of float64
        [L, N, S]: the same over all positions that both maps have, edges and padding among them.
    compared : ndarray of int64
        [L, S]: how many positions along the shift no edge reaches.
    moved : ndarray of float64
        [L, N, S]: the shift in pixels under which the two maps match best; NaN where it cannot be
        told.
    answers : ndarray of float64
        [N, S]: the probability of what is followed, or its score, where it has none.
    unit : {"probability", "score"}
        Which of the two.
    targets : tuple of str
        What is followed of each image.
    classes : ndarray of int64
        [N, S]: the likeliest class; -1 where the network names none.
    class_names : tuple of tuple of str
        [N][S]: its name.
    consistency : ndarray of float64
        [N]: the share of pairs of shifts at which the likeliest class is the same; NaN where the
        network names none.
    beyond : ndarray of float64
        [N, S]: the share of the pixels that lie beyond the photo and show its mirror image.
    unmeasured : tuple of str
        The layers that could not be compared, each with the reason.
    strip : ndarray of uint8
        The first image at some of the shifts, side by side, [H, W, 3].
    strip_shifts : tuple of int
        Which.
    example_layer : str
        The deepest layer with a stride whose comparison is free of edges, or else the deepest;
        empty where none was compared.
    example_channel : int
        The channel of it that is shown, which varies most over the first image.
    example_shifts : tuple of int
        The pixels by which the first image was shifted: to the middle between two positions, and by
        a whole stride.
    example_wanted, example_found : ndarray of float32
        [2, h, w]: that channel's map of the image, shifted along, and its map of the shifted image.
        NaN where nothing is known of the former.
    example_within : ndarray of int64
        [2, 2]: the first position along the shift that no edge reaches, and the one after the last.
    """

    left_out: ClassVar[tuple[str, ...]] = ("strip",)
    derived: ClassVar[tuple[str, ...]] = ("at_strides", "between_strides")

    layers: tuple[str, ...]
    strides: NDArray[np.int64]
    fields: tuple[str, ...]
    images: tuple[str, ...]
    shifts: NDArray[np.int64]
    direction: Literal["right", "down"]
    edge: Literal["photo", "wrap"]
    inside: NDArray[np.float64]
    everywhere: NDArray[np.float64]
    compared: NDArray[np.int64]
    moved: NDArray[np.float64]
    answers: NDArray[np.float64]
    targets: tuple[str, ...]
    classes: NDArray[np.int64]
    class_names: tuple[tuple[str, ...], ...]
    consistency: NDArray[np.float64]
    beyond: NDArray[np.float64]
    strip: NDArray[np.uint8]
    strip_shifts: tuple[int, ...]
    example_layer: str
    example_channel: int
    example_shifts: tuple[int, ...]
    example_wanted: NDArray[np.float32]
    example_found: NDArray[np.float32]
    example_within: NDArray[np.int64]
    unmeasured: tuple[str, ...] = ()
    unit: Unit = "probability"

    def free(self, layer: int) -> bool:
        """Whether a layer has positions that no edge reaches, at every shift."""
        return bool((self.compared[layer] > 0).all())

    def errors(self, layer: int) -> NDArray[np.float64]:
        """The mismatch of a layer, mean over the images whose maps are not constant, [S].

        Where no edge reaches, if there is any such place at every shift; else everywhere.
        """
        return mean_of_known(self._of_images(layer), 0)

    def constant(self, layer: int) -> int:
        """Return of how many images a layer has constant maps, which tell nothing, at a shift."""
        unknown = np.isnan(self._of_images(layer))
        # What no image has at a shift was not compared; unshifted, every position is.
        unknown[:, 1:] &= ~unknown[:, 1:].all(0)
        return int(unknown.any(1).sum())

    def _of_images(self, layer: int) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (self.inside if self.free(layer) else self.everywhere)[layer]
        return found

    @property
    def at_strides(self) -> NDArray[np.float64]:
        """The mean mismatch at shifts by multiples of the stride, but for 0, [L]."""
        return self._mean(whole=True)

    @property
    def between_strides(self) -> NDArray[np.float64]:
        """The mean mismatch at all other shifts, [L]; NaN for a stride of 1, which has none."""
        return self._mean(whole=False)

    def _mean(self, *, whole: bool) -> NDArray[np.float64]:
        found = np.full(len(self.layers), np.nan)
        for place, stride in enumerate(self.strides):
            chosen = ((self.shifts % stride == 0) == whole) & (self.shifts > 0)
            if chosen.any():
                found[place] = self.errors(place)[chosen].mean()
        return found

    def table(self) -> Table:
        """Return a row for each layer."""
        columns = (
            "layer",
            TableColumn("stride", "px"),
            "receptive field",
            "free of edges",
            "mismatch at whole strides",
            "mismatch between strides",
        )
        rows = zip(
            self.layers,
            self.strides.tolist(),
            self.fields,
            [self.free(place) for place in range(len(self.layers))],
            self.at_strides.tolist(),
            self.between_strides.tolist(),
            strict=True,
        )
        return Table.of(columns, rows)

    def summary(self) -> str:
        """Say how well the deepest layer follows, and how steady the answer is."""
        return summary(self)

    def caption(self) -> str:
        """Say what was shifted, what enters, what is compared, and what the curves are."""
        return caption(self)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the shifted image, what the maps did, the mismatch, and the answer."""
        return draw(self, into)


@bounded
@in_smaller_batches
def equivariance(
    model: Model | nn.Module,
    images: Images,
    layers: Layers | None = None,
    target: Target = None,
    *,
    shift: Length | None = None,
    direction: Literal["right", "down"] = "right",
    edge: Literal["photo", "wrap"] = "photo",
    progress: Progress = silent,
) -> Equivariance:
    """Shift images pixel by pixel, and measure how far the maps of each layer follow.

    After Zhang 2019, "Making Convolutional Networks Shift-Invariant Again".

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images; of a photo that is larger than the network's crop, what enters is the photo.
    layers : str or sequence of str, optional
        Layers by kind, pattern or name; by default those that have a stride, and the last one at
        each spatial resolution.
    target : None, int, str, another target, a sequence of these, or callable
        What is followed of the answer; the network's own answer to each image by default.
    shift : int, optional
        How many pixels images are shifted at most; by default the largest stride of a layer, from
        16 to 32, and at most a quarter of the image.
    direction : {"right", "down"}
        Which way images are shifted.
    edge : {"photo", "wrap"}
        What enters at the edge: the photo beyond the crop, and beyond its end its mirror image; or
        what left on the other side, which suits circular convolutions.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in passes of single images.

    Returns
    -------
    Equivariance
        Mismatch and shift of every layer, and the answers.

    Raises
    ------
    LayerError
        If a layer does not exist, or gives no map of the image.
    TargetError
        If a target does not fit the output.
    UsageError
        If the shift is not within the image, or a word is none of those above.
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> cnnviz.equivariance(model, photo).summary().split(" and ")[0]
    'features.11 follows exactly at multiples of its stride of 8 px'
    """
    wrapped = as_model(model)
    check_takes_images(wrapped, "equivariance")
    batch = wrapped.prepare(images)
    target = checked_target(wrapped, target, batch)
    side = int(batch.tensor.shape[3 if direction == "right" else 2])
    _check(shift, direction, edge, side)
    names = compared_layers(wrapped, batch.tensor, layers)
    held = capture(wrapped, batch, layers=names, gradients=False)
    names = list(held.activations)
    tracks, fields, unmeasured = tracks_of(held, names, direction)
    if layers and not tracks:
        raise LayerError(
            f"None of these layers can be compared: {'; '.join(unmeasured)}.",
            "Name one with a map of the image, or none for those that have a stride.",
        )
    reach = shift or usual_shift(tracks.values(), side)
    walk = Walk(held, tracks, held.scored(target).resolved_targets, reach, direction, edge)
    walk.run(progress)
    measured = list(tracks)
    return Equivariance(
        provenance=replace(held.provenance, targets=walk.target_names),
        layers=tuple(measured),
        strides=np.array([tracks[name].stride for name in measured], np.int64),
        fields=tuple(fields[name] for name in measured),
        images=tuple(photo.name for photo in batch.photos),
        shifts=np.arange(reach + 1),
        direction=direction,
        edge=edge,
        inside=walk.inside,
        everywhere=walk.everywhere,
        compared=walk.compared,
        moved=walk.moved,
        answers=walk.answers,
        unit=walk.unit,
        targets=walk.target_names,
        classes=walk.classes,
        class_names=walk.class_names,
        consistency=walk.consistency(),
        beyond=walk.beyond,
        unmeasured=unmeasured,
        strip=walk.strip(),
        strip_shifts=walk.strip_shifts,
        **walk.example(),
    )


def _check(shift: int | None, direction: str, edge: str, side: int) -> None:
    if direction not in ("right", "down") or edge not in ("photo", "wrap"):
        raise UsageError(
            f"Images cannot be shifted {direction!r} with the edge {edge!r}.",
            "Choose right or down, and photo or wrap.",
        )
    if shift is not None and shift >= side:
        raise UsageError(
            f"An image of {side} px cannot be shifted by {shift}.",
            f"Give a whole number from 1 to {side - 1}.",
        )
