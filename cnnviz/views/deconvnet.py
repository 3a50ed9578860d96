"""What of a photo made the units of a layer respond, beside the patch that did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Top, bounded
from cnnviz.errors import NotFiniteError
from cnnviz.images import Batch, axis_names_of, rate_of, values_of
from cnnviz.images.inputs import Images
from cnnviz.introspection.backward_rules import Rule, RuleCoverage
from cnnviz.introspection.receptive_fields import Box
from cnnviz.introspection.unit_names import check_channels, read_channels
from cnnviz.models import Model, as_model
from cnnviz.passes.batch_size import rows_at_once
from cnnviz.passes.call_order import call_order
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.no_map import no_map
from cnnviz.passes.origin import origin
from cnnviz.results import drawing
from cnnviz.results.array_pictures import upwards_told
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import Result
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.results.text import layer_said, plural, shown_of, whole_percent
from cnnviz.units.constant_units import constant_units
from cnnviz.units.projection import (
    PartialForward,
    UnitPosition,
    UnitProjections,
    columns_of,
    cut,
    cut_arrays,
    project_positions,
    rows_of,
)
from cnnviz.views._deconvnet_text import SHORT, constant_told, how_scaled, what_is_where
from cnnviz.views.pictures import array_deconvnet
from cnnviz.views.pictures.deconvnet import draw, draw_panel, reach_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Projections(Result):
    """What K units of one layer send back to the pixels of N images.

    For signals and volumes h and w are the sizes along each axis, [l] or [d, h, w].

    Attributes
    ----------
    layer : str
        The layer.
    rule : {"deconvnet", "guided", "gradient"}
        How rectifiers sent the signal back.
    channels : tuple of int
        The K channels, in the order drawn.
    total : int
        How many channels the layer has.
    chosen : str
        How the channels were chosen, in words.
    images : tuple of str
        The names of the N images.
    photos : ndarray of uint8
        What the network saw of each, [N, H, W, 3]; of a signal or a volume a small picture.
    signals : ndarray of float32
        [K, N, C, h, w]: what arrived at the network's input, cut to the window. Of "gradient" that
        is the change of the layer's output for each unit of the preprocessed input; of the other
        rules, which start from the unit's value, as many times that as the value has units. Zero
        for a unit that is not active.
    patches : ndarray of uint8 or float32
        [K, N, h, w, 3]: the same part of what the network saw, grey beyond its border; of signals
        and volumes the numbers themselves, [K, N, C, l] or [K, N, C, d, h, w], NaN beyond it.
    windows : tuple of tuple of PixelBox or ArrayBox
        [K][N]: the receptive field of each unit, in pixels of the network's input.
    activations : ndarray of float32
        [K, N]: the largest value of the channel in the image.
    positions : ndarray of int64
        [K, N, A]: where in the layer's map of the image that is, along each axis; what a network
        puts around the map, such as a border of zeros, is not counted.
    outside : ndarray of float32
        [K, N]: the share of the signal that lies outside the window; zero but behind global gates.
    constant : ndarray of bool
        [K, N]: whether the unit is active and its value stayed the same, but for rounding, with
        other images in this one's place, so that its projection does not show what made it respond.
    field : str
        The receptive field in words.
    coverage : RuleCoverage or None
        How many activations followed the rule; None for the gradient.
    inputs : tuple of ndarray of float32
        The signals [C, L] or volumes [C, D, H, W]; empty where these are images.
    rates : tuple of float or None
        Of each signal the samples a second, None where they are not known.
    axis_names : tuple of str
        What rows and columns are, where these are spectrograms, which are drawn with the first row
        below; empty otherwise.
    """

    left_out: ClassVar[tuple[str, ...]] = ("inputs",)
    derived: ClassVar[tuple[str, ...]] = ("active", "reaches", "rows", "columns")

    layer: str
    rule: Rule
    channels: tuple[int, ...]
    total: int
    chosen: str
    images: tuple[str, ...]
    photos: NDArray[np.uint8]
    signals: NDArray[np.float32]
    patches: NDArray[np.uint8] | NDArray[np.float32]
    windows: tuple[tuple[Box, ...], ...]
    activations: NDArray[np.float32]
    positions: NDArray[np.int64]
    outside: NDArray[np.float32]
    constant: NDArray[np.bool_]
    field: str
    coverage: RuleCoverage | None
    inputs: tuple[NDArray[np.float32], ...] = ()
    rates: tuple[float | None, ...] = ()
    axis_names: tuple[str, ...] = ()

    @property
    def space(self) -> Space:
        """Which axes the windows have."""
        return space_of(self.positions.shape[-1])

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each position, [K, N]; a signal is one row."""
        return rows_of(self.positions)

    @property
    def columns(self) -> NDArray[np.int64]:
        """The column of each position, [K, N]; along a signal the position."""
        return columns_of(self.positions)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Whether each unit's value is above zero, so that it sends anything back, [K, N]."""
        return self.activations > 0.0

    @property
    def reaches(self) -> NDArray[np.float64]:
        """The size at which the colours of each projection end, [K, N]."""
        found = [reach_of(self.signals[place]) for place in np.ndindex(self.activations.shape)]
        return np.array(found, np.float64).reshape(self.activations.shape)

    def summary(self) -> str:
        """Say how many units of which layer were sent back, and how many are not active."""
        count, images = len(self.channels), len(self.images)
        lost = int((~self.active).sum())
        units = f"{count} of {self.total} channels of {layer_said(self.layer)}"
        where = self.images[0] if images == 1 else plural(images, self.space.noun)
        return f"{units} on {where}, sent back by {SHORT[self.rule]}" + (
            f"; {lost} not active" if lost else ""
        )

    def caption(self) -> str:
        """Say what stands beside what, how it is scaled, and how the channels were chosen."""
        space = self.space
        told = [
            f"What made units of {layer_said(self.layer)} respond: {self.chosen}.",
            what_is_where(self),
            how_scaled(self),
        ]
        if not self.active.all():
            told.append("A unit that is not active sends nothing back, and its place stays empty.")
        if self.outside.any():
            told.append(
                f"Gates let the units see the whole {space.noun}; the windows are the fields "
                "without them, "
                f"and {whole_percent(float(self.outside[self.active].mean()))} of the projections "
                "lies outside."
            )
        if self.coverage is not None:
            told.append(
                f"{self.coverage}."
                if self.coverage.activations or self.coverage.own
                else "No rectifier lies below this layer, so that the rules do not differ."
            )
        return " ".join([*told, *constant_told(self)]) + upwards_told(self.axis_names)

    def remarks(self) -> tuple[str, ...]:
        """Return also which projections do not show what made a unit respond."""
        return (*super().remarks(), *constant_told(self))

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw each patch beside its projection, or large ones on the photo; one photo as well."""
        if self.space != IMAGE:
            return array_deconvnet.draw(self, into)
        return draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the tiles of several images; beside those of one stands the photo."""
        if len(self.images) == 1 or self.space != IMAGE:
            super().draw_panel(axes)
        draw_panel(self, axes)


