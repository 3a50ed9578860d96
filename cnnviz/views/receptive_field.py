"""What part of the image a layer could see, and what part it does: theory against gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Seed, Within, bounded
from cnnviz.errors import UsageError
from cnnviz.images import axis_names_of, rate_of, values_of
from cnnviz.images.inputs import Images
from cnnviz.introspection.layers import Layers, items, named_layers, without_call
from cnnviz.introspection.receptive_fields import Box
from cnnviz.models import Model, as_model
from cnnviz.passes.call_order import call_order
from cnnviz.passes.chosen_layers import choose
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.no_map import no_map
from cnnviz.passes.origin import origin
from cnnviz.passes.stages import STAGES
from cnnviz.results import drawing
from cnnviz.results.array_pictures import upwards_told
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import Result
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.results.text import joined, layer_said, percent, plural, whole_percent
from cnnviz.units.projection import PartialForward
from cnnviz.views._measured_field import measure
from cnnviz.views.pictures import array_receptive_field
from cnnviz.views.pictures.receptive_field import draw

SAMPLES = 8
"""How many images of noise are taken where no photo is given."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class EffectiveFields(Result):
    """The theoretical and the effective receptive field of the middle unit of L layers.

    Where there are two numbers for an image, down and across, there is one for a signal and three
    for a volume, along its depth, height and width.

    Attributes
    ----------
    layers : tuple of str
        The layers.
    described : tuple of str
        The theoretical field of each in words.
    sizes : ndarray of int64
        [L, 2]: height and width of the theoretical field in pixels, without global gates.
    windows : tuple of PixelBox or ArrayBox
        The part of the image that lies in the theoretical field of the middle unit.
    positions : ndarray of int64
        [L, 2]: row and column of the middle unit in the layer's output.
    energy : ndarray of float32
        [L, H, W], of signals [L, l], of volumes [L, D, H, W]: the squared gradient of the unit's
        channels with respect to each pixel, summed over all channels of the layer and the input,
        and averaged over images and draws.
    effective : ndarray of float64
        [L, 2]: four standard deviations of the energy down and across, in pixels, and at most the
        window; NaN where no gradient reaches the image.
    centres : ndarray of float64
        [L, 2]: row and column of the mean of the energy, with 0.5 in the middle of the first pixel.
    inside : ndarray of float64
        [L]: the share of the energy in the pixels whose middle lies in the effective field.
    outside : ndarray of float64
        [L]: the share of the energy outside the theoretical field; zero but behind global gates.
    photo : ndarray of uint8
        What the network saw of the first image, [H, W, 3]; of a signal or a volume a small picture.
    values : ndarray of float32 or None
        The first signal [C, l] or volume [C, D, H, W]; None for an image.
    rate : float or None
        Samples a second of the first signal; None where they are not known.
    axis_names : tuple of str
        What rows and columns are, where these are spectrograms, which are drawn with the first row
        below; empty otherwise.
    images : int
        How many images the energy is averaged over.
    noise : bool
        Whether these were noise.
    draws : int
        How many random signs the channels of the unit were given on each image.
    scale : {"linear", "log"}
        How the picture scales the root of the energy.
    """

    left_out: ClassVar[tuple[str, ...]] = ("values",)
    derived: ClassVar[tuple[str, ...]] = ("shares",)

    layers: tuple[str, ...]
    described: tuple[str, ...]
    sizes: NDArray[np.int64]
    windows: tuple[Box, ...]
    positions: NDArray[np.int64]
    energy: NDArray[np.float32]
    effective: NDArray[np.float64]
    centres: NDArray[np.float64]
    inside: NDArray[np.float64]
    outside: NDArray[np.float64]
    photo: NDArray[np.uint8]
    images: int
    noise: bool
    draws: int
    scale: Literal["linear", "log"]
    values: NDArray[np.float32] | None = None
    rate: float | None = None
    axis_names: tuple[str, ...] = ()

    @property
    def space(self) -> Space:
        """Which axes the fields have."""
        return space_of(self.energy.ndim - 1)

    def share(self, place: int) -> float:
        """Return the effective area as a share of the theoretical one that lies in the image."""
        return float(self.effective[place].prod() / np.prod(self.windows[place].sizes))

    def effective_size(self, place: int) -> str:
        """Return the effective field of a layer in words: "17 samples"."""
        return self.space.size(self.effective[place].round().astype(int).tolist())

    @property
    def shares(self) -> tuple[float, ...]:
        """The `share` of each layer; NaN where no gradient reaches the image."""
        return tuple(self.share(place) for place in range(len(self.layers)))

    def summary(self) -> str:
        """Say what the last layer could see, and what it does."""
        seen = f"{layer_said(self.layers[-1])} could see {self.described[-1]}"
        noun = self.space.noun
        if not np.isfinite(self.effective[-1]).all():
            return f"{seen}, and no gradient reaches the {noun}"
        return (
            f"{seen}, and looks at {self.effective_size(-1)}, {whole_percent(self.share(-1))} of "
            f"its {self.space.content} in the {noun}"
        )

    def caption(self) -> str:
        """Say what was measured on what, and what the frames and the colours mean."""
        space = self.space
        what = f"{space.noun}s of normal noise" if self.noise else f"{space.noun}s"
        one = self.images == 1 and not self.noise
        where = f"the {space.noun}" if one else f"{self.images} {what}"
        mark = "band" if space.axes == 1 else "frame"
        axes = "down and across" if space == IMAGE else f"along the {joined(space.sides)}"
        told = [
            f"The theoretical receptive field of the middle unit of each layer (blue {mark}), and "
            f"the effective one (orange {mark}): four standard deviations of the squared gradient "
            f"{axes}, in which a normal distribution has 95.45% along each axis (Luo et "
            "al. 2016).",
            f"The gradient is that of all channels of the unit with random signs, the mean square "
            f"of {plural(self.draws, 'draw')} on {where}.",
            f"{'Heights' if space.axes == 1 else 'Colours'} are the root of it, as a share of its "
            "largest value in the layer, on a "
            + ("linear scale." if self.scale == "linear" else "logarithmic scale from 1% up."),
        ]
        if space.axes > IMAGE.axes:
            told.append(
                "Of each layer three planes are drawn, through the middle of its effective field."
            )
        if self.outside.any():
            told.append(
                f"Behind global gates every {space.place} counts: the {mark}s are those without "
                "gates, and "
                f"up to {percent(float(self.outside.max()))} of the squared gradient lies outside."
            )
        dead = [
            layer
            for layer, size in zip(self.layers, self.effective, strict=True)
            if not np.isfinite(size).all()
        ]
        if dead:
            told.append(f"No gradient reaches the {space.noun} from {', '.join(dead)}.")
        return " ".join(told) + upwards_told(self.axis_names)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw all frames on the image, and the gradient in the field of each layer."""
        if self.space != IMAGE:
            return array_receptive_field.draw(self, into)
        return draw(self, into)


@bounded
@in_smaller_batches
def receptive_field(
    model: Model | nn.Module,
    images: Images | None = None,
    layers: Layers = STAGES,
    *,
    scale: Literal["linear", "log"] = "linear",
    draws: Annotated[int, Within(1, 10_000)] = 16,
    seed: Seed = 0,
    progress: Progress = silent,
) -> EffectiveFields:
    """Compare what the middle unit of each layer could see with what it responds to.

    The theoretical field is exact over the real graph. The effective one is measured by the
    gradient with respect to the pixels (Luo et al. 2016, "Understanding the Effective Receptive
    Field in Deep Convolutional Neural Networks").

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    images : path, PIL image, uint8 array [H, W, 3], a list of them, float tensor, or None
        The images, signals or volumes that the gradient is averaged over; None takes 8 of normal
        noise.
    layers : str or sequence of str
        Layers by kind, pattern or name, ``name#1`` for a second call, or "stages": the last layer
        at each spatial resolution.
    scale : {"linear", "log"}
        How the picture scales the gradient.
    draws : int
        The least number of backward passes for each layer, shared among the images.
    seed : int
        The seed of the random signs and the noise. Each layer has its own signs, so its result
        does not depend on which other layers are asked for.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in layers.

    Returns
    -------
    EffectiveFields
        One entry for each layer, in the order of the forward pass for "stages".

    Raises
    ------
    LayerError
        If a layer does not exist, or has no positions.
    UsageError
        If `draws` is below 1, or the scale is unknown.
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.

    Examples
    --------
    >>> import cnnviz
    >>> model, photo = cnnviz.load(), cnnviz.Shapes()[3].image
    >>> cnnviz.receptive_field(model, photo).summary().split(",")[0]
    'features.11 could see 75 x 75 px'
    """
    if scale not in ("linear", "log"):
        raise UsageError(f"There is no scale {scale!r}.", "Choose linear or log.")
    wrapped = as_model(model)
    noise = images is None
    if images is None:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(SAMPLES, *wrapped.input_shape, generator=generator)
    batch = wrapped.prepare(images)
    names = _names(wrapped, batch.tensor, layers)
    each = -(-draws // len(batch))
    measured = []
    for place, passage in enumerate(PartialForward.each(wrapped, batch.tensor, names)):
        progress(place, len(names), passage.layer)
        measured.append(measure(passage, batch.tensor, each, seed))
    progress(len(names), len(names), "done")
    energy = np.stack([found.energy for found in measured])
    return EffectiveFields(
        provenance=replace(origin(wrapped, batch), seed=seed),
        layers=tuple(names),
        described=tuple(found.described for found in measured),
        sizes=np.array([found.size for found in measured]),
        windows=tuple(found.window for found in measured),
        positions=np.array([found.position for found in measured]),
        energy=energy.astype(np.float32),
        effective=np.stack([found.effective for found in measured]),
        centres=np.stack([found.centre for found in measured]),
        inside=np.array([found.inside for found in measured]),
        outside=np.array([found.outside for found in measured]),
        photo=wrapped.preprocessing.invert(batch.tensor[0]),
        images=len(batch),
        noise=noise,
        draws=each,
        scale=scale,
        values=values_of(batch.photos[0]),
        rate=rate_of(batch.photos[0]),
        axis_names=axis_names_of(wrapped.preprocessing),
    )


def _names(model: Model, inputs: torch.Tensor, layers: Layers) -> list[str]:
    """Return the layers; those that name one of several calls stay as they are."""
    names: list[str] = []
    known = named_layers(model.module)
    for item in items(layers, known):
        if item.text == STAGES and not item.name:
            names += call_order(model, inputs).stage_calls()
        elif without_call(item.text, known) != item.text:
            names.append(item.text)
        else:
            names += choose(model, [item.text] if item.name else item.text)
    if not names:
        raise no_map(model)
    return list(dict.fromkeys(names))
