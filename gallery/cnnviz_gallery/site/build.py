"""From a scan to a site: pictures first, then the pages, and only what has changed."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cnnviz.datasets import Dataset, default_workers
from cnnviz.default_device import made_on_the_processor
from cnnviz.introspection.unit_names import Unit
from cnnviz.models import Model
from cnnviz.results.drawing import Pixels
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import installed_version
from cnnviz.results.text import estimated_time
from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.scan.scan_result import ScanResult, digest
from cnnviz_gallery.site import layer_pages, unit_pages
from cnnviz_gallery.site.context import SiteContext, Visualizations, prepare
from cnnviz_gallery.site.patches import FACED, PatchCutter, choose
from cnnviz_gallery.site.publish import publish
from cnnviz_gallery.site.site_folder import SiteFolder
from cnnviz_gallery.site.sprites import FACE, read_sheet, webp
from cnnviz_gallery.site.visualizations import peak_of

CHUNK = 96
"""Channels whose pictures are made together."""
PICTURES_VERSION = 6
"""The way in which pictures are drawn. Raise it whenever the same scan, network and data would give
other pixels than before, or the same ones elsewhere on a sheet: every site then draws all its
pictures again, where it would mix old ones with new."""
STATE = "built.json"


@dataclass(frozen=True)
class BuildResult:
    """What a build did.

    Attributes
    ----------
    home : Path
        The page to open.
    units, written, kept : int
        Units with a page; files that were written; files that were right already.
    """

    home: Path
    units: int
    written: int
    kept: int


@made_on_the_processor()
def build(
    scan: ScanResult,
    model: Model,
    data: Dataset,
    out: str | Path,
    *,
    visualizations: Visualizations | None = None,
    progress: Progress = silent,
) -> BuildResult:
    """Write the pages of a network into a site, beside those of other networks that it holds.

    Every file is written whole or not at all, and the pages that lead to a network come last, so
    that a build may be stopped at any moment and goes on where it was. Pictures are made again
    where the scan, the network, the data or the way of drawing them has changed.

    Parameters
    ----------
    scan : ScanResult
        What was found.
    model : Model
        The network that was scanned; it is left as it was.
    data : Dataset
        The data that was scanned.
    out : str or Path
        The folder of the site.
    visualizations : mapping of str to mapping of int to ndarray, optional
        Feature visualizations [h, w, 3] by layer and channel. Those of earlier builds stay, as long
        as the network has the same weights.
    progress : callable, optional
        Called as ``progress(done, total, what)``, counted in units.

    Raises
    ------
    UsageError
        If the scan is of another network or of other data.
    OutputError
        If the folder holds something else, or cannot be written to.
    """
    site = SiteFolder(out)
    subject = prepare(scan, model, data, site, visualizations)
    with site.alone(subject.folder):
        return _build(subject, progress)


def _build(subject: SiteContext, progress: Progress) -> BuildResult:
    """Draw and write what is not there."""
    scan, site = subject.scan, subject.site
    units = sum(layer.channels for layer in scan.layers)
    total = 2 * units + len(subject.class_files)
    done = 0
    keys = {layer.layer: _key(subject, layer) for layer in scan.layers}
    for layer in scan.layers:
        progress(done, total, f"tiles of {layer.layer}")
        _faces(subject, layer, keys[layer.layer])
        done += layer.channels
    # A unit's sheet shows faces of its neighbours, which may lie in any layer.
    everything = _joined(keys.values())
    pace = _UnitPace(units)
    for layer in scan.layers:
        for count, drawn in _sheets(subject, layer, everything):
            told = pace.told(done - units + count, drawn)
            progress(done + count, total, f"units of {layer.layer}{told}")
        subject.unreturned[layer.layer] = _unreturned(subject, layer)
        subject.visualized[layer.layer] = _draw_visualizations(subject, layer)
        done += layer.channels
    publish(subject, everything, lambda count, what: progress(done + count, total, what))
    progress(total, total, "done")
    return BuildResult(site.root / "index.html", units, site.written, site.kept)


class _UnitPace:
    """How fast units are drawn, and how long the rest takes; those that were there do not count."""

    def __init__(self, total: int) -> None:
        self._total, self._began, self._drawn = total, time.monotonic(), 0

    def told(self, done: int, drawn: int) -> str:
        """Return the rate and the time left in words, after so many more were drawn."""
        self._drawn += drawn
        took = time.monotonic() - self._began
        if not self._drawn or took <= 0.0:
            return ""
        rate = self._drawn / took
        return f", {rate:.3g} units/s, {estimated_time((self._total - done) / rate)} left"


def _key(subject: SiteContext, layer: LayerResult) -> str:
    """Return what the pictures of a layer depend on, in a few digits."""
    network = subject.scan.network
    return _joined(
        (
            installed_version("cnnviz"),
            str(PICTURES_VERSION),
            network.sha256,
            network.preprocessing,
            repr(network.input_shape),
            subject.scan.data.fingerprint,
            layer.layer,
            digest(layer.arrays()),
        )
    )


def _joined(parts: Iterable[str]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part.encode() + b"\0")
    return found.hexdigest()[:16]


def _folder(subject: SiteContext, layer: LayerResult) -> str:
    return f"{subject.folder}/{subject.folders[layer.layer]}"


def _faces(subject: SiteContext, layer: LayerResult, key: str) -> None:
    """Make the sheets of a layer's tiles, and keep the tiles as the sheets have them."""
    folder = _folder(subject, layer)
    state = subject.site.read_json(f"{folder}/{STATE}")
    names = [name for name, _ in layer_pages.sheets_of(layer.channels)]
    if state.get("faces") != key or not all(map(subject.site.has, _in(folder, names))):
        for name, content in layer_pages.draw(_drawn_faces(subject, layer)).items():
            subject.site.write(f"{folder}/{name}", content)
        subject.site.write_json(f"{folder}/{STATE}", {**state, "faces": key})
    faces: list[Pixels] = []
    for name, count in layer_pages.sheets_of(layer.channels):
        faces += read_sheet(subject.site.read(f"{folder}/{name}") or b"", FACE, count)
    subject.faces[layer.layer] = faces
    subject.site.write(f"{folder}/strip.webp", layer_pages.strip(subject, layer))