@bounded
@in_smaller_batches
def deconvnet(
    model: Model | nn.Module,
    images: Images,
    layer: str | None = None,
    channels: int | str | Iterable[int] | None = None,
    rule: Rule = "deconvnet",
    *,
    top: Top = 9,
    progress: Progress = silent,
) -> Projections:
    """Show what of each image made the units of a layer respond, beside the patch that did.

    In each image the strongest position of each channel is sent back to the pixels (Zeiler and
    Fergus 2013), and cut to the unit's receptive field. Only the network below the layer runs.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, or float tensor [N, C, H, W]
        The images, signals or volumes.
    layer : str, optional
        The layer, ``name#1`` for the second call of one that is called twice; by default the one at
        the end of the last stage.
    channels : int, str or iterable of int, optional
        The channels, or text such as ``3,7,10-15``; by default the `top` strongest on these images,
        by the mean over the images of a channel's largest value.
    rule : {"deconvnet", "guided", "gradient"}
        How rectifiers send the signal back: it is rectified itself (Zeiler and Fergus 2013), it is
        rectified and masked (Springenberg et al. 2014), or it is masked, which is the gradient.
    top : int
        How many channels to show where none are named; 0 shows all.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in units.

    Returns
    -------
    Projections
        One projection for each channel and image.

    Raises
    ------
    LayerError
        If the layer or a channel does not exist, or the layer has no channels with positions.
    NotFiniteError
        If the layer has a NaN or plus infinity, or what a unit sends back is not finite.
    UsageError
        If `top` is negative, no channel is named, or the rule is unknown.
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> print(cnnviz.deconvnet(model, photo, "features.4", top=2).summary())
    2 of 96 channels of features.4 on image 0, sent back by the deconvnet rule
    """
    wrapped = as_model(model)
    batch = wrapped.prepare(images)
    passage = PartialForward.to(wrapped, batch.tensor, layer or last_stage(wrapped, batch.tensor))
    at_once = rows_at_once(wrapped, batch.tensor, passage.bytes_each)
    peaks, positions = passage.peaks(batch.tensor, at_once)
    chosen, words = _choose(channels, peaks, top, passage.layer, wrapped.space.noun)
    picks = [
        UnitPosition(image, channel, at=tuple(positions[image, channel].tolist()))
        for channel in chosen
        for image in range(len(batch))
    ]
    found = project_positions(passage, batch.tensor, picks, rule, progress)
    if not found.known.all():
        lost = f"{int((~found.known).sum())} of {len(picks)}"
        raise NotFiniteError(
            f"What units of layer {passage.layer!r} send back by {SHORT[rule]} is not finite for "
            f"{lost}: something on the way has no finite derivative there, such as a square root "
            "or a logarithm of zero.",
            "Choose another rule, or a layer before it.",
        )
    constant = constant_units(passage, batch.tensor, chosen, peaks, positions, at_once)
    made = _collect(passage, batch, chosen, words, peaks.shape[1], rule, found)
    return replace(made, constant=constant.numpy() & made.active)


