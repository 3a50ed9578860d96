"""What a network was at the epochs of its training, and when its layers became what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Count, Seed, Within, bounded
from cnnviz.course.cka import LEAST
from cnnviz.course.convergence import (
    chance_of_order,
    order_with_depth,
    relative_change,
    settled_places,
)
from cnnviz.datasets import open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.layers import Layers
from cnnviz.models import Model, as_model
from cnnviz.models.checkpoint_series import CheckpointSeries, check_series, checkpoint_series
from cnnviz.models.spaces import check_takes_images
from cnnviz.models.whole_image_scores import check_scores_the_image
from cnnviz.passes.scan import first_batch
from cnnviz.results import drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import ImageSource
from cnnviz.results.result import Result
from cnnviz.results.text import plural
from cnnviz.units.projection import check_rule
from cnnviz.views._compare_pass import Side
from cnnviz.views._training_history_pass import (
    EpochState,
    Plan,
    cka_to_the_last,
    first_convolution,
    look_at_all,
    mapped,
    models_of,
    weighted,
)
from cnnviz.views._training_history_text import caption, headline, summary
from cnnviz.views._training_history_units import UnitHistory, units_over

NEAR = 0.1
"""Weights so close to their end, as a share of its norm, are near it."""
_MOST, _MOST_LAYERS, _MOST_UNITS = 24, 4, 8


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class TrainingHistory(Result):
    """A network at E checkpoints of its training.

    Attributes
    ----------
    checkpoints : tuple of str
        The checkpoints, from the first to the last, [E].
    epochs : ndarray of int64
        The numbers of the checkpoints, [E]: those in their names, or else their places from 1.
    numbered : bool
        Whether these are numbers of the names.
    unit : {"epoch", "step", "checkpoint"}
        What these count, as far as the names say.
    found : int
        How many checkpoints there were to choose from.
    layers : tuple of str
        The L layers whose outputs are compared, from the shallowest to the deepest.
    cka : ndarray of float64
        Centred kernel alignment of each with itself at the last checkpoint, [L, E]; NaN where it
        was not measured.
    batch_sizes : ndarray of int64
        How many images there were in each minibatch of the CKA.
    weighted : tuple of str
        The W convolutions and linear layers, in the order of their calls.
    changes : ndarray of float64
        [W, E]: the L2 norm of the difference of the weights from those of the last checkpoint, over
        the norm of these; NaN where that is zero.
    accuracies : ndarray of float64
        The share of the labelled images that each checkpoint answers rightly, [E]; NaN where none
        is labelled with one of its classes.
    labelled : int
        How many images are.
    data : str
        What the images are.
    seen : int
        How many images were looked at.
    kernels : ndarray of float32
        [E, K, C, h, w]: the kernels of the first convolution; empty where there is none.
    kernel_layer, no_kernels : str
        That convolution; or why there is none.
    shown_kernels : tuple of int
        The kernels that are drawn, those with the largest norms at the end.
    units : tuple of UnitHistory
        The units that are drawn, of some of the layers.
    rule : {"deconvnet", "guided", "gradient", ""}
        How projections were sent back; empty where the units are feature maps of one photo.
    alike : float
        The CKA from which on a layer counts as what it is at the end.
    """

    left_out: ClassVar[tuple[str, ...]] = ()
    derived: ClassVar[tuple[str, ...]] = (
        "labels", "near", "settled", "weights_settled", "order", "order_chance", "weights_order",
        "weights_order_chance",
    )  # fmt: skip

    checkpoints: tuple[str, ...]
    epochs: NDArray[np.int64]
    numbered: bool
    unit: str
    found: int
    layers: tuple[str, ...]
    cka: NDArray[np.float64]
    batch_sizes: NDArray[np.int64]
    weighted: tuple[str, ...]
    changes: NDArray[np.float64]
    accuracies: NDArray[np.float64]
    labelled: int
    data: str
    seen: int
    kernels: NDArray[np.float32]
    kernel_layer: str
    no_kernels: str
    shown_kernels: tuple[int, ...]
    units: tuple[UnitHistory, ...]
    rule: str
    alike: float

    @property
    def labels(self) -> tuple[str, ...]:
        """What the checkpoints are called, [E]: by number, or by name where names have none."""
        if self.numbered:
            return tuple(str(epoch) for epoch in self.epochs)
        return tuple(Path(name).stem for name in self.checkpoints)

    @property
    def near(self) -> float:
        """How near weights must be to their end, as a share of its norm, to count as that."""
        return NEAR

    @property
    def settled(self) -> NDArray[np.float64]:
        """From which checkpoint on the CKA of each layer stays at `alike` or more, [L], by number.

        NaN where it was not measured at the last, which is trivially alike to itself.
        """
        return self._numbers(self._settled_places)

    @property
    def weights_settled(self) -> NDArray[np.float64]:
        """From which checkpoint on the weights of each layer stay within `near`, [W], by number."""
        return self._numbers(self._weights_places)

    @property
    def order(self) -> float:
        """Kendall's tau of depth and the checkpoint of `settled`: 1 is the deeper, the later."""
        return order_with_depth(self._settled_places)

    @property
    def order_chance(self) -> float:
        """How often layers in a random order settle as much with depth, or against it, as here."""
        return chance_of_order(self._settled_places)

    @property
    def weights_order_chance(self) -> float:
        """The same of `weights_order`."""
        return chance_of_order(self._weights_places)

    @property
    def weights_order(self) -> float:
        """Kendall's tau of depth and the checkpoint of `weights_settled`."""
        return order_with_depth(self._weights_places)

    @property
    def _settled_places(self) -> NDArray[np.float64]:
        return settled_places(self.cka >= self.alike, self.cka)

    @property
    def _weights_places(self) -> NDArray[np.float64]:
        return settled_places(self.changes <= NEAR, self.changes)

    def _numbers(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        known = np.isfinite(places)
        numbers = self.epochs[np.where(known, places, 0).astype(int)].astype(np.float64)
        return np.where(known, numbers, np.nan)

    def headline(self) -> str:
        """Say what stands above the picture: the checkpoints, and an order of depth if there is."""
        return headline(self)

    def summary(self) -> str:
        """Say from when on the first and the last layer are what they are at the end."""
        return summary(self)

    def caption(self) -> str:
        """Say what was compared, which checkpoints are shown, and how to read the picture."""
        return caption(self)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array by its name, and the cells and activations of the units."""
        found = super().arrays()
        for one in self.units:
            found |= {f"cells {one.layer}": one.cells, f"activations {one.layer}": one.activations}
        return found

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the curves above, and kernels and units over the epochs below."""
        from cnnviz.views.pictures.training_history import draw

        return draw(self, into)


@bounded
def training_history(
    model: Model | nn.Module,
    data: Data,
    checkpoints: str | Path | Sequence[str | Path] | None = None,
    layers: Layers = "stages",
    *,
    epochs: Annotated[Sequence[int] | None, Within(0, 10**9)] = None,
    most: Annotated[int, Within(2, _MOST)] = 8,
    top: Annotated[int, Within(1, _MOST_UNITS)] = 4,
    count: Count | None = None,
    batch_size: Annotated[int, Within(2 * LEAST, 65_536)] = 64,
    rule: Rule = "deconvnet",
    alike: Annotated[float, Within(0.0, 1.0, above=True)] = 0.9,
    seed: Seed = 0,
    progress: Progress = silent,
) -> TrainingHistory:
    """Show kernels and units over the epochs of a training, and when each layer settled.

    Figure 4 of Zeiler and Fergus (2013), of your own checkpoints: for some units the strongest
    activation over the data, sent back to the pixels at each epoch; of one photo its feature maps.
    Curves beside it measure what that figure shows: how far the weights of each layer are from
    those of the last checkpoint, and the CKA of its output with that there (Kornblith et al.
    2019), as Raghu et al. (2017) found networks to settle from the bottom up.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network that the checkpoints are of; it is left as it was.
    data : str, Path, data set object, or images
        Whatever `cnnviz.open_dataset` opens: a folder, tar shards, "shapes", a data set of
        torchvision or Hugging Face, a list of images, or one photo.
    checkpoints : str, Path, or sequence of these, optional
        A folder of checkpoints with numbers in their names, such as epoch-1.pth and epoch-10.pth;
        a pattern; or files in their order, with commas between them. Without any, the beginning is
        the network with redrawn weights, and the end the network as it is.
    layers : str or sequence of str
        The layers whose outputs are compared: names, patterns or kinds; by default the ends of the
        stages. Units are shown of four of them at most.
    epochs : sequence of int, optional
        Which checkpoints, by the numbers in their names.
    most : int
        How many checkpoints at most where no `epochs` are named, 2 to 24.
    top : int
        How many units of each layer are shown, those that stand out most at the end, 1 to 8.
    count : int, optional
        The largest number of images, evenly spread; all by default.
    batch_size : int
        About how many images a minibatch of the CKA has; their maps are held at once.
    rule : {"deconvnet", "guided", "gradient"}
        How rectifiers send the projections back; see `cnnviz.deconvnet`.
    alike : float
        The CKA with the last checkpoint from which on a layer counts as settled.
    seed : int
        The seed of redrawn weights.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each checkpoint.

    Returns
    -------
    TrainingHistory

    Raises
    ------
    CheckpointError
        If there are fewer than two checkpoints, their order cannot be told, or some do not fit the
        network; all are tried before any work.
    LayerError
        If a layer does not exist.
    ImageError
        If there is no image that can be read.
    UsageError
        If an argument is out of range, or the network takes no photos or returns boxes.
    ModelError
        If the network cannot run on the images.
    """
    check_rule(rule)
    wrapped = as_model(model)
    check_takes_images(wrapped, "training_history")
    dataset = open_dataset(data, count)
    series = None if checkpoints is None else checkpoint_series(checkpoints, epochs, most)
    if series is not None:
        check_series(wrapped, series)
    inputs = first_batch(dataset, wrapped, range(len(dataset))).tensor
    check_scores_the_image(wrapped, "training_history", inputs)
    names = Side.of(wrapped, inputs, layers).layers
    kernel_layer, no_kernels = first_convolution(wrapped)
    plan = Plan(
        dataset=dataset,
        layers=names,
        weighted=weighted(wrapped, inputs),
        mapped=mapped(wrapped, inputs, names, _MOST_LAYERS),
        kernels=kernel_layer,
        top=top,
        batch_size=batch_size,
        rule=rule,
    )
    states = look_at_all(plan, models_of(wrapped, inputs, series, seed), progress)
    return _result(wrapped, plan, states, series, no_kernels, alike, seed)


def _result(
    model: Model,
    plan: Plan,
    states: Sequence[EpochState],
    series: CheckpointSeries | None,
    no_kernels: str,
    alike: float,
    seed: int,
) -> TrainingHistory:
    cka, sizes = cka_to_the_last(states)
    changes = [relative_change(state.weights, states[-1].weights) for state in states]
    kernels = [state.first_kernels for state in states if state.first_kernels is not None]
    held = np.stack(kernels) if kernels else np.empty((len(states), 0, 0, 0, 0), np.float32)
    names = [path.name for path in series.paths] if series else ["redrawn", "as it is"]
    return TrainingHistory(
        provenance=_provenance(model, plan, states, series, seed),
        checkpoints=tuple(names),
        epochs=np.array(series.epochs if series else range(1, len(states) + 1), np.int64),
        numbered=series.numbered if series else False,
        unit=series.unit if series else "checkpoint",
        found=series.found if series else len(states),
        layers=plan.layers,
        cka=cka,
        batch_sizes=np.array(sizes, np.int64),
        weighted=plan.weighted,
        changes=np.array([[each[name] for each in changes] for name in plan.weighted]).reshape(
            len(plan.weighted), len(states)
        ),
        accuracies=np.array([state.accuracy for state in states]),
        labelled=sum(one is not None for one in states[-1].right.values()),
        data=plan.dataset.describe(),
        seen=len(states[-1].right),
        kernels=held,
        kernel_layer=plan.kernels,
        no_kernels=no_kernels,
        shown_kernels=_largest(held[-1], plan.top),
        units=units_over(plan, states),
        rule="" if plan.of_photo else plan.rule,
        alike=alike,
    )


def _largest(kernels: NDArray[np.float32], top: int) -> tuple[int, ...]:
    norms = np.square(kernels, dtype=np.float64).sum((1, 2, 3))
    return tuple(int(channel) for channel in np.argsort(-norms, kind="stable")[:top])


def _provenance(
    model: Model,
    plan: Plan,
    states: Sequence[EpochState],
    series: CheckpointSeries | None,
    seed: int,
) -> Any:
    dataset, notes = plan.dataset, list(plan.dataset.notes)
    notes += series.notes if series is not None else ()
    left = len(dataset) - len(states[-1].right)
    if left:
        was = "was" if left == 1 else "were"
        notes.append(f"{plural(left, 'image')} could not be read and {was} left out")
    seen = sorted(states[-1].right)[:1]
    sources = [ImageSource(dataset.name(index), dataset.sha256(index)) for index in seen]
    return model.provenance(sources, seed=seed if series is None else None, notes=notes)
