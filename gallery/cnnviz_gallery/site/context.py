"""One network on its way into the site: what every page of it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch

from cnnviz.datasets import Dataset
from cnnviz.introspection.hooks import isolated
from cnnviz.introspection.tracing import Trace, trace
from cnnviz.introspection.unit_names import Unit
from cnnviz.models import Model
from cnnviz.models.outputs import read_output
from cnnviz.results.drawing import Pixels
from cnnviz.units.projection import PartialForward
from cnnviz_gallery.scan.class_contrast import ClassContrast, class_contrast
from cnnviz_gallery.scan.plan import classes_meant
from cnnviz_gallery.scan.scan_result import ScanResult
from cnnviz_gallery.site import addresses
from cnnviz_gallery.site.channel_sources import ChannelSources
from cnnviz_gallery.site.connections import channel_connections
from cnnviz_gallery.site.image_cache import ImageCache
from cnnviz_gallery.site.site_folder import SiteFolder

Visualizations = Mapping[str, Mapping[int, Pixels]]
"""Feature visualizations [h, w, 3] by layer and channel."""


@dataclass(frozen=True, eq=False)
class SiteContext:
    """A network, its scan, and the places of its pages.

    Attributes
    ----------
    folder : str
        Where its pages lie, such as ``models/shapes-plain``.
    folders : mapping of str to str
        The folder of each layer in it.
    class_files : tuple of str
        The file of each class's page; empty without answers.
    group_pages : tuple of str
        For each group of images the file of the class of that name, or "".
    contrasts : mapping of str to ClassContrast
        For each layer how far one class stands out at its channels.
    visualizations : mapping of str to mapping of int to ndarray
        Those to be written.
    faces : dict of str to list of Pixels
        For each layer whose tiles are made, the tile of each channel.
    unreturned : dict of str to dict of int to list of int
        For each layer whose sheets are made the channels of which something that was sent back is
        not finite, each with the places of that among its strongest.
    visualized : dict of str to dict of int to (int, int, float or None)
        For each layer whose pictures are made, height, width and measured peak of the feature
        visualizations that the site has.
    """

    scan: ScanResult
    model: Model
    site: SiteFolder
    images: ImageCache
    folder: str
    folders: Mapping[str, str]
    class_files: tuple[str, ...]
    group_pages: tuple[str, ...]
    passages: Mapping[str, PartialForward]
    traced: Trace
    weights: ChannelSources
    contrasts: Mapping[str, ClassContrast]
    visualizations: Visualizations
    faces: dict[str, list[Pixels]] = field(default_factory=dict)
    unreturned: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    visualized: dict[str, dict[int, tuple[int, int, float | None]]] = field(default_factory=dict)

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The name of each class of the network; empty without answers."""
        return _class_names(self.scan, self.model)

    def has(self, unit: Unit) -> bool:
        """Whether a unit has a page."""
        return unit.layer in self.folders

    def answer(self, unit: Unit) -> str:
        """Return the class whose score a unit is, or ""."""
        if not self.class_files or unit.layer != self.last_layer:
            return ""
        return self.categories[unit.channel].partition(",")[0]

    @cached_property
    def last_layer(self) -> str | None:
        """The last layer with one output for each class."""
        return self.weights.last_layer(len(self.class_files))

    def beside(self, unit: Unit) -> str:
        """Return the way to a unit's page from a page in another folder of the network."""
        return f"../{self.folders[unit.layer]}/{unit.channel}.html" if self.has(unit) else ""


def prepare(
    scan: ScanResult,
    model: Model,
    data: Dataset,
    site: SiteFolder,
    visualizations: Visualizations | None,
) -> SiteContext:
    """Return a network ready to be built, or say what does not fit together.

    Raises
    ------
    UsageError
        If the scan is of another network or of other data.
    """
    images = ImageCache(model, data, scan)
    layers = [layer.layer for layer in scan.layers]
    categories = _class_names(scan, model)
    count = len(categories)
    files = addresses.class_pages(categories)
    inputs = torch.zeros(1, *scan.network.input_shape, device=model.device, dtype=model.dtype)
    meant = classes_of_labels(scan) if scan.grouping == "labels" else tuple(range(count))
    return SiteContext(
        scan=scan,
        model=model,
        site=site,
        images=images,
        folder=f"{addresses.MODELS}/{addresses.model_folder(scan)}",
        folders=addresses.layer_folders(layers),
        class_files=files,
        group_pages=tuple(files[place] if 0 <= place < count else "" for place in meant),
        passages=dict(zip(layers, PartialForward.each(model, inputs, layers), strict=True)),
        traced=trace(model.module, scan.network.input_shape),
        weights=ChannelSources(model, channel_connections(model, layers)),
        contrasts={layer.layer: class_contrast(layer, scan.group_counts) for layer in scan.layers},
        visualizations=visualizations or {},
    )


def classes_of_labels(scan: ScanResult) -> tuple[int, ...]:
    """Return for each label of the data the class of the network that it means, or -1.

    As the scan has them; a label without a name is the number of its class.
    """
    wanted, known = scan.data.classes, scan.network.categories
    count = len(known) or len(scan.group_counts)
    return classes_meant(wanted, known, count) or tuple(range(count))


def _class_names(scan: ScanResult, model: Model) -> tuple[str, ...]:
    """Return the name of each class that the network answers with; none where it names none."""
    if scan.answers is None:
        return ()
    reading = model.reading
    if reading is None:
        inputs = torch.zeros(1, *scan.network.input_shape, device=model.device, dtype=model.dtype)
        with isolated(model.module, grad=False):
            reading = read_output(model, model.forward(inputs))
    return tuple(reading.name(index) for index in range(reading.classes))
