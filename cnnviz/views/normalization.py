"""Feature maps before and after each method that normalises them, and the network's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Count, bounded
from cnnviz.course.normalization import METHODS, normalized, statistics, usual_groups
from cnnviz.errors import LayerError, UsageError
from cnnviz.images import Batch
from cnnviz.images.inputs import Images
from cnnviz.introspection.finite import finite
from cnnviz.introspection.hooks import isolated, module_hooks
from cnnviz.introspection.layers import check_calls_layers, kind, named_layers
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.chosen_layers import choose
from cnnviz.passes.origin import origin
from cnnviz.passes.spatial_maps import UNTRACED, checked_layout, traced_outputs
from cnnviz.results import drawing
from cnnviz.results.result import Result
from cnnviz.results.text import layer_said, number, plural

BEFORE = "before"
_MOST_SHOWN = 3


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Normalization(Result):
    """The maps of a layer before and after L methods normalise them.

    Attributes
    ----------
    layer : str
        The layer: one that normalises, whose input is shown, or any other, whose output is.
    images : tuple of str
        The N images, over all of which batch normalisation takes its statistics.
    channels, groups : int
        How many channels C the layer has, and in how many groups G they are parted.
    methods : tuple of str
        What the rows of `maps`, `means` and `deviations` are: before, each method, and last the
        network's own where it has one.
    own : str
        What the network's own layer is; empty where it does not normalise.
    own_activation : str
        The activation that this layer applies as well, as fused ones do; empty without one.
    shown : tuple of int
        The S channels that are drawn: those with the largest, the middle and the smallest
        deviation before.
    maps : ndarray of float32
        [L, S, H, W]: the maps of these channels for the first image.
    means, deviations : ndarray of float64
        [L, C]: mean and standard deviation of each channel's map for the first image.
    batch_means, batch_deviations : ndarray of float64
        [C]: those over images and places before, which batch normalisation uses.
    layer_means, layer_deviations : ndarray of float64
        [N]: those over channels and places, of layer normalisation.
    instance_means, instance_deviations : ndarray of float64
        [N, C]: those over places, of instance normalisation.
    group_means, group_deviations : ndarray of float64
        [N, G]: those over the channels of a group and places, of group normalisation.
    """

    derived: ClassVar[tuple[str, ...]] = ("reach",)

    layer: str
    images: tuple[str, ...]
    channels: int
    groups: int
    methods: tuple[str, ...]
    own: str
    own_activation: str
    shown: tuple[int, ...]
    maps: NDArray[np.float32]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    batch_means: NDArray[np.float64]
    batch_deviations: NDArray[np.float64]
    layer_means: NDArray[np.float64]
    layer_deviations: NDArray[np.float64]
    instance_means: NDArray[np.float64]
    instance_deviations: NDArray[np.float64]
    group_means: NDArray[np.float64]
    group_deviations: NDArray[np.float64]

    @property
    def reach(self) -> NDArray[np.float64]:
        """The largest size of a drawn value in each row of maps, where its colours end, [L]."""
        found: NDArray[np.float64] = np.abs(self.maps).max((1, 2, 3)).astype(np.float64)
        return found

    @property
    def own_layer(self) -> str:
        """The network's own layer in words, with its activation."""
        return f"{self.own} with {self.own_activation}" if self.own_activation else self.own

    def summary(self) -> str:
        """Say how far channels differ before and after."""
        low, high = float(self.deviations[0].min()), float(self.deviations[0].max())
        return (
            f"{layer_said(self.layer)}: before normalisation the standard deviations of "
            f"{plural(self.channels, 'channel')} go from {number(low)} to {number(high)}"
            + (f"; the network's own layer is {self.own_layer}" if self.own else "")
        )

    def caption(self) -> str:
        """Say what each method takes together, and what is drawn."""
        one = (
            " With one image, batch and instance normalisation are the same."
            if len(self.images) == 1
            else ""
        )
        own = (
            f" Last, what the network's own {self.own_layer} makes of them in eval mode, with "
            "what it learned: of a batch normalisation statistics of the training, and a scale and "
            "shift of each channel; a LayerNorm of a vision network takes the channels of each "
            "place alone."
            if self.own
            else " The network does not normalise there itself."
        )
        return (
            "Above, what is normalised together is blue: N images, C channels, and H, W places "
            "(after Wu and He 2018, figure 2). Batch: each channel over all images (Ioffe and "
            f"Szegedy 2015), here {plural(len(self.images), 'image')}.{one} Layer: each image over "
            "all channels (Ba et al. 2016). Instance: each channel of each image (Ulyanov et al. "
            f"2016). Group: {plural(self.groups, 'group')} of {self.channels // self.groups} "
            "channels of each image. These subtract the mean and divide by the deviation, here "
            "without a learned scale and shift. Local response: each value over the squares of its "
            "neighbours in five channels, with the constants of AlexNet (Krizhevsky et al. 2012), "
            "which mattered there because its values go up to hundreds. In the middle, the maps of "
            f"{plural(len(self.shown), 'channel')} of {layer_said(self.layer)} for "
            f"{self.images[0]}, with the "
            "largest, the middle and the smallest deviation before; each column has one scale, "
            "white at zero, whose ends are below it."
            f"{own} The dots are the mean and the standard deviation of every channel of that "
            "image: instance normalisation makes all of them 0 and 1; batch, layer and group do "
            "that only for what they take together, and local response does not at all."
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the cubes, the maps, and the statistics of every channel."""
        from cnnviz.views.pictures.normalization import draw

        return draw(self, into)


@bounded
def normalization(
    model: Model | nn.Module,
    images: Images,
    layer: str | None = None,
    *,
    groups: Count | None = None,
) -> Normalization:
    """Normalise the feature maps of a layer by five methods, beside the network's own.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network.
    images : image or images
        Over all of them batch normalisation takes its statistics; the maps of the first are drawn.
    layer : str, optional
        A layer that normalises, whose input is taken, or any other, whose output is; by default the
        first that normalises, or else the first convolution.
    groups : int, optional
        In how many groups the channels are divided; 32 by default, or what divides them.

    Returns
    -------
    Normalization

    Raises
    ------
    LayerError
        If there is no such layer, it is not called, or it holds no feature maps.
    UsageError
        If the channels cannot be parted into so many groups.
    ImageError
        If no image can be read.
    ModelError
        If the network cannot run on the images.
    """
    model = as_model(model)
    check_takes_images(model, "normalization")
    batch = model.prepare(images)
    name, before, after = _run(model, layer, batch)
    channels = before.shape[1]
    count = _group_count(name, channels, groups)
    rows = {
        BEFORE: before[0],
        **{method: normalized(before, method, count)[0] for method in METHODS},
    }
    own, activation = "", ""
    if after is not None:
        layer_itself = named_layers(model.module)[name]
        own, activation = type(layer_itself).__name__, _activation_inside(layer_itself)
        rows["its own"] = after[0]
    order = np.argsort(-before[0].std((1, 2)), kind="stable")
    shown = order[np.unique(np.linspace(0, channels - 1, _MOST_SHOWN).round().astype(int))]
    every = np.stack(list(rows.values()))
    sets = {method: statistics(before, method, count) for method in METHODS[:4]}
    return Normalization(
        provenance=origin(model, batch),
        layer=name,
        images=tuple(photo.name for photo in batch.photos),
        channels=channels,
        groups=count,
        methods=tuple(rows),
        own=own,
        own_activation=activation,
        shown=tuple(int(channel) for channel in shown),
        maps=every[:, shown].astype(np.float32),
        means=every.mean((2, 3)),
        deviations=every.std((2, 3)),
        batch_means=sets["batch"][0],
        batch_deviations=sets["batch"][1],
        layer_means=sets["layer"][0],
        layer_deviations=sets["layer"][1],
        instance_means=sets["instance"][0],
        instance_deviations=sets["instance"][1],
        group_means=sets["group"][0],
        group_deviations=sets["group"][1],
    )


def _group_count(name: str, channels: int, asked: int | None) -> int:
    """Return into how many groups the channels of a layer are parted."""
    count = usual_groups(channels) if asked is None else asked
    if channels % count:
        raise UsageError(
            f"{plural(channels, 'channel')} of {name!r} cannot be parted into "
            f"{plural(count, 'group')}.",
            f"Give a number that divides {channels}.",
        )
    return count


def _activation_inside(layer: nn.Module) -> str:
    """Return which activations a layer holds, as those that fuse it with a normalisation do."""
    inside = [type(child).__name__ for child in layer.modules() if kind(child) == "activation"]
    return ", ".join(dict.fromkeys(inside))


def _run(
    model: Model, layer: str | None, batch: Batch
) -> tuple[str, NDArray[np.float64], NDArray[np.float64] | None]:
    """Return a layer with feature maps, what it is given, and what it makes of that.

    Of one that does not normalise what it makes is the first, and there is no second. The first
    call counts, where the network makes several.
    """
    every = named_layers(model.module)
    wanted = _candidates(model, layer)
    given: dict[str, torch.Tensor] = {}
    made: dict[str, torch.Tensor] = {}

    def keep(kept: dict[str, torch.Tensor], name: str, value: Any) -> None:
        known = [other for other in kept if kind(every[other]) == kind(every[name])]
        # One of each kind is enough, and what comes next may write over it.
        if not known and _is_map(value, len(batch)):
            kept[name] = value.detach().clone()

    def before(name: str, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        keep(given, name, inputs[0] if inputs else None)

    def after(name: str, _: nn.Module, __: tuple[Any, ...], output: Any) -> None:
        keep(made, name, output)

    with (
        isolated(model.module, grad=False),
        module_hooks({name: every[name] for name in wanted}, before=before, after=after),
    ):
        model.forward(batch.tensor)
    for name in sorted(made, key=lambda name: kind(every[name]) != "norm"):
        normalises = kind(every[name]) == "norm"
        if normalises and name not in given:
            continue
        # Channels may come last, as in networks of windows; it is followed where they are.
        traced = traced_outputs(model, batch.tensor).get((name, 0), UNTRACED)
        layout = checked_layout(traced.map, name, made[name], len(batch))
        maps = _numbers(layout.take(made[name], len(batch)), name)
        if not normalises:
            return name, maps, None
        return name, _numbers(layout.take(given[name], len(batch)), name), maps
    check_calls_layers(model.module)
    which = f"Layer {layer!r} is none that" if layer else f"None of the layers of {model.name}"
    raise LayerError(
        f"{which} is called with feature maps [N, C, H, W] of the images.", "Name a layer that is."
    )


def _candidates(model: Model, layer: str | None) -> list[str]:
    if layer is None:
        every = named_layers(model.module)
        return [name for name, child in every.items() if kind(child) in ("norm", "conv")]
    names = list(choose(model, [layer]))
    if len(names) != 1:
        raise UsageError(f"{layer!r} is {len(names)} layers.", "Name one.")
    return names


def _is_map(value: Any, count: int) -> bool:
    return isinstance(value, torch.Tensor) and value.ndim == 4 and len(value) == count


def _numbers(values: torch.Tensor, name: str) -> NDArray[np.float64]:
    checked = finite(values, f"The activations of layer {name!r}")
    found: NDArray[np.float64] = checked.double().cpu().numpy()
    return found
