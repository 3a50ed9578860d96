"""The kernels of a convolution, with their norms, and which of them are dead."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Count, Top, bounded
from cnnviz.errors import LayerError, did_you_mean
from cnnviz.introspection.convolutions import Convolution, convolutions
from cnnviz.introspection.finite import finite
from cnnviz.introspection.layers import check_calls_layers, check_is_layer, named_layers
from cnnviz.models import Model, as_model
from cnnviz.models.weights import layer_weight
from cnnviz.results import drawing
from cnnviz.results.provenance import Provenance
from cnnviz.results.space import IMAGE, SIGNAL, Space, space_of
from cnnviz.results.spectra import FrequencyResponse, frequency_response, frequency_unit
from cnnviz.results.table import Table, TableColumn, TableResult
from cnnviz.results.text import layer_said, listed, plural, shown_of
from cnnviz.views._dead_filters import dead_filters
from cnnviz.views.pictures import array_filters
from cnnviz.views.pictures import filters as pictures

_MOST_ALONG = 64
"""How many filters that read a signal itself are drawn where nothing else is asked."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FilterGrid(TableResult):
    """The kernels of one convolution.

    Attributes
    ----------
    layer : str
        The layer's name.
    kernels : ndarray of float32
        [out channels, in channels / groups, height, width], as the network holds them; of a
        convolution along a signal without the height, of one over volumes with a depth before it.
    norms : ndarray of float64
        The L2 norm of each filter, [out channels].
    dead : ndarray of bool
        Whether a filter's norm is at most a thousandth of the layer's median, [out channels].
    as_colour : bool
        Whether a filter is drawn as one RGB picture: it reads the three channels of the image.
    shown : tuple of int
        The output channels that are drawn, in the order drawn.
    inputs : tuple of int
        The input channels that are drawn for each of them; all three for a colour picture.
    order : str
        How these were chosen.
    frequencies : ndarray of float64 or None
        [F], of a convolution that reads a signal: where its response is given, in hertz where the
        sampling rate is known, else in cycles a sample. None for any other layer, and for kernels
        of one sample, which let every frequency through alike.
    gains : ndarray of float64 or None
        [out channels, F]: the magnitude of the response. Of filters that read several channels the
        root of the sum of their squares.
    rate : float or None
        Samples a second of the signal; None where they are not known.
    """

    derived: ClassVar[tuple[str, ...]] = ("peaks",)

    layer: str
    kernels: NDArray[np.float32]
    norms: NDArray[np.float64]
    dead: NDArray[np.bool_]
    as_colour: bool
    shown: tuple[int, ...]
    inputs: tuple[int, ...]
    order: str
    frequencies: NDArray[np.float64] | None = None
    gains: NDArray[np.float64] | None = None
    rate: float | None = None

    @property
    def response(self) -> FrequencyResponse | None:
        """What the filters let through at each frequency; None where that is not asked."""
        if self.frequencies is None or self.gains is None:
            return None
        return FrequencyResponse(frequencies=self.frequencies, gains=self.gains)

    @property
    def peaks(self) -> NDArray[np.float64] | None:
        """The frequency that each filter lets through best, [out channels]."""
        return None if self.response is None else self.response.peaks

    @property
    def space(self) -> Space:
        """Which axes the kernels have."""
        return space_of(self.kernels.ndim - 2)

    def summary(self) -> str:
        """Say how many kernels of what size there are, and how many are dead."""
        count, depth, *size = self.kernels.shape
        return (
            f"{layer_said(self.layer)}: {plural(count, 'filter')}, {self.space.extent(size)} over "
            f"{plural(depth, 'channel')}; {int(self.dead.sum())} dead"
        )

    def caption(self) -> str:
        """Say what is drawn, how it is scaled, and what is left out."""
        count, depth = self.kernels.shape[:2]
        extent = f"{shown_of(len(self.shown), count, 'filter')} of {layer_said(self.layer)}"
        if len(self.shown) < count:
            extent += f", {self.order}"
        if self.space != IMAGE:
            how = array_filters.how(self)
        elif self.as_colour:
            how = (
                "each as one RGB picture, scaled by its own largest weight, with grey as zero. "
                "Stripes are edge detectors; a colour beside its complement is a colour opponent."
            )
        elif depth == 1:
            how = (
                "each over the one channel that it reads; red weights add, blue ones subtract, and "
                "white is zero. Each has the scale of its own largest weight."
            )
        else:
            channels = f"all {depth} input channels"
            if len(self.inputs) < depth:
                channels = f"the first {len(self.inputs)} of {depth} input channels"
            how = (
                f"one row a filter, one column for each of {channels}; red weights add, blue ones "
                "subtract, and white is zero. Every row has the scale of its own largest weight."
            )
        dead = np.flatnonzero(self.dead).tolist()
        lost = f" Dead, with a norm near zero: {listed(list(map(str, dead)), 12)}." if dead else ""
        heard = array_filters.response_told(self)
        return f"Filters: {extent}, {how}{heard}{lost}"

    def table(self) -> Table:
        """Return a row for each filter: its norm, whether it is dead, and its frequency if any."""
        columns = [range(len(self.norms)), self.norms, self.dead]
        names: list[TableColumn | str] = ["channel", "norm", "dead"]
        if self.peaks is not None:
            columns.append(self.peaks)
            names.append(TableColumn("peak", frequency_unit(self.rate)))
        return Table.of(tuple(names), list(zip(*columns, strict=True)))

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the kernels as one picture, with the distribution of their norms below."""
        return (pictures.draw if self.space == IMAGE else array_filters.draw)(self, into)

    def label(self, channel: int) -> str:
        """Return a filter's number, and whether it is dead."""
        return f"{channel} dead" if self.dead[channel] else str(channel)