def last_stage(model: Model, inputs: torch.Tensor) -> str:
    """Return the layer at the end of the last stage."""
    stages = call_order(model, inputs).stage_calls()
    if not stages:
        raise no_map(model)
    return stages[-1]


def _choose(
    channels: int | str | Iterable[int] | None,
    peaks: torch.Tensor,
    top: int,
    layer: str,
    noun: str,
) -> tuple[tuple[int, ...], str]:
    """Return the channels, and how they were chosen."""
    total = int(peaks.shape[1])
    if channels is not None:
        named = read_channels(channels)
        check_channels(named, total, layer)
        return named, f"the channels named, of {total}"
    strongest = torch.argsort(peaks.float().mean(0), descending=True, stable=True)
    shown = tuple(int(channel) for channel in strongest[: top or total])
    where = f"on this {noun}" if len(peaks) == 1 else f"on average over the {len(peaks)} {noun}s"
    extent = shown_of(len(shown), total, "channel")
    return shown, f"{extent}, those with the largest activation {where} first"


def _collect(
    passage: PartialForward,
    batch: Batch,
    channels: tuple[int, ...],
    chosen: str,
    total: int,
    rule: Rule,
    found: UnitProjections,
) -> Projections:
    model, count = passage.model, len(batch)
    seen = np.stack([model.preprocessing.invert(tensor) for tensor in batch.tensor])
    inputs = tuple(one for one in map(values_of, batch.photos) if one is not None)
    patches = (
        cut_arrays([*inputs] * len(channels), found.windows)
        if inputs
        else cut([*seen] * len(channels), found.windows, drawing.FLAT)
    )
    shape = (len(channels), count)
    windows = found.windows
    return Projections(
        provenance=origin(model, batch),
        layer=passage.layer,
        rule=rule,
        channels=channels,
        total=total,
        chosen=chosen,
        images=tuple(photo.name for photo in batch.photos),
        photos=seen,
        signals=found.signals.reshape(*shape, *found.signals.shape[1:]),
        patches=patches.reshape(*shape, *patches.shape[1:]),
        windows=tuple(windows[place : place + count] for place in range(0, len(windows), count)),
        activations=found.activations.reshape(shape),
        positions=found.positions.reshape(*shape, -1),
        outside=found.outside.reshape(shape),
        constant=np.zeros(shape, bool),
        field="unknown" if passage.field is None else passage.field.describe(),
        coverage=found.coverage,
        inputs=inputs,
        rates=tuple(map(rate_of, batch.photos)) if inputs else (),
        axis_names=axis_names_of(model.preprocessing),
    )
