"""The page of a layer: every channel as a tile, and the sheets that hold the tiles."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from cnnviz.results.drawing import Pixels
from cnnviz.results.text import dimensions, number, plural
from cnnviz_gallery.scan.class_contrast import ENOUGH
from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.site import content
from cnnviz_gallery.site.context import SiteContext
from cnnviz_gallery.site.sprites import ACROSS, FACE, SHEET, sheet, tile, webp

TILE_BYTES = 850
"""What a tile may take, so that a layer of 512 channels and its page stay within 0.6 MB."""
STRIP = 6
_UNKNOWN = (
    "no value that is a number in any image, only NaN or minus infinity, so that nothing is known "
    "of it"
)
STRIP_SIDE = 56


OWN = re.compile(
    r"index\.html|built\.json|strip\.webp|tiles-\d+\.webp|\d+\.html|\d+(-fv)?\.webp", re.ASCII
)
"""What files in the folder of a layer are called: nothing else is removed from it."""


def sheets_of(channels: int) -> list[tuple[str, int]]:
    """Return the name of each sheet, and how many tiles it holds."""
    parts = range(0, channels, SHEET)
    return [(f"tiles-{at // SHEET}.webp", min(SHEET, channels - at)) for at in parts]


def draw(faces: Sequence[Pixels]) -> dict[str, bytes]:
    """Return the sheets of a layer by name."""
    found, start = {}, 0
    for name, count in sheets_of(len(faces)):
        found[name] = webp(sheet(faces[start : start + count], ACROSS), count * TILE_BYTES + 2000)
        start += count
    return found


def strip(subject: SiteContext, layer: LayerResult) -> bytes:
    """Return the faces of the most selective channels in one row."""
    faces = subject.faces[layer.layer]
    tiles = [tile(faces[channel], STRIP_SIDE) for channel in shown(subject, layer)]
    gap = np.full((STRIP_SIDE, 4, 3), 255, np.uint8)
    parts = [part for each in tiles for part in (each, gap)][:-1]
    return webp(np.concatenate(parts, axis=1))


def strip_size(layer: LayerResult) -> tuple[int, int]:
    """Return width and height of a layer's strip."""
    count = min(STRIP, layer.channels)
    return count * (STRIP_SIDE + 4) - 4, STRIP_SIDE


def shown(subject: SiteContext, layer: LayerResult) -> list[int]:
    """Return the channels that stand for a layer: the most selective, by index.

    Those at which a class stands out come first: one that a single image excites has the greatest
    selectivity there is. Where too few images tell what is selective, they are the most active.
    """
    contrast = subject.contrasts[layer.layer]
    selective = np.nan_to_num(contrast.selectivity, nan=-1.0)
    activity = np.nan_to_num(layer.activity, nan=-np.inf)
    order = np.lexsort((np.arange(layer.channels), -activity, -selective, ~contrast.clear))
    return sorted(int(channel) for channel in order[:STRIP])


def page(subject: SiteContext, place: int) -> content.LayerPage:
    """Return what the page of a layer says."""
    layers = subject.scan.layers
    layer = layers[place]
    silent = int(layer.silent.sum())
    passage = subject.passages[layer.layer]
    call = subject.traced.find(*passage.key)
    size = dimensions(layer.shape)
    facts = [
        content.Fact("Output", size, "channels x height x width"),
        content.Fact("Receptive field", _field(subject, layer.layer)),
    ]
    if call.parameters:
        facts.append(content.Fact("Parameters", f"{call.parameters:,}"))
    if call.windows is not None:
        facts.append(content.Fact("Kernel", dimensions(call.windows.kernel)))
    if silent:
        facts.append(content.Fact("Never above zero", str(silent)))
    unknown = int(layer.unknown.sum())
    if unknown:
        facts.append(content.Fact("Not a number", str(unknown), _UNKNOWN))
    return content.LayerPage(
        layer=layer.layer,
        kind=call.type,
        lead=f"All {plural(layer.channels, 'channel')}, each as its strongest patches in "
        f"{plural(layer.images, 'image')}."
        + (f" {plural(silent, 'channel is', 'channels are')} never above zero." if silent else ""),
        facts=tuple(facts),
        sheets=tuple(
            content.Sheet(name, min(ACROSS, count) * FACE, -(-count // ACROSS) * FACE)
            for name, count in sheets_of(layer.channels)
        ),
        tiles=tuple(_tile(subject, layer, channel) for channel in range(layer.channels)),
        silent=silent,
        selectivity_told=_selectivity_told(subject, layer),
        previous=_link(subject, place - 1),
        next=_link(subject, place + 1),
    )


def _selectivity_told(subject: SiteContext, layer: LayerResult) -> str:
    """Say what the selectivity of the channels is taken from; empty where there is none."""
    contrast = subject.contrasts[layer.layer]
    if not contrast.known:
        return ""
    return (
        f"How far one class stands out: (m - o) / (m + o), over {plural(contrast.seen, 'image')} "
        f"of {len(contrast.classes)} classes with {ENOUGH} or more"
    )


def _field(subject: SiteContext, layer: str) -> str:
    field = subject.passages[layer].field
    return field.describe() if field is not None else "not told"


def _tile(subject: SiteContext, layer: LayerResult, channel: int) -> content.ChannelTile:
    selective = float(subject.contrasts[layer.layer].selectivity[channel])
    at, silent = channel % SHEET, bool(layer.silent[channel])
    unknown = bool(layer.unknown[channel])
    known = "never above zero" if silent else f"strongest {number(float(layer.highest[channel]))}"
    words = "not a number" if unknown else known
    return content.ChannelTile(
        channel=channel,
        sheet=channel // SHEET,
        tile=content.Tile(at % ACROSS, at // ACROSS, f"{layer.layer}:{channel}, {words}"),
        activity=float(f"{layer.activity[channel]:.4g}"),
        selectivity=float(f"{selective:.4g}") if np.isfinite(selective) else -1.0,
        sparsity=float(f"{layer.sparsity[channel]:.4g}"),
        silent=silent,
    )


def _link(subject: SiteContext, place: int) -> content.Link | None:
    if not 0 <= place < len(subject.scan.layers):
        return None
    layer = subject.scan.layers[place].layer
    return content.Link(layer, f"../{subject.folders[layer]}/index.html")