@bounded
def filters(
    model: Model | nn.Module, layer: str | None = None, top: Top = 0, inputs: Count = 24
) -> FilterGrid:
    """Return the kernels of a convolution. No image is needed and no forward pass is run.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network.
    layer : str, optional
        The name of a convolution; by default the first one of the input's own kind: over images,
        along signals or over volumes.
    top : int
        How many filters to draw, the largest norms first; 0 draws all of a layer that reads the
        image itself, in colour or grey, in the order of their index, 64 of one that reads a signal,
        and 16 of any other.
    inputs : int
        How many input channels to draw for each filter of a deeper layer.

    Returns
    -------
    FilterGrid
        All kernels of the layer; only the drawing is limited.

    Raises
    ------
    LayerError
        If the layer is no convolution.
    NotFiniteError
        If a weight is NaN or infinite.
    UsageError
        If a number is below 0.

    Examples
    --------
    >>> import cnnviz
    >>> print(cnnviz.filters(cnnviz.load()).summary())
    features.0: 48 filters, 7 x 7 over 3 channels; 0 dead
    """
    wrapped = as_model(model)
    name, convolution = _find(wrapped.module, layer)
    begins = name == _find(wrapped.module, None)[0]
    return _grid(wrapped, name, convolution, wrapped.provenance(), top, inputs, begins=begins)


def every_grid(model: Model, axes: Collection[int]) -> list[FilterGrid]:
    """Return the kernels of all convolutions along so many axes, as `filters` does for each.

    Those that it refuses are left out.
    """
    known = convolutions(model.module)
    wanted = {name: one for name, one in known.items() if one.axes in axes}
    if not wanted:
        return []
    first, provenance = _find(model.module, None)[0], model.provenance()
    found = []
    for name, convolution in wanted.items():
        with suppress(LayerError):
            found.append(_grid(model, name, convolution, provenance, begins=name == first))
    return found


def _grid(
    model: Model,
    name: str,
    convolution: Convolution,
    provenance: Provenance,
    top: int = 0,
    inputs: int = 24,
    *,
    begins: bool,
) -> FilterGrid:
    """Return the kernels of one convolution; `begins` says whether it reads the input."""
    kernels = _kernels(name, convolution)
    norms = np.sqrt(np.square(kernels, dtype=np.float64).sum(axis=tuple(range(1, kernels.ndim))))
    first = kernels.ndim > 3 and begins
    whole = first and kernels.shape[1] in (1, 3)
    reads_signal = kernels.ndim == SIGNAL.axes + 2 and begins
    usual = len(kernels) if whole else _MOST_ALONG if reads_signal else 16
    drawn = _drawn(norms, top or usual)
    response = _response(model, convolution, kernels) if reads_signal else None
    return FilterGrid(
        provenance=provenance,
        layer=name,
        kernels=kernels,
        norms=norms,
        dead=dead_filters(norms),
        as_colour=first and kernels.shape[1] == 3,
        shown=tuple(int(channel) for channel in drawn),
        inputs=tuple(range(min(inputs, kernels.shape[1]))),
        order="by index" if len(drawn) == len(kernels) else "the largest norms first",
        frequencies=None if response is None else response.frequencies,
        gains=None if response is None else response.gains,
        rate=model.rate,
    )


def _kernels(name: str, convolution: Convolution) -> NDArray[np.float32]:
    if convolution.transposed:
        raise LayerError(
            f"Layer {name!r} is a transposed convolution.", "Choose an ordinary convolution."
        )
    if convolution.weight is None:
        raise LayerError(
            f"Layer {name!r} of the exported program holds no kernels: it computes them at each "
            "call, as under weight norm.",
            "Give the torch.nn.Module that was exported.",
        )
    weight = layer_weight(convolution.layer, convolution.weight)
    return np.asarray(finite(weight, f"The weights of layer {name!r}").float().cpu().numpy())


def _drawn(norms: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Return which filters are drawn: all by index, or those with the largest norms first."""
    if most >= len(norms):
        return np.arange(len(norms))
    return np.argsort(-norms, kind="stable")[:most]


def _response(
    model: Model, convolution: Convolution, kernels: NDArray[np.float32]
) -> FrequencyResponse | None:
    """Return the response of filters that read a signal itself; deeper ones read channels."""
    if kernels.shape[2] < 2:
        return None
    return frequency_response(kernels, dilation=convolution.dilation, rate=model.rate)


def _find(module: nn.Module, layer: str | None) -> tuple[str, Convolution]:
    found = convolutions(module)
    if not found:
        check_calls_layers(module)
        raise LayerError(
            "The network has no layer that is a convolution.",
            "Filters are those of one; what forward convolves by a function has no name.",
        )
    if layer is None:
        # A few layers along one axis, as gates have them, are not what a network of images is of.
        plane = {name: one for name, one in found.items() if one.axes == IMAGE.axes}
        return next(iter((plane or found).items()))
    if layer not in found:
        check_is_layer(layer, named_layers(module))
        what = "is not a convolution" if layer in named_layers(module) else "does not exist"
        remedy = did_you_mean(layer, found, "See `cnnviz layers`.")
        raise LayerError(f"Layer {layer!r} {what}.", remedy)
    return layer, found[layer]
