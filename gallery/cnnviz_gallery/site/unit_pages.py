"""The page of one unit, and the sheet of its pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from cnnviz.introspection.unit_names import Unit
from cnnviz.results.aligned_numbers import intervals_to_one_place, to_one_place
from cnnviz.results.drawing import Pixels
from cnnviz.results.text import joined, percent, plural
from cnnviz_gallery.scan.class_contrast import ENOUGH, ClassContrast
from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.site import channel_sources, content
from cnnviz_gallery.site.context import SiteContext
from cnnviz_gallery.site.histograms import histogram
from cnnviz_gallery.site.patches import MIDDLE, STRONGEST, ChosenExamples, ExamplePosition
from cnnviz_gallery.site.sprites import SIDE, THUMB, kernel_uri, sheet, tile, webp

LINKS = 8
GROUPS = 8
SHEET_BYTES = 26_500
"""What the pictures of a unit may take, so that they and the page stay within 45 kB."""
UPPER = 3
"""Rows of tiles on a unit's sheet, above the faces of its neighbours."""
_UNKNOWN = (
    "Not a number: no image that was scanned has a value of this channel that is one, only NaN or "
    "minus infinity, so that nothing is known of it."
)
_CLEAR = 0.2
_NEAR = 0.85


def links_of(
    subject: SiteContext, unit: Unit
) -> tuple[tuple[channel_sources.ChannelLink, ...], ...]:
    """Return the strongest inputs and outputs of a unit."""
    return (subject.weights.inputs(unit, LINKS), subject.weights.outputs(unit, LINKS))


def draw(
    subject: SiteContext,
    unit: Unit,
    patches: Sequence[Sequence[Pixels]],
    projections: Sequence[Pixels | None],
) -> bytes:
    """Return the sheet of a unit: strongest patches, what came back, others, and neighbours.

    Rows of nine tiles: the strongest, their projections, and those from the middle and at random;
    below them the faces of the units it is connected to, in half the size.
    """
    strongest, middle, random = patches
    void = np.full((SIDE, SIDE, 3), 255, np.uint8)

    def row(tiles: Sequence[Pixels | None], length: int) -> list[Pixels]:
        return [
            void if tile is None else tile for tile in (*tiles, *[None] * (length - len(tiles)))
        ]

    rows = [*row(strongest, STRONGEST), *row(projections, STRONGEST)]
    rows += [*row(middle, MIDDLE), *row(random, STRONGEST - MIDDLE)]
    upper = sheet(rows, STRONGEST)
    thumbs = [_thumb(subject, link.unit) for links in links_of(subject, unit) for link in links]
    if not any(thumb is not None for thumb in thumbs):
        return webp(upper, SHEET_BYTES)
    blank = np.full((THUMB, THUMB, 3), 255, np.uint8)
    lower = sheet([blank if each is None else each for each in thumbs], 2 * STRONGEST)
    wide = np.full((lower.shape[0], upper.shape[1], 3), 255, np.uint8)
    wide[:, : lower.shape[1]] = lower
    return webp(np.concatenate([upper, wide]), SHEET_BYTES)


def sheet_size(subject: SiteContext, unit: Unit) -> tuple[int, int]:
    """Return height and width of the sheet that `draw` makes."""
    connected = (link.unit for links in links_of(subject, unit) for link in links)
    below = THUMB if any(subject.has(each) for each in connected) else 0
    return UPPER * SIDE + below, STRONGEST * SIDE


def _thumb(subject: SiteContext, unit: Unit) -> Pixels | None:
    return tile(subject.faces[unit.layer][unit.channel], THUMB) if subject.has(unit) else None


