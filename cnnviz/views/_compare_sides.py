"""The two networks that are set beside each other, with the layers of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from cnnviz.datasets import Dataset
from cnnviz.errors import UsageError
from cnnviz.heatmaps.checks.randomisation import all_layers, redraw
from cnnviz.introspection.copies import copy_network
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model
from cnnviz.models.compared import Checkpoint, Compared, compared_models
from cnnviz.models.spaces import check_takes_images
from cnnviz.models.whole_image_scores import check_scores_the_image
from cnnviz.passes.scan import first_batch
from cnnviz.views._compare_pass import Side

Asked = tuple[Compared | Sequence[Compared] | None, Checkpoint | None]
"""Another network, and a checkpoint of it."""


def two_sides(
    first: Model,
    dataset: Dataset,
    asked: Asked,
    layers: tuple[Layers, Layers | None],
    seed: int,
) -> tuple[tuple[Side, Side], bool]:
    """Return both networks with their layers, and whether the other has redrawn weights.

    What is asked for is another network, or the checkpoint of one, or both.
    """
    check_takes_images(first, "compare")
    inputs = first_batch(dataset, first, range(len(dataset))).tensor
    other, redrawn = _other(first, inputs, asked, seed)
    check_takes_images(other, "compare")
    # Its own preprocessing prepares them.
    other_inputs = first_batch(dataset, other, range(len(dataset))).tensor
    own, others = layers
    sides = (
        Side.of(first, inputs, own),
        Side.of(other, other_inputs, own if others is None else others),
    )
    check_scores_the_image(first, "compare", inputs)
    check_scores_the_image(other, "compare", other_inputs)
    return sides, redrawn


def _other(
    first: Model,
    inputs: torch.Tensor,
    asked: Asked,
    seed: int,
) -> tuple[Model, bool]:
    """Return the network to compare with, and whether it is the same with weights redrawn."""
    chosen = compared_models(first, *asked)
    if len(chosen) > 1:
        raise UsageError(f"{len(chosen)} other networks were given.", "Give one.")
    if chosen:
        return _prepared_alike(first, chosen[0]), False
    forgetful = copy_network(first.module)
    redraw(forgetful, all_layers(first, inputs), seed)
    return first.around(forgetful, weights=f"redrawn, seed {seed}", untrained=True), True


def _prepared_alike(first: Model, other: Model) -> Model:
    """Let what was said of one network's images hold for the other, of which nobody said anything.

    Otherwise a network would differ from itself. Only where as much can be read off either: one of
    another number of channels, or that takes another size, keeps its own guess.
    """
    if not other.preprocessing.is_guess or other.preprocessing == first.preprocessing:
        return other
    if Model(first.module).preprocessing != Model(other.module).preprocessing:
        return other
    alike = other.around(
        other.module, weights=other.weights, notes=other.notes, untrained=other.untrained
    )
    origin = f"as those of {first.name}"
    alike.preprocessing = replace(first.preprocessing, origin=origin, is_guess=True)
    return alike


def preparation_told(other: Model) -> list[str]:
    """Return a note where the preparation of the other's images is a guess."""
    if not other.preprocessing.is_guess:
        return []
    taken = other.preprocessing.describe()
    return [f"not all is said of how the images of the other are prepared; taken: {taken}"]