def _drawn_faces(subject: SiteContext, layer: LayerResult) -> list[Pixels]:
    cutter = PatchCutter(subject.images, subject.passages[layer.layer])
    found = []
    for channels in _chunks(layer):
        chosen = [choose(layer, channel).strongest[:FACED] for channel in channels]
        subject.images.load(place.image for places in chosen for place in places)
        found += [cutter.face(places) for places in chosen]
    return found


def _sheets(subject: SiteContext, layer: LayerResult, key: str) -> Iterator[tuple[int, int]]:
    """Make the sheet of each unit; yield how many are done, and how many of these now."""
    folder = _folder(subject, layer)
    state = subject.site.read_json(f"{folder}/{STATE}")
    if state.get("units") != key:
        state = {**state, "units": key, "done": 0, "unreturned": {}}
    # Pictures are compressed, which leaves Python's lock alone, while the next are computed.
    pool = ThreadPoolExecutor(default_workers(), "cnnviz-gallery-draw")
    waiting: deque[tuple[range, list[Future[tuple[int, list[int]]]]]] = deque()

    def finish() -> tuple[int, int]:
        nonlocal state
        channels, drawn = waiting.popleft()
        lost = {str(channel): places for channel, places in (each.result() for each in drawn)}
        if drawn:
            unreturned = state["unreturned"] | {at: found for at, found in lost.items() if found}
            done = max(channels.stop, int(state["done"]))
            state = {**state, "done": done, "unreturned": unreturned}
            subject.site.write_json(f"{folder}/{STATE}", state)
        return channels.stop, len(drawn)

    try:
        for channels in _chunks(layer):
            names = [f"{channel}.webp" for channel in channels]
            there = channels.stop <= int(state["done"])
            missing = not (there and all(map(subject.site.has, _in(folder, names))))
            waiting.append(
                (channels, _draw_units(subject, layer, channels, pool) if missing else [])
            )
            if len(waiting) > 1:
                yield finish()
        while waiting:
            yield finish()
    finally:
        pool.shutdown(cancel_futures=True)


def _draw_units(
    subject: SiteContext, layer: LayerResult, channels: range, pool: ThreadPoolExecutor
) -> list[Future[tuple[int, list[int]]]]:
    """Compute the pictures of some units, and let the pool write them.

    Each then tells its channel, and which of its strongest places sent back what is not finite.
    """
    folder = _folder(subject, layer)
    chosen = [choose(layer, channel) for channel in channels]
    subject.images.load(image for each in chosen for image in sorted(each.images))
    cutter = PatchCutter(subject.images, subject.passages[layer.layer])
    returned = cutter.projections(
        [(channel, each.strongest) for channel, each in zip(channels, chosen, strict=True)]
    )

    def draw(
        unit: Unit, patches: list[list[Pixels]], projections: list[Pixels | None]
    ) -> tuple[int, list[int]]:
        content = unit_pages.draw(subject, unit, patches, projections)
        subject.site.write(f"{folder}/{unit.channel}.webp", content)
        return unit.channel, [at for at, each in enumerate(projections) if each is None]

    drawn = []
    for channel, each, projections in zip(channels, chosen, returned, strict=True):
        patches = [cutter.patches(places) for places in (each.strongest, each.middle, each.random)]
        drawn.append(pool.submit(draw, Unit(layer.layer, channel), patches, projections))
    return drawn


def _unreturned(subject: SiteContext, layer: LayerResult) -> dict[int, list[int]]:
    """Return which of the strongest places of each channel sent back what is not finite."""
    state = subject.site.read_json(f"{_folder(subject, layer)}/{STATE}")
    return {int(channel): places for channel, places in state["unreturned"].items()}


def _draw_visualizations(
    subject: SiteContext, layer: LayerResult
) -> dict[int, tuple[int, int, float | None]]:
    """Write what is given; return sizes and peaks of these and of those of an earlier build.

    Hours may have gone into one, so that they stay as long as the weights are the same.
    """
    site, folder = subject.site, _folder(subject, layer)
    state = site.read_json(f"{folder}/{STATE}")
    weights = subject.scan.network.sha256
    known = state.get("visualized", {}) if state.get("visualized_of") == weights else {}
    for channel, pixels in subject.visualizations.get(layer.layer, {}).items():
        site.write(f"{folder}/{channel}-fv.webp", webp(pixels, 6000))
        peak = peak_of(subject.model, layer.layer, channel, pixels)
        known[str(channel)] = [*pixels.shape[:2], peak]
    if known:
        state |= {"visualized_of": weights, "visualized": known}
        site.write_json(f"{folder}/{STATE}", state)
    return {
        # Of a picture of an earlier build that was not measured the peak is not known.
        int(channel): (height, width, peak[0] if peak else None)
        for channel, (height, width, *peak) in known.items()
        if site.has(f"{folder}/{channel}-fv.webp")
    }


def _chunks(layer: LayerResult) -> Iterator[range]:
    for start in range(0, layer.channels, CHUNK):
        yield range(start, min(start + CHUNK, layer.channels))


def _in(folder: str, names: Sequence[str]) -> list[str]:
    return [f"{folder}/{name}" for name in names]