def page(
    subject: SiteContext,
    layer: LayerResult,
    channel: int,
    chosen: ChosenExamples,
    size: tuple[int, int],
) -> content.UnitPage:
    """Return what the page of a unit says; `size` is that of its sheet in pixels."""
    unit = Unit(layer.layer, channel)
    inputs, outputs = links_of(subject, unit)
    contrast = subject.contrasts[layer.layer]
    groups = _groups(subject, contrast, channel)
    kernel, kernel_size = _kernel(subject, unit)
    field = subject.passages[layer.layer].field
    unreturned = subject.unreturned[layer.layer].get(channel, ())
    return content.UnitPage(
        layer=layer.layer,
        channel=channel,
        silent=bool(layer.silent[channel]),
        answer=subject.answer(unit),
        lead=_lead(subject, layer, channel),
        unreturned=len(unreturned),
        facts=_facts(subject, layer, channel),
        sheet=content.Sheet(f"{channel}.webp", size[1], size[0]),
        strongest=_examples(subject, unit, chosen.strongest, 0, 0, unreturned),
        middle=_examples(subject, unit, chosen.middle, 2, 0),
        random=_examples(subject, unit, chosen.random, 2, MIDDLE),
        field=field.local.describe() if field is not None else "not told",
        histogram=_histogram(layer, channel, chosen),
        grouping=subject.scan.grouping,
        groups=tuple(groups),
        groups_told=_groups_told(subject, contrast, bool(groups)),
        kernel=kernel,
        kernel_size=kernel_size,
        passed_on=_passed_on(subject, unit),
        inputs=_connections(subject, inputs, 0),
        # Without the weights themselves, which would take the page beyond its bytes.
        outputs=_connections(
            subject, [replace(link, kernel=None) for link in outputs], len(inputs)
        ),
        inputs_told=subject.weights.told(layer.layer),
        visualization=_visualization(subject, unit),
        visualization_told=_visualization_told(subject, layer, unit),
        previous=f"{channel - 1}.html" if channel else "",
        next=f"{channel + 1}.html" if channel + 1 < layer.channels else "",
    )


def _lead(subject: SiteContext, layer: LayerResult, channel: int) -> str:
    if layer.unknown[channel]:
        return _UNKNOWN
    return f"{_found(subject, layer, channel)}{_lost(layer, channel)}"


def _lost(layer: LayerResult, channel: int) -> str:
    """Say at how many positions a unit is not a number; nothing where it is one everywhere."""
    lost = int(layer.lost_positions[channel])
    share = f"{percent(lost / layer.positions)} of the positions"
    return f" At {share} it is not a number: they count nowhere." if lost else ""


def _found(subject: SiteContext, layer: LayerResult, channel: int) -> str:
    if layer.silent[channel]:
        return "Never above zero, at any position of any image that was scanned."
    active = int(layer.active_images[channel])
    share = (
        "every image"
        if active == layer.images
        else (f"{percent(active / layer.images)} of the images")
    )
    found = f"Above zero somewhere in {share}"
    contrast = subject.contrasts[layer.layer]
    if not contrast.known:
        return f"{found}."
    top = int(contrast.top[channel])
    if np.isnan(contrast.means[channel, contrast.classes]).any():
        return f"{found}; which classes excite it is not known."
    if not contrast.clear[channel] or contrast.selectivity[channel] < _CLEAR:
        return f"{found}; no class stands out."
    means = contrast.means[channel]
    # Those that come near to the first, which may lead by a hair.
    near = [place for place in _ordered(contrast, channel) if means[place] >= _NEAR * means[top]]
    first, *others = [_named(subject, place) for place in near[:3]]
    beside = f", and nearly as much by {joined(others)}" if others else ""
    images = plural(int(contrast.images[top]), "image")
    return f"{found}, and excited most by {first} ({images}){beside}."


def _facts(subject: SiteContext, layer: LayerResult, channel: int) -> tuple[content.Fact, ...]:
    if layer.unknown[channel]:
        return ()
    return (
        content.Fact("Greatest value", _in_figures(float(layer.highest[channel]))),
        content.Fact(
            "Mean peak",
            _in_figures(float(layer.activity[channel])),
            "Mean over the images of its greatest value in each",
        ),
        *_selectivity(subject, subject.contrasts[layer.layer], channel),
        content.Fact(
            "Sparsity",
            percent(float(layer.sparsity[channel])),
            "Share of positions at which it is not above zero",
        ),
    )


