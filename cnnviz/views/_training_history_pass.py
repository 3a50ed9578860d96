"""What each checkpoint of a training gives: weights, kernels of the CKA, answers, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.course.cka import LEAST, MinibatchCKA
from cnnviz.datasets import Dataset
from cnnviz.errors import ImageError, LayerError
from cnnviz.heatmaps.checks.randomisation import all_layers, redraw, weighted_layers
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.layers import kind, named_layers, without_call
from cnnviz.models import Model
from cnnviz.models.checkpoint_series import CheckpointSeries
from cnnviz.models.compared import with_checkpoint
from cnnviz.models.weights import layer_weight
from cnnviz.passes.captures import capture
from cnnviz.passes.scan import first_batch
from cnnviz.results.progress import Progress, silent
from cnnviz.units.projection import PartialForward
from cnnviz.views._compare_pass import Side, accuracy
from cnnviz.views.feature_maps import FeatureMaps, feature_maps
from cnnviz.views.filters import filters
from cnnviz.views.top_activations_search import Search, Tiles, run_together

Kernels = tuple[dict[int, int], list[NDArray[np.float64]]]
"""In which row each image of a block came, and the kernel of each layer over them."""


@dataclass(frozen=True, eq=False)
class UnitsAtEpoch:
    """What some channels of a layer are at one checkpoint.

    Attributes
    ----------
    channels : tuple of int
        Which channels.
    cells : ndarray or None
        The maps [U, h, w] as float32, or the projections [U, h, w, 3] as uint8; None where nothing
        is sent back.
    activations : ndarray of float64
        The largest value of each, [U].
    images : tuple of int
        The image of each.
    """

    channels: tuple[int, ...]
    cells: NDArray[np.float32] | NDArray[np.uint8] | None
    activations: NDArray[np.float64]
    images: tuple[int, ...]


@dataclass(eq=False)
class EpochState:
    """What one checkpoint gave."""

    weights: dict[str, torch.Tensor]
    first_kernels: NDArray[np.float32] | None
    blocks: list[Kernels]
    right: dict[int, bool | None] = field(default_factory=dict)
    units: list[UnitsAtEpoch] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """The share of right answers; NaN where no label is known."""
        return accuracy(list(self.right.values()))


@dataclass(frozen=True)
class Plan:
    """What is looked at in every checkpoint.

    Attributes
    ----------
    dataset : Dataset
        The images.
    layers : tuple of str
        The layers whose outputs are compared.
    weighted : tuple of str
        The convolutions and linear layers, in the order of their calls.
    mapped : tuple of str
        The layers whose units are shown.
    kernels : str
        The convolution whose kernels are shown; empty where there is none.
    top : int
        How many units of each.
    batch_size : int
        Images in a minibatch of the CKA.
    rule : Rule
        How projections are sent back.
    """

    dataset: Dataset
    layers: tuple[str, ...]
    weighted: tuple[str, ...]
    mapped: tuple[str, ...]
    kernels: str
    top: int
    batch_size: int
    rule: Rule

    @property
    def of_photo(self) -> bool:
        """Whether there is one photo, whose feature maps are shown."""
        return len(self.dataset) == 1


def first_convolution(model: Model) -> tuple[str, str]:
    """Return the convolution whose kernels are shown, or nothing and why."""
    try:
        return filters(model).layer, ""
    except LayerError as error:
        return "", error.what


def weighted(model: Model, inputs: torch.Tensor) -> tuple[str, ...]:
    """Return the convolutions and linear layers with weights, from the first called."""
    layers = named_layers(model.module)
    names = reversed(weighted_layers(model, inputs))
    return tuple(name for name in names if kind(layers[name]) in ("conv", "linear"))


def mapped(model: Model, inputs: torch.Tensor, layers: Sequence[str], most: int) -> tuple[str, ...]:
    """Return those layers that hold a map of the image, some of many, evenly spread."""
    known = named_layers(model.module)
    names = list(dict.fromkeys(without_call(layer, known) for layer in layers))
    held = capture(model, inputs, layers=names, gradients=False, logits=False).mapped()
    found = [layer for layer in layers if layer in held]
    spread = np.linspace(0, len(found) - 1, min(len(found), most)).round()
    return tuple(found[int(place)] for place in dict.fromkeys(spread))


def models_of(
    model: Model, inputs: torch.Tensor, series: CheckpointSeries | None, seed: int
) -> list[Callable[[], Model]]:
    """Return what makes the network of each checkpoint."""
    if series is not None:
        return [partial(with_checkpoint, model, path) for path in series.paths]

    def redrawn() -> Model:
        module = copy_network(model.module)
        redraw(module, all_layers(model, inputs), seed)
        return model.around(module, weights=f"redrawn, seed {seed}", untrained=True)

    return [redrawn, lambda: model]


def look_at_all(
    plan: Plan, models: Sequence[Callable[[], Model]], progress: Progress
) -> list[EpochState]:
    """Look at each checkpoint; only one of them is in memory at a time.

    The last comes first, because its strongest units are those that are shown.
    """
    found: list[EpochState] = []
    channels: list[tuple[int, ...]] | None = None
    for done, make in enumerate(reversed(models)):
        progress(done, len(models), "looking at checkpoints")
        state = _look(plan, make(), channels)
        channels = channels or [units.channels for units in state.units]
        found.insert(0, state)
    progress(len(models), len(models), "done")
    return found


def _look(plan: Plan, model: Model, channels: list[tuple[int, ...]] | None) -> EpochState:
    layers = named_layers(model.module)
    side = Side(model, plan.layers)
    state = EpochState(
        weights={name: layer_weight(layers[name]).cpu().clone() for name in plan.weighted},
        first_kernels=filters(model, plan.kernels).kernels if plan.kernels else None,
        blocks=_blocks(plan, side),
    )
    seen = sorted(side.answers)
    state.right = dict(zip(seen, side.right(plan.dataset, seen), strict=True))
    if plan.mapped:
        made = _maps if plan.of_photo else _projections
        state.units = made(plan, model, channels)
    return state


def _blocks(plan: Plan, side: Side) -> list[Kernels]:
    total, found = len(plan.dataset), list[Kernels]()
    refused: ImageError | None = None
    blocks = np.array_split(np.arange(total), max(1, round(total / plan.batch_size)))
    for block in blocks:
        try:
            rows = side.look(plan.dataset, block.tolist())
        except ImageError as error:  # not one of them can be read
            refused = error
            continue
        found.append((rows, side.kernels()))
    if refused is not None and not found:
        raise refused
    return found


def _maps(plan: Plan, model: Model, channels: list[tuple[int, ...]] | None) -> list[UnitsAtEpoch]:
    """Return the feature maps of the one photo."""
    known = named_layers(model.module)
    names = list(dict.fromkeys(without_call(layer, known) for layer in plan.mapped))
    image = plan.dataset.read(0).image
    shown = image[None] if isinstance(image, torch.Tensor) else image
    held = capture(model, shown, layers=names, gradients=False, logits=False)
    found = []
    for place, layer in enumerate(plan.mapped):
        maps: FeatureMaps = feature_maps(held, layer, plan.top, image=0)
        chosen = channels[place] if channels else maps.shown
        cells, peaks = maps.maps[list(chosen)], maps.peak[list(chosen)]
        found.append(UnitsAtEpoch(chosen, cells, peaks, (0,) * len(chosen)))
    return found


def _projections(
    plan: Plan, model: Model, channels: list[tuple[int, ...]] | None
) -> list[UnitsAtEpoch]:
    """Return what the strongest activation of each unit over all images sends back."""
    inputs = first_batch(plan.dataset, model, range(len(plan.dataset))).tensor
    passages = PartialForward.each(model, inputs, plan.mapped)
    searches = [Search(passage, plan.dataset, 1) for passage in passages]
    run_together(searches, silent)
    found = []
    for place, search in enumerate(searches):
        chosen = channels[place] if channels else _strongest(search, plan.top)
        tiles = Tiles(search, chosen, plan.rule)
        tiles.fill(silent)
        places = list(chosen)
        found.append(
            UnitsAtEpoch(
                chosen,
                None if tiles.projections is None else tiles.projections[:, 0],
                search.found.values[places, 0],
                tuple(int(image) for image in search.found.images[places, 0]),
            )
        )
    return found


def _strongest(search: Search, top: int) -> tuple[int, ...]:
    return tuple(int(channel) for channel in search.by_contrast()[:top])


def cka_to_the_last(states: Sequence[EpochState]) -> tuple[NDArray[np.float64], list[int]]:
    """Return the CKA of each layer with itself at the end, [L, E], and the sizes of minibatches.

    Of each block only the images that every checkpoint answered count.
    """
    layers = len(states[0].blocks[0][1])
    found = [MinibatchCKA(layers, layers) for _ in states]
    for number in range(len(states[0].blocks)):
        blocks = [state.blocks[number] for state in states]
        common = [index for index in blocks[-1][0] if all(index in rows for rows, _ in blocks)]
        if len(common) < LEAST:
            continue
        taken = [_taken(block, common) for block in blocks]
        for one, kernels in zip(found, taken, strict=True):
            one.add(kernels, taken[-1])
    return np.stack([np.diag(one.values()) for one in found], axis=1), found[-1].sizes


def _taken(block: Kernels, images: Sequence[int]) -> list[NDArray[np.float64]]:
    rows, kernels = block
    places = [rows[index] for index in images]
    return [kernel[np.ix_(places, places)] for kernel in kernels]
