"""What each channel of a layer responds to most in many images, and what of these made it so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import WORKERS, Count, Shard, Top, Within, bounded
from cnnviz.datasets import open_dataset
from cnnviz.datasets.aliases import Data
from cnnviz.datasets.arrays import open_arrays
from cnnviz.errors import UsageError
from cnnviz.images import ArrayPreprocessing
from cnnviz.images.paths import expand
from cnnviz.introspection.backward_rules import Rule
from cnnviz.introspection.unit_names import check_channels
from cnnviz.models import Model, as_model
from cnnviz.passes.memory_shortage import in_smaller_batches
from cnnviz.passes.precision import Precision, check_precision
from cnnviz.passes.processes import sharing
from cnnviz.passes.scan import first_batch
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import PAGE
from cnnviz.results.progress import Progress, silent
from cnnviz.results.space import IMAGE, Space, space_of
from cnnviz.results.table import Table, TableResult
from cnnviz.units.projection import PartialForward, columns_of, rows_of
from cnnviz.views import _top_activations_text
from cnnviz.views._channel_order import Order, check_settings, choose_channels
from cnnviz.views._strongest_patches import ChannelPatches, PatchPosition
from cnnviz.views.deconvnet import last_stage
from cnnviz.views.pictures import array_top_activations
from cnnviz.views.pictures import top_activations as picture
from cnnviz.views.top_activations_search import Search, Tiles, provenance_of, run_together

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class TopActivations(TableResult):
    """The k strongest positions of every channel of one layer, each in an image of its own.

    Attributes
    ----------
    layer : str
        The layer.
    rule : {"deconvnet", "guided", "gradient"}
        How rectifiers sent the projections back.
    data : str
        What the images are.
    seen : int
        How many images were looked at.
    values : ndarray of float64
        [C, k]: the activations, the greatest first; NaN where there were too few images.
    images : ndarray of int64
        [C, k]: the place of each one's image in the data set; -1 where there were too few.
    positions : ndarray of int64
        [C, k, A]: the position in the layer's output along each axis; -1 likewise.
    typical : ndarray of float64
        [C]: the mean over the images of the strongest value in each, values below zero as zero.
    names, labels : mapping of int to str
        What these images are called, and their classes where they are known.
    shown : tuple of int
        The channels that are drawn, in the order drawn.
    order : str
        How these were chosen, in words.
    patches, projections : ndarray of uint8 or float32
        [S, k, h, w, 3]: for each channel shown, what the unit saw and what it sends back to the
        pixels, as drawn. Both are grey beyond the image, and where there is nothing to show. Of a
        volume some slices of both, side by side; of signals the numbers themselves, [S, k, C, l],
        NaN beyond them.
    drawn : ndarray of bool
        [S, k]: whether there is something to show: an image, and a value above zero.
    size : tuple of int
        Height and width of a patch in pixels of the network's input; of signals and volumes the
        size along each axis.
    field : str
        The receptive field in words.
    page : int
        Which of the `pages` is drawn, from 1.
    """

    left_out: ClassVar[tuple[str, ...]] = (
        "values",
        "images",
        "positions",
        "names",
        "labels",
        "page",
    )
    derived: ClassVar[tuple[str, ...]] = ("pages", "channels")

    layer: str
    rule: Rule
    data: str
    seen: int
    values: NDArray[np.float64]
    images: NDArray[np.int64]
    positions: NDArray[np.int64]
    typical: NDArray[np.float64]
    names: Mapping[int, str]
    labels: Mapping[int, str]
    shown: tuple[int, ...]
    order: str
    patches: NDArray[np.uint8] | NDArray[np.float32]
    projections: NDArray[np.uint8] | NDArray[np.float32]
    drawn: NDArray[np.bool_]
    size: tuple[int, ...]
    field: str
    page: int = 1

    @property
    def space(self) -> Space:
        """Which axes the data have."""
        return space_of(self.positions.shape[-1])

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of each position, [C, k]; a signal is one row."""
        return rows_of(self.positions)

    @property
    def columns(self) -> NDArray[np.int64]:
        """The column of each position, [C, k]; along a signal the position."""
        return columns_of(self.positions)

    @property
    def never_above_zero(self) -> NDArray[np.bool_]:
        """Whether a channel was above zero at no position of any image, [C].

        It is dead only where what follows starts at zero, as a ReLU does: a batch norm may shift
        it above zero.
        """
        found: NDArray[np.bool_] = ~(self.values[:, 0] > 0.0)
        return found

    @property
    def pages(self) -> int:
        """How many pages the channels that are shown take."""
        return -(-len(self.shown) // picture.PER_PAGE)

    def strongest(self, channel: int) -> tuple[PatchPosition, ...]:
        """Return the strongest positions of a channel, the strongest first.

        Raises
        ------
        LayerError
            If there is no such channel.
        """
        check_channels([channel], len(self.values), self.layer)
        return tuple(
            PatchPosition(
                value=float(self.values[channel, slot]),
                image=int(image),
                name=self.names[int(image)],
                label=self.labels.get(int(image)),
                row=int(self.rows[channel, slot]),
                column=int(self.columns[channel, slot]),
                at=() if self.space == IMAGE else tuple(self.positions[channel, slot].tolist()),
            )
            for slot, image in enumerate(self.images[channel])
            if image >= 0
        )

    @property
    def channels(self) -> tuple[ChannelPatches, ...]:
        """Every channel with its strongest positions and the names of their images."""
        return tuple(
            ChannelPatches(channel, bool(below), self.strongest(channel))
            for channel, below in enumerate(self.never_above_zero)
        )

    def summary(self) -> str:
        """Say how many channels were searched, and how many of them are never above zero."""
        return _top_activations_text.summary(self)

    def title(self) -> str:
        """Return what stands above the page."""
        return _top_activations_text.title(self)

    def caption(self) -> str:
        """Say what stands beside what, how it is scaled, and what is left out."""
        return _top_activations_text.caption(self)

    def table(self) -> Table:
        """Return a row for each of the strongest positions of every channel."""
        columns = ("channel", "rank", "value", "image", "name", "label", *self.space.names)
        rows = [
            (
                channel,
                slot + 1,
                one.value,
                one.image,
                one.name,
                one.label,
                *self.positions[channel, slot].tolist(),
            )
            for channel in range(len(self.values))
            for slot, one in enumerate(self.strongest(channel))
        ]
        return Table.of(columns, rows)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the page."""
        if self.space.axes == 1:
            return array_top_activations.draw(self, into)
        return picture.draw(self, into)

    def draw_panel(self, axes: Axes) -> None:
        """Draw the page into an Axes."""
        if self.space.axes == 1:
            array_top_activations.draw_panel(self, axes)
        else:
            picture.draw_panel(self, axes)

    def figure(
        self, page: int = 0, *, figure: drawing.Canvas | None = None, ax: Axes | None = None
    ) -> Figure:
        """Draw a page, counted from 1, as `Result.figure` does; 0 is that of the result.

        Raises
        ------
        UsageError
            If there is no such page.
        """
        if not 0 <= page <= self.pages:
            raise UsageError(f"There is no page {page}.", f"There are {self.pages}, from 1.")
        chosen = replace(self, page=page) if page else self
        return drawing.placed(chosen.draw, chosen.draw_panel, figure, ax)

    def sheets(self, tallest: float = PAGE) -> tuple[TopActivations, ...]:
        """Return the result once for each page, whatever its height."""
        return tuple(replace(self, page=page) for page in range(1, self.pages + 1)) or (self,)


@bounded
@in_smaller_batches
def top_activations(
    model: Model | nn.Module,
    data: Data,
    layer: str | None = None,
    channels: int | str | Iterable[int] | None = None,
    k: Annotated[int, Within(1, 1_000)] = 9,
    rule: Rule = "deconvnet",
    *,
    top: Top = 12,
    order: Order = "contrast",
    count: Count | None = None,
    precision: Precision = "float32",
    workers: Annotated[int | None, WORKERS] = None,
    shard: Shard | None = None,
    state: str | Path | None = None,
    progress: Progress = silent,
) -> TopActivations:
    """Find the patches that excite each channel of a layer most, and what of them does it.

    The picture of Zeiler and Fergus (2013, figure 2): one streaming pass over the images finds the
    strongest positions of every channel, of each image one; these are then sent back to the pixels.
    Only the network as far as the layer runs, and memory does not grow with the number of images.

    Parameters
    ----------
    model : Model or torch.nn.Module
        The network; it is left as it was.
    data : str, Path, data set object, or images
        Whatever `cnnviz.open_dataset` opens: a folder, tar shards, "shapes", a data set
        of torchvision or Hugging Face, a list of images. For a network of signals or volumes a
        folder of ``.npy``, ``.npz``, ``.pt`` or ``.wav`` files, or a list of what it takes.
    layer : str, optional
        The layer, ``name#1`` for the second call of one that is called twice; by default the one at
        the end of the last stage.
    channels : int, str or iterable of int, optional
        The channels to draw, or text such as ``3,7,10-15``. The numbers are found for all channels.
    k : int
        How many patches for each channel, at most one from each image.
    rule : {"deconvnet", "guided", "gradient"}
        How rectifiers send the projections back; see `cnnviz.deconvnet`.
    top : int
        How many channels to draw where none are named; 0 draws all, on as many pages as it takes.
    order : {"contrast", "peak", "index"}
        Which come first where none are named: those whose strongest patches stand out most from
        what the channel does in most images; the largest activations; or the lowest index.
    count : int, optional
        The largest number of images, evenly spread; all by default.
    precision : {"float32", "bf16"}
        The precision of the passes: bfloat16 is faster where the processor or GPU supports it, and
        rounds to about three digits, which can change the order of nearly equal patches. The
        difference is measured on the first images and reported.
    workers : int, optional
        Threads that read images; one for each processor, up to 8, by default.
    shard : int, optional
        Images in a shard: processes share the images shard by shard. By default a 64th of the
        images, and at most 512.
    state : str or Path, optional
        A folder for results: with the same network, settings and images, a run that was stopped
        continues, and one that is complete is only read. Processes that `torchrun` started share
        the work if they see the same folder; each returns the whole result.
    progress : callable, optional
        Called as ``progress(done, total, what)`` while images are read and patches projected.

    Returns
    -------
    TopActivations

    Raises
    ------
    LayerError
        If the layer or a channel does not exist, or the layer has no channels with positions.
    ImageError
        If there is no image that can be read.
    UsageError
        If an argument is out of range.
    OtherProcessError
        If one of several processes has failed.
    ModelError
        If the network cannot run on the images.

    Examples
    --------
    >>> import cnnviz
    >>> model = cnnviz.load()
    >>> found = cnnviz.top_activations(model, "shapes", "features.4", count=20, top=2)
    >>> print(found.summary())
    features.4: the 9 strongest patches of 96 channels in 20 images
    """
    check_settings(rule, order)
    wrapped = as_model(model)
    check_precision(precision, wrapped)
    folder = None if state is None else expand(state)
    with sharing(folder, "a search") as processes:
        search = _search(wrapped, data, layer, k, count)
        run_together(
            [search],
            progress,
            processes=processes,
            state=folder,
            shard=shard,
            workers=workers,
            precision=precision,
        )
    shown, words = choose_channels(channels, top, order, search)
    tiles = Tiles(search, shown, rule)
    tiles.fill(progress)
    return found_patches(search, tiles, words)


def _search(model: Model, data: Data, layer: str | None, k: int, count: int | None) -> Search:
    """Return the search, before it has looked at any image."""
    dataset = (
        open_arrays(data, model.preprocessing, count)
        if isinstance(model.preprocessing, ArrayPreprocessing)
        else open_dataset(data, count)
    )
    inputs = first_batch(dataset, model, range(len(dataset))).tensor
    name = layer if layer is not None else last_stage(model, inputs)
    return Search(PartialForward.to(model, inputs, name), dataset, k)


def found_patches(search: Search, tiles: Tiles, words: str) -> TopActivations:
    """Return what a search found, and the tiles of the channels that are drawn."""
    model, found = search.passage.model, search.found
    winners = sorted({int(image) for image in found.images.ravel() if image >= 0})
    labels = {image: label for image in winners if (label := search.label(image)) is not None}
    field = search.passage.field
    blank = (picture.TILE, picture.TILE, 3) if model.space.axes > 1 else (model.channels, 1)
    return TopActivations(
        provenance=provenance_of(model, search, tiles),
        layer=search.passage.layer,
        rule=tiles.rule,
        data=search.dataset.describe(),
        seen=search.seen,
        values=np.where(found.images >= 0, found.values, np.nan),
        images=found.images,
        positions=search.positions(),
        typical=search.typical,
        names={image: search.dataset.name(image) for image in winners},
        labels=labels,
        shown=tiles.shown,
        order=words,
        patches=tiles.empty(blank) if tiles.patches is None else tiles.patches,
        projections=tiles.empty(blank) if tiles.projections is None else tiles.projections,
        drawn=tiles.drawn,
        size=tiles.size or (0,) * model.space.axes,
        field="unknown" if field is None else field.describe(),
    )