def _in_figures(value: float) -> str:
    """Return a value in three figures, as it stands below the patches: 12.0, not 12."""
    return "not known" if np.isnan(value) else to_one_place([value])[0]


def _selectivity(
    subject: SiteContext, contrast: ClassContrast, channel: int
) -> tuple[content.Fact, ...]:
    """Return how far one class stands out, with its interval; nothing where that is not known."""
    top = int(contrast.top[channel])
    if top < 0:
        return ()
    found, low, high = (
        f"{values[channel]:z.2f}" for values in (contrast.selectivity, contrast.low, contrast.high)
    )
    known = np.isfinite(contrast.low[channel])
    images = int(contrast.images[top])
    others = plural(len(contrast.classes) - 1, "other class", "other classes")
    return (
        content.Fact(
            "Selectivity",
            f"{found} ({low} to {high})" if known else f"{found} (interval not known)",
            f"(m - o) / (m + o): the mean of {_named(subject, top)} over "
            f"{plural(images, 'image')}, beside that of {others} "
            f"over {plural(contrast.seen - images, 'image')} (Morcos et al. 2018). The 95% "
            "interval is that of Welch (1947), widened for the choice among "
            f"{len(contrast.classes)} classes (Bonferroni)",
        ),
    )


def _histogram(
    layer: LayerResult, channel: int, chosen: ChosenExamples
) -> content.Histogram | None:
    if layer.unknown[channel]:
        return None
    return histogram(
        layer.histogram[channel],
        layer.unit,
        float(layer.lowest[channel]),
        float(layer.highest[channel]),
        {
            kind: [place.value for place in getattr(chosen, kind)]
            for kind in ("strongest", "middle", "random")
        },
    )


def _visualization(subject: SiteContext, unit: Unit) -> content.Sheet | None:
    size = subject.visualized[unit.layer].get(unit.channel)
    return None if size is None else content.Sheet(f"{unit.channel}-fv.webp", size[1], size[0])


def _visualization_told(subject: SiteContext, layer: LayerResult, unit: Unit) -> str:
    """Say how strongly the unit responds to the picture, beside the strongest image of the data."""
    size = subject.visualized[unit.layer].get(unit.channel)
    if size is None:
        return ""
    if size[2] is None:
        return "How strongly it does was not measured."
    made, best = to_one_place([size[2], float(layer.highest[unit.channel])])
    return (
        f"Its highest activation is {made}; that of the strongest image of the data is {best}. "
        "Measured by a forward pass of the picture as it is, before it was compressed."
    )


def _passed_on(subject: SiteContext, unit: Unit) -> tuple[content.Link, ...]:
    units = subject.weights.passed_on(unit.layer, unit.channel)
    return tuple(content.Link(str(each), subject.beside(each)) for each in units)


def _examples(
    subject: SiteContext,
    unit: Unit,
    places: Sequence[ExamplePosition],
    row: int,
    start: int,
    unreturned: Collection[int] | None = None,
) -> tuple[content.Example, ...]:
    found = []
    values = to_one_place(place.value for place in places)
    for at, (place, value) in enumerate(zip(places, values, strict=True)):
        name = subject.images.name(place.image)
        patch = content.Tile(start + at, row, f"{unit} is {value} in {name}")
        back = content.Tile(at, row + 1, "What it sends back")
        returned = unreturned is not None and at not in unreturned
        sent = back if returned and place.value > 0.0 else None
        found.append(content.Example(patch, sent, value, _label(subject, place)))
    return tuple(found)


def _label(subject: SiteContext, place: ExamplePosition) -> str:
    """Return the label of an image, or else what the network calls it."""
    scan = subject.scan
    if scan.answers is None:
        return ""
    label = int(scan.answers.labels[place.image])
    names, at = (
        (scan.groups, label)
        if scan.grouping == "labels"
        else (
            subject.categories,
            int(scan.answers.top[place.image]),
        )
    )
    return names[at].partition(",")[0] if 0 <= at < len(names) else ""


