"""From edges to parts to objects: what the strongest channels of each stage look for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Count, Within, bounded
from cnnviz.datasets import open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.errors import UsageError
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.call_order import call_order
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.no_map import no_map
from cnnviz.passes.scan import first_batch
from cnnviz.results import drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import Result
from cnnviz.results.text import joined, layer_said, plural
from cnnviz.units.projection import PartialForward
from cnnviz.views._channel_order import check_settings
from cnnviz.views._deconvnet_text import RULES
from cnnviz.views._top_activations_text import strongest
from cnnviz.views.top_activations import TopActivations, found_patches
from cnnviz.views.top_activations_search import Search, Tiles, run_together

MOST_STAGES = 6
"""Stages that one page holds."""
SHARED = 3
"""A channel that shares more than one of so many of its images with a shown one is passed over."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Hierarchy(Result):
    """The strongest patches of a few channels of every stage, from the shallowest to the deepest.

    Attributes
    ----------
    stages : tuple of TopActivations
        What `top_activations` finds at the end of each of S stages; `shown` are its channels.
    passed_over : tuple of int
        How many channels of each were passed over, because they respond to the images of one that
        is shown.
    fields : ndarray of int64
        Height and width of the receptive field of each stage in pixels of the network's input,
        [S, 2]; -1 where there is no single size.
    input_size : tuple of int
        Height and width of the network's input.
    left : tuple of str
        The stages that there was no room for.
    """

    derived: ClassVar[tuple[str, ...]] = ("shares",)

    stages: tuple[TopActivations, ...]
    passed_over: tuple[int, ...]
    fields: NDArray[np.int64]
    input_size: tuple[int, ...]
    left: tuple[str, ...] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """How much of the input's area the receptive field of each stage covers, 0 to 1."""
        covered = np.minimum(self.fields, self.input_size).prod(1) / np.prod(self.input_size)
        known = (self.fields >= 0).all(1)
        return tuple(np.where(known, covered, np.nan).tolist())

    def summary(self) -> str:
        """Say how many stages of what network in how many images."""
        first = self.stages[0]
        return (
            f"{self.provenance.model}, {plural(len(self.stages), 'stage')} from "
            f"{layer_said(first.layer)} to {layer_said(self.stages[-1].layer)}: the "
            f"{strongest(first.values.shape[1])} of the "
            f"channels in {plural(first.seen, 'image')}"
        )

    def caption(self) -> str:
        """Say what stands where, and how the channels were chosen."""
        first = self.stages[0]
        k = first.values.shape[1]
        counts = [
            f"{len(one.shown)} of {len(one.values)} at {layer_said(one.layer)}"
            for one in self.stages
        ]
        left = f" Left out for want of room: {joined(list(self.left))}." if self.left else ""
        return (
            "From the shallowest stage to the deepest (Zeiler and Fergus 2013, figure 2): for each "
            f"channel the {k} patches with its strongest activations, each from an image of its "
            f"own ({first.data}), and to the left what of each made the unit respond, by "
            f"{RULES[first.rule]}. Patches are as large as the receptive field, which the square "
            "in the margin shows in the input, and light grey beyond the image; in a projection "
            "grey is zero, and each has its own scale. Channels are those whose patches stand out "
            "most: the least of their activations, as a multiple of the mean over all images of "
            "the largest in each; one "
            f"that shares more than a third of its {k} images with a channel already shown is "
            f"passed over. Shown are {joined(counts)}. Another choice shows other things: most "
            f"channels are less easily named than these.{left}"
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fields, and of each stage the activations, images and positions."""
        found: dict[str, NDArray[Any]] = {"fields": self.fields}
        for one in self.stages:
            for name in ("values", "images", "positions"):
                found[f"{one.layer} {name}"] = getattr(one, name)
        return found

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw a row for each stage."""
        from cnnviz.views.pictures.hierarchy import draw

        return draw(self, into)


@bounded
@in_smaller_batches
def hierarchy(
    model: Model | nn.Module,
    data: Data,
    layers: Layers = "stages",
    k: Annotated[int, Within(1, 1_000)] = 9,
    rule: Rule = "deconvnet",
    *,
    top: Annotated[int, Within(1, 1_000)] = 4,
    count: Count | None = None,
    progress: Progress = silent,
) -> Hierarchy:
    """Show on one page what channels of every stage respond to most, from edges to objects.

    The images are streamed once for all stages; what each patch made the unit respond to is sent
    back to the pixels as `top_activations` does (Zeiler and Fergus 2013).

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network, which takes photos; it is left as it was.
    data : str, Path, data set object, or images
        Whatever `cnnviz.open_dataset` opens: a folder, tar shards, "shapes", a data set of
        torchvision or Hugging Face, a list of images.
    layers : str or sequence of str
        The layers, from the shallowest to the deepest; "stages" are the ends of the stages, six of
        them, evenly spread, if there are more.
    k : int
        How many patches for each channel, at most one from each image.
    rule : {"deconvnet", "guided", "gradient"}
        How rectifiers send the projections back; see `cnnviz.deconvnet`.
    top : int
        How many channels of each stage.
    count : int, optional
        The largest number of images, evenly spread; all by default.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while images are read and patches projected.

    Returns
    -------
    Hierarchy

    Raises
    ------
    LayerError
        If a layer does not exist, or has no channels with positions.
    ImageError
        If there is no image that can be read.
    UsageError
        If an argument is out of range, or the network takes no photos.
    ModelError
        If the network cannot run on the images.
    """
    check_settings(rule, "contrast")
    wrapped = as_model(model)
    check_takes_images(wrapped, "hierarchy")
    dataset = open_dataset(data, count)
    inputs = first_batch(dataset, wrapped, range(len(dataset))).tensor
    names, left = _stages(wrapped, inputs, layers)
    searches = [Search(one, dataset, k) for one in PartialForward.each(wrapped, inputs, names)]
    run_together(searches, progress)
    stages, passed = [], []
    for search in searches:
        shown, over = _distinct(search, top)
        tiles = Tiles(search, shown, rule)
        tiles.fill(progress)
        words = f"those that stand out most, {over} passed over that share images with these"
        stages.append(found_patches(search, tiles, words))
        passed.append(over)
    return Hierarchy(
        provenance=_provenance(wrapped, stages),
        stages=tuple(stages),
        passed_over=tuple(passed),
        fields=np.array([_field(search) for search in searches], np.int64),
        input_size=tuple(inputs.shape[2:]),
        left=left,
    )


def _stages(model: Model, inputs: Any, layers: Layers) -> tuple[list[str], tuple[str, ...]]:
    """Return the layers that are shown, and those that are not."""
    if layers != "stages":
        named = layers.split(",") if isinstance(layers, str) else list(layers)
        chosen = [name.strip() for name in named if name.strip()]
        if not chosen:
            raise UsageError("No layer was named.", "Name layers, or leave it at 'stages'.")
        return list(dict.fromkeys(chosen)), ()
    found = list(call_order(model, inputs).stage_calls())
    if not found:
        raise no_map(model, "Name layers.")
    places = np.linspace(0, len(found) - 1, min(len(found), MOST_STAGES)).round().astype(int)
    kept = [found[place] for place in places]
    return kept, tuple(name for name in found if name not in kept)


def _distinct(search: Search, top: int) -> tuple[tuple[int, ...], int]:
    """Return the channels that are shown, and how many were passed over before the last of them.

    Where too few are left, those passed over come after all; dead ones come last.
    """
    images, alive = search.found.images, search.found.values[:, 0] > 0.0
    shown: list[int] = []
    over: list[int] = []
    order = [int(place) for place in search.by_contrast()]
    for channel in [place for place in order if alive[place]]:
        own = set(images[channel].tolist()) - {-1}
        shared = max((len(own & set(images[one].tolist())) for one in shown), default=0)
        (over if SHARED * shared > len(own) else shown).append(channel)
        if len(shown) == top:
            break
    dead = [place for place in order if not alive[place]]
    more = [*over, *dead][: top - len(shown)]
    return (*shown, *more), len(over) - len(set(more) & set(over))


def _field(search: Search) -> tuple[int, int]:
    field = search.passage.field
    size = None if field is None else field.size
    return (-1, -1) if size is None or len(size) != 2 else (int(size[0]), int(size[1]))


def _provenance(model: Model, stages: Sequence[TopActivations]) -> Any:
    """Return the origin of all stages: every photo once, and every note once."""
    origins = [one.provenance for one in stages]
    photos = {(one.name, one.sha256): one for origin in origins for one in origin.images}
    notes = dict.fromkeys(note for origin in origins for note in origin.notes)
    return replace(origins[0], images=tuple(photos.values()), notes=tuple(notes))
