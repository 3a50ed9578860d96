"""Two networks beside each other: how alike their layers are, what they answer, where they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Count, Seed, Within, bounded
from cnnviz.course.cka import LEAST
from cnnviz.datasets import Dataset, open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.errors import UsageError
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model, as_model
from cnnviz.models.compared import Compared, told_apart
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.resolved_target import Unit
from cnnviz.results import drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import ImageSource, Provenance
from cnnviz.results.result import Result
from cnnviz.results.text import plural
from cnnviz.views._compare_examples import looked_at, tile, truth_of
from cnnviz.views._compare_features import (
    KernelPair,
    MapPair,
    kernel_pair,
    map_pairs,
)
from cnnviz.views._compare_pass import (
    Side,
    accuracy,
    agreement,
    run_both,
)
from cnnviz.views._compare_sides import preparation_told, two_sides
from cnnviz.views._compare_text import caption, headline, summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Shown = Literal["layers", "features"]
PICTURES = ("layers", "features")


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Comparison(Result):
    """How similar A layers of one network and B layers of another are, and their answers.

    Attributes
    ----------
    names : tuple of str
        The two networks.
    layers, other_layers : tuple of str
        The layers of each that are compared, from the shallowest to the deepest.
    cka : ndarray of float64
        [A, B]: centred kernel alignment, 1 where two layers tell the images apart in the same way,
        about 0 where they have nothing in common; NaN where a layer is the same for all images, or
        there are too few of these.
    batch_sizes : ndarray of int64
        How many images there were in each minibatch that counted.
    data : str
        What the images are.
    seen : int
        How many images both networks answered.
    answers : ndarray of int64
        [2, N]: the likeliest class of each image; -1 where a network names none.
    labels : ndarray of int64
        [N]: the class of each image as the data set has it; -1 where that is not known.
    agreement : float
        How often both answer the same class; NaN where they have no class in common.
    accuracies : tuple of float
        The share of the labelled images that each answers rightly; NaN where none is labelled with
        a class of its own.
    labelled : tuple of int
        How many images are labelled with a class of either network.
    examples : tuple of str
        The S images whose answers are drawn.
    truths : tuple of str
        What each of them is labelled with; empty where that is not known.
    example_classes : tuple of tuple of str
        [S, 2]: the likeliest class of each by either network; empty where it names none.
    example_right : tuple of tuple of bool
        [S, 2]: whether that is the label; None where it is not known.
    example_answers : ndarray of float64
        [S, 2]: its probability, or the score that stands for it.
    units : tuple of {"probability", "score"}
        Which of the two, for either network.
    heatmap_layers : tuple of tuple of str
        Where either network's heatmaps are made; empty where it has no layer for them.
    sheet : ndarray of uint8
        [S, 2, h, w, 3]: each image as either network takes it, and where that looked.
    kernels : KernelPair or None
        The kernels of the first convolution of both.
    no_kernels : str
        Why there are none; empty where there are.
    maps : tuple of MapPair
        Feature maps of the first image at layers of both that match.
    pairing : str
        How these were matched, or why there are none.
    picture : {"layers", "features"}
        What is drawn: CKA, answers and heatmaps; or kernels and feature maps.
    """

    left_out: ClassVar[tuple[str, ...]] = ("sheet",)
    derived: ClassVar[tuple[str, ...]] = ("counted",)

    names: tuple[str, str]
    layers: tuple[str, ...]
    other_layers: tuple[str, ...]
    cka: NDArray[np.float64]
    batch_sizes: NDArray[np.int64]
    data: str
    seen: int
    answers: NDArray[np.int64]
    labels: NDArray[np.int64]
    agreement: float
    accuracies: tuple[float, float]
    labelled: tuple[int, int]
    examples: tuple[str, ...]
    truths: tuple[str, ...]
    example_classes: tuple[tuple[str, str], ...]
    example_right: tuple[tuple[bool | None, bool | None], ...]
    example_answers: NDArray[np.float64]
    units: tuple[Unit, Unit]
    heatmap_layers: tuple[tuple[str, ...], tuple[str, ...]]
    sheet: NDArray[np.uint8]
    kernels: KernelPair | None = None
    no_kernels: str = ""
    maps: tuple[MapPair, ...] = ()
    pairing: str = ""
    picture: Shown = "layers"

    @property
    def counted(self) -> int:
        """How many images the CKA is of."""
        return int(self.batch_sizes.sum())

    def summary(self) -> str:
        """Say how alike the layers are, and how often the answers are the same."""
        return summary(self)

    def headline(self) -> str:
        """Say what stands above the picture: which networks, and how often they agree."""
        return headline(self)

    def caption(self) -> str:
        """Say what was compared with what, over which images, and how to read the picture."""
        return caption(self)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array by its name, and the kernels and feature maps of both."""
        found = super().arrays()
        if self.kernels is not None:
            found["kernels"] = self.kernels.kernels
            found["other kernels"] = self.kernels.other_kernels
            found["kernel changes"] = self.kernels.changes
        for pair in self.maps:
            found[f"maps {pair.maps.layer}"] = pair.maps.maps
            found[f"other maps {pair.other_maps.layer}"] = pair.other_maps.maps
        return found

    def figure(
        self,
        picture: Shown | None = None,
        *,
        figure: drawing.Canvas | None = None,
        ax: Axes | None = None,
    ) -> Figure:
        """Draw one of the two pictures, that of the result by default, as `Result.figure` does."""
        chosen = self if picture is None else replace(self, picture=picture)
        return drawing.placed(chosen.draw, chosen.draw_panel, figure, ax)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw CKA and answers, or kernels and feature maps."""
        from cnnviz.views.pictures import compare, compare_features

        pictures = {"layers": compare.draw, "features": compare_features.draw}
        return pictures[self.picture](self, into)


@bounded
@in_smaller_batches
def compare(
    model: Model | nn.Module,
    data: Data,
    compare: Compared | Sequence[Compared] | None = None,
    layers: Layers = "stages",
    other_layers: Layers | None = None,
    *,
    count: Count | None = None,
    batch_size: Annotated[int, Within(2 * LEAST, 65_536)] = 64,
    examples: Annotated[int, Within(1, 1_000)] = 3,
    seed: Seed = 0,
    compare_weights: str | Path | None = None,
    picture: Shown = "layers",
    progress: Progress = silent,
) -> Comparison:
    """Set two networks beside each other: before and after training, or before and after transfer.

    How alike any two of their layers are is their centred kernel alignment (Kornblith et al. 2019),
    over many images in minibatches with the unbiased HSIC_1 (Nguyen et al. 2021). The features of a
    layer are its whole map of an image, flattened.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    data : str, Path, data set object, or images
        Whatever `cnnviz.open_dataset` opens: a folder, tar shards, "shapes", a data set of
        torchvision or Hugging Face, a list of images. Each network's own preprocessing prepares
        them; that of `model` also for the other, where nobody said how its images are prepared.
    compare : str, Model or torch.nn.Module, optional
        The other network, as a name that `cnnviz.load` takes or as itself; by default the same one
        with its weights redrawn, as before training.
    layers : str or sequence of str
        The layers of the network: names, patterns or kinds; by default the ends of its stages.
    other_layers : str or sequence of str, optional
        The layers of the other network; by default chosen in the same way.
    count : int, optional
        At most how many images, evenly spread over the data.
    batch_size : int
        About how many images a minibatch of the CKA has; their maps are held at once.
    examples : int
        Of how many images the answers are drawn.
    seed : int
        The seed of redrawn weights.
    compare_weights : str or Path, optional
        A checkpoint for the other network. Without `compare`, that is the same network with these
        weights; all else that is known of the first holds for it.
    picture : {"layers", "features"}
        Which of the two pictures is drawn: CKA, answers and heatmaps; or kernels and feature maps.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each batch.

    Returns
    -------
    Comparison

    Raises
    ------
    LayerError
        If a layer does not exist.
    CheckpointError
        If the checkpoint cannot be read, or does not fit the network.
    ImageError
        If there is no image that can be read.
    UsageError
        If an argument is out of range, or a network takes no photos or returns boxes.
    ModelError
        If a network cannot run on the images.
    """
    if picture not in PICTURES:
        raise UsageError(f"There is no picture {picture!r}.", f"Choose from {', '.join(PICTURES)}.")
    dataset, chosen = open_dataset(data, count), (layers, other_layers)
    asked = (compare, compare_weights)
    sides, redrawn = two_sides(as_model(model), dataset, asked, chosen, seed)
    found, seen = run_both(*sides, dataset, batch_size, progress)
    first, other = (side.model for side in sides)
    right = [side.right(dataset, seen) for side in sides]
    looked = [looked_at(side.model, dataset, seen[:examples]) for side in sides]
    batches = looked[0][0].batch, looked[1][0].batch
    own_layers, cka = (sides[0].layers, sides[1].layers), found.values()
    kernels, no_kernels = kernel_pair(first, other)
    maps, pairing = map_pairs((first, other), batches, own_layers, cka)
    return Comparison(
        provenance=_provenance(sides, dataset, seen[:examples], seed if redrawn else None),
        names=_names(first, other),
        layers=own_layers[0],
        other_layers=own_layers[1],
        cka=cka,
        batch_sizes=np.array(found.sizes, np.int64),
        data=dataset.describe(),
        seen=len(seen),
        answers=np.array([[side.answers[index] for index in seen] for side in sides], np.int64),
        labels=np.array([sides[0].labels[index] for index in seen], np.int64),
        agreement=agreement(*sides, seen),
        accuracies=(accuracy(right[0]), accuracy(right[1])),
        labelled=(_labelled(right[0]), _labelled(right[1])),
        examples=tuple(dataset.name(index) for index in seen[:examples]),
        truths=tuple(truth_of(sides[0], dataset, index) for index in seen[:examples]),
        example_classes=tuple(
            (one.original.class_name, two.original.class_name)
            for one, two in zip(*looked, strict=True)
        ),
        example_right=tuple(zip(right[0][:examples], right[1][:examples], strict=True)),
        example_answers=np.array([[one.original.answer for one in side] for side in looked]).T,
        units=(looked[0][0].unit, looked[1][0].unit),
        heatmap_layers=(looked[0][0].layers, looked[1][0].layers),
        sheet=np.stack([np.stack([tile(one) for one in side]) for side in looked], axis=1),
        kernels=kernels,
        no_kernels=no_kernels,
        maps=maps,
        pairing=pairing,
        picture=picture,
    )


def _names(first: Model, other: Model) -> tuple[str, str]:
    one, two = told_apart([first, other])
    return one, two


def _labelled(right: Sequence[bool | None]) -> int:
    return sum(one is not None for one in right)


def _provenance(
    sides: tuple[Side, Side], dataset: Dataset, shown: Sequence[int], seed: int | None
) -> Provenance:
    first, other = (side.model for side in sides)
    notes = [
        *dataset.notes,
        f"compared with {other.name}, weights {other.weights}, {other.sha256[:16]}",
        *preparation_told(other),
    ]
    left = len(dataset) - len(sides[0].answers.keys() & sides[1].answers.keys())
    if left:
        was = "was" if left == 1 else "were"
        notes.append(f"{plural(left, 'image')} could not be read and {was} left out")
    sources = [ImageSource(dataset.name(index), dataset.sha256(index)) for index in shown]
    return first.provenance(sources, seed=seed, notes=notes)