def _ordered(contrast: ClassContrast, channel: int) -> list[int]:
    """Return the groups with enough images that excite a unit at all, the most first."""
    means = np.nan_to_num(contrast.means[channel], nan=0.0)
    return [int(place) for place in np.argsort(-means, kind="stable") if means[place] > 0.0]


def _named(subject: SiteContext, place: int) -> str:
    return subject.scan.groups[place].partition(",")[0]


def _groups(subject: SiteContext, contrast: ClassContrast, channel: int) -> list[content.Share]:
    """Return the groups of images that excite a unit most, the most first."""
    order = _ordered(contrast, channel)[:GROUPS] if contrast.known else []
    means = contrast.means[channel]
    ends = (contrast.least[channel], contrast.most[channel])
    told = intervals_to_one_place(*(each[order].tolist() for each in (means, *ends)))
    return [
        content.Share(
            name=_named(subject, place),
            href=f"../classes/{page}" if (page := _group_page(subject, place)) else "",
            value=value,
            interval=f"{low} to {high}" if np.isfinite(ends[0][place]) else "not known",
            images=int(contrast.images[place]),
            length=round(100.0 * float(means[place] / means[order[0]]), 1),
        )
        for place, (value, low, high) in zip(order, told, strict=True)
    ]


def _groups_told(subject: SiteContext, contrast: ClassContrast, shown: bool) -> str:
    """Say what the means of the classes are, or why there are none; empty for none to tell of."""
    few = int(((contrast.images > 0) & (contrast.images < ENOUGH)).sum())
    if not contrast.known:
        most = int(contrast.images.max(initial=0))
        return (
            f"Which classes excite it is not told: that takes {ENOUGH} images of two classes or "
            f"more, and there are at most {most} of one."
            if most
            else ""
        )
    if not shown:
        return ""
    which = "with each label" if subject.scan.grouping == "labels" else "of each answer"
    left = (
        f" Left out: {plural(few, 'class', 'classes')} with fewer than {ENOUGH} images."
        if few
        else ""
    )
    return (
        f"Mean of its peaks above zero over the images {which}, and in brackets its 95% interval "
        f"(Student's t, carried over to the logarithm: no such mean is below zero).{left}"
    )


def _group_page(subject: SiteContext, place: int) -> str:
    return subject.group_pages[place] if place < len(subject.group_pages) else ""


def _kernel(subject: SiteContext, unit: Unit) -> tuple[str, str]:
    colours = subject.scan.network.input_shape[0]
    kernel = subject.weights.image_kernel(unit.layer, unit.channel, colours)
    if kernel is None:
        return "", ""
    return kernel_uri(kernel), f"{kernel.shape[1]} x {kernel.shape[2]}"


def _connections(
    subject: SiteContext, links: Sequence[channel_sources.ChannelLink], start: int
) -> tuple[content.Connection, ...]:
    reach = max((link.norm for link in links), default=1.0) or 1.0
    largest = [np.abs(link.kernel).max() for link in links if link.kernel is not None]
    scale = float(max(largest, default=0.0))
    norms = to_one_place(link.norm for link in links)
    return tuple(
        content.Connection(
            name=str(link.unit),
            href=subject.beside(link.unit),
            norm=norm,
            length=round(100.0 * link.norm / reach, 1),
            excites=link.total >= 0.0,
            kernel="" if link.kernel is None else kernel_uri(link.kernel, scale or None),
            thumb=thumb(start + at, UPPER) if subject.has(link.unit) else None,
            note=subject.answer(link.unit),
        )
        for at, (link, norm) in enumerate(zip(links, norms, strict=True))
    )


def thumb(place: int, above: int) -> content.Tile:
    """Return where on a sheet a neighbour's face lies, below so many rows of tiles."""
    across = 2 * STRONGEST
    return content.Tile(place % across, 2 * above + place // across, "")
