"""The pages of the classes: what a network calls by a name, its mistakes, where it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import CnnvizError
from cnnviz.heatmaps.map_words import mark
from cnnviz.images import Batch
from cnnviz.introspection.layers import kind
from cnnviz.passes.call_order import call_order
from cnnviz.passes.captures import capture
from cnnviz.results import drawing
from cnnviz.results.aligned_numbers import share_between, to_one_place
from cnnviz.results.drawing import Pixels
from cnnviz.results.intervals import wilson
from cnnviz.results.text import layer_said, listed, percent, plural
from cnnviz.views.cam import cam
from cnnviz_gallery.scan.class_contrast import ENOUGH
from cnnviz_gallery.scan.ranked_images import Ints
from cnnviz_gallery.site import content, unit_pages
from cnnviz_gallery.site.class_votes import ClassVotes
from cnnviz_gallery.site.context import SiteContext, classes_of_labels
from cnnviz_gallery.site.patches import STRONGEST
from cnnviz_gallery.site.sprites import THUMB, sheet, tile, webp

CALLED, WRONG = 18, 9
MAP_SIDE = 192


@dataclass(frozen=True)
class MeanMap:
    """Where the network looks, as a mean over images: at a layer, empty for no map.

    `doubted` has why maps of some of them must not be read as evidence, each once per image.
    """

    layer: str
    doubted: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Members:
    """The images that belong on the page of one class, by place; the surest answers first.

    Of those that are `called` by its name, `wrongly` holds those whose label is another class of
    the network. Of an image without a label, or whose label is no class of the network, it is not
    known whether the answer is right.
    """

    called: Ints
    wrongly: Ints
    missed: Ints
    labelled: int

    @property
    def right(self) -> int:
        """How many images with this label are called by its name."""
        return self.labelled - len(self.missed)

    @property
    def unknown(self) -> int:
        """How many images are called by its name of which nothing says what they show."""
        return len(self.called) - len(self.wrongly) - self.right

    @property
    def shown(self) -> list[int]:
        """Every image that is shown, in the order of the sheet."""
        parts = (self.called[:CALLED], self.wrongly[:WRONG], self.missed[:WRONG])
        return [int(place) for part in parts for place in part]


def members(subject: SiteContext) -> list[Members]:
    """Return for each class the images on its page."""
    answers = subject.scan.answers
    if answers is None:
        return []
    meant = np.array([*classes_of_labels(subject.scan), -1], np.int64)
    labels = np.where(answers.labels < len(meant) - 1, answers.labels, -1)
    actual = meant[labels]
    order = np.argsort(-answers.probability, kind="stable")
    found = []
    for index in range(len(subject.class_files)):
        called = order[(answers.top == index)[order]]
        missed = order[((actual == index) & (answers.top != index) & (answers.top >= 0))[order]]
        found.append(
            Members(
                called=called,
                wrongly=called[(actual[called] >= 0) & (actual[called] != index)],
                missed=missed,
                labelled=int(((actual == index) & (answers.top >= 0)).sum()),
            )
        )
    return found


def draw(subject: SiteContext, found: Members, votes: ClassVotes) -> bytes | None:
    """Return the sheet of a class: its images, and below them the faces of the units."""
    tiles = [tile(subject.images.pixels(place)) for place in found.shown]
    faces = [
        tile(subject.faces[unit.layer][unit.channel], THUMB)
        if subject.has(unit)
        else np.full((THUMB, THUMB, 3), 255, np.uint8)
        for unit in (vote.page_unit(subject) for vote in votes.votes)
    ]
    if not tiles and not faces:
        return None
    parts = [sheet(tiles, STRONGEST)] if tiles else []
    parts += [sheet(faces, 2 * STRONGEST)] if faces else []
    width = max(part.shape[1] for part in parts)
    return webp(np.concatenate([_widened(part, width) for part in parts]))


def _widened(pixels: Pixels, width: int) -> Pixels:
    found = np.full((pixels.shape[0], width, 3), 255, np.uint8)
    found[:, : pixels.shape[1]] = pixels
    return found


def mean_map(subject: SiteContext, found: Members) -> tuple[bytes, MeanMap] | None:
    """Return the mean Grad-CAM of the images that are called by a name, over their mean.

    It is of the last stage of the network.
    """
    places = [int(place) for place in found.called[:CALLED]]
    if not places:
        return None
    try:
        told, heat = _heat(subject, places)
    except CnnvizError:  # a network without maps of features has none of where it looked
        return None
    if heat is None:
        return None
    pixels = np.stack([subject.images.pixels(place) for place in places])
    mean = pixels.astype(np.float64).mean(0).round().astype(np.uint8)
    size = (MAP_SIDE, MAP_SIDE)
    enlarged = cv2.resize(heat, size, interpolation=cv2.INTER_CUBIC).clip(0.0)
    shown = np.asarray(cv2.resize(mean, size, interpolation=cv2.INTER_AREA), np.uint8)
    scale = drawing.Scale(0.0, float(enlarged.max()), drawing.HEAT)
    return webp(drawing.overlay(shown, np.asarray(enlarged, np.float32), scale)), told


def _heat(
    subject: SiteContext, places: Sequence[int]
) -> tuple[MeanMap, NDArray[np.float32] | None]:
    tensors = subject.images.tensors(places)
    stages = call_order(subject.model, tensors).stages()
    if not stages:
        return MeanMap(""), None
    batch: Batch = subject.model.prepare(tensors)
    # The answer of every image here is the class itself.
    seen = capture(subject.model, batch, layers=[stages[-1]], gradients="layers")
    made = cam(seen)
    maps, marks = made.shown(), (mark(made, at, stages[-1]) for at in range(len(places)))
    greatest = maps.max(axis=(1, 2), keepdims=True)
    scaled = np.divide(maps, greatest, out=np.zeros_like(maps), where=greatest > 0)
    told = MeanMap(stages[-1], tuple(filter(None, marks)))
    return told, np.asarray(scaled.mean(0), np.float32)


def page(
    subject: SiteContext,
    index: int,
    found: Members,
    size: tuple[int, int] | None,
    beside: tuple[str, str],
    votes: ClassVotes,
    *,
    mapped: MeanMap,
) -> content.ClassPage:
    """Return what the page of a class says; `size` is that of its sheet in pixels.

    `beside` has the pages before and after it, and `mapped` is what is said of its map.
    """
    name, _, others = subject.categories[index].partition(",")
    stem = subject.class_files[index].removesuffix(".html")
    previous, following = beside
    counts = [min(len(part), most) for part, most in _parts(found)]
    starts = [0, counts[0], counts[0] + counts[1]]
    shown = [
        tuple(_answered(subject, index, int(p), start + at) for at, p in enumerate(part[:count]))
        for (part, _), count, start in zip(_parts(found), counts, starts, strict=True)
    ]
    return content.ClassPage(
        name=name,
        other_names=others.strip(),
        lead=_lead(subject, found),
        facts=_facts(subject, found),
        sheet=None if size is None else content.Sheet(f"{stem}.webp", size[1], size[0]),
        called=shown[0],
        called_in_all=len(found.called),
        wrongly=shown[1],
        wrongly_in_all=len(found.wrongly),
        missed=shown[2],
        missed_in_all=len(found.missed),
        map=content.Sheet(f"{stem}-map.webp", MAP_SIDE, MAP_SIDE) if mapped.layer else None,
        map_words=_map_words(min(CALLED, len(found.called)), mapped),
        votes=_votes(subject, votes, sum(counts)),
        votes_words=_votes_words(subject, votes),
        previous=previous,
        next=following,
    )


def _map_words(images: int, mapped: MeanMap) -> str:
    """Say what the map of a class is: the mean over so many images, at a layer."""
    where = f"at {layer_said(mapped.layer)}"
    if images == 1:
        said = f"Grad-CAM of the image {where}"
    else:
        said = (
            f"Mean over {plural(images, 'image')} of Grad-CAM {where}, each map scaled to its own "
            "greatest evidence, over the mean of the images"
        )
    reasons = dict.fromkeys(mapped.doubted)
    if images == 1 and reasons:
        return f"{said}, {listed(list(reasons), 1)}."
    of = {each: mapped.doubted.count(each) for each in reasons}
    kept = images - len(mapped.doubted)
    bright = ": bright is where the network looks." if kept else "."
    return (
        f"{said}{bright}{''.join(f' Of {n} of {images} maps: {each}.' for each, n in of.items())}"
    )


def neighbours(subject: SiteContext, every: Sequence[Members], index: int) -> tuple[str, str]:
    """Return the pages before and after that of a class, of those with images; "" for none."""
    met = [place for place, each in enumerate(every) if len(each.called) or each.labelled]
    before = [place for place in met if place < index]
    after = [place for place in met if place > index]
    files = subject.class_files
    return files[before[-1]] if before else "", files[after[0]] if after else ""


def _parts(found: Members) -> tuple[tuple[Ints, int], ...]:
    return ((found.called, CALLED), (found.wrongly, WRONG), (found.missed, WRONG))


def _answered(subject: SiteContext, index: int, place: int, at: int) -> content.Answered:
    answers = subject.scan.answers
    if answers is None:
        raise LookupError("There are no answers.")
    name = subject.images.name(place)
    top, label = int(answers.top[place]), int(answers.labels[place])
    said = subject.categories[top].partition(",")[0]
    share = percent(float(answers.probability[place]))
    groups = subject.scan.groups
    truth = groups[label] if 0 <= label < len(groups) else f"label {label}" if label >= 0 else ""
    shown = share if top == index else f"{said} {share}"
    tile_of = content.Tile(at % STRONGEST, at // STRONGEST, f"{name}, predicted {said} ({share})")
    # A label that is the answer, or that the page is about, is not said twice.
    meant = classes_of_labels(subject.scan)
    said_already = 0 <= label < len(meant) and meant[label] in (top, index)
    return content.Answered(tile_of, shown, "" if said_already else truth.partition(",")[0])


def _lead(subject: SiteContext, found: Members) -> str:
    called = plural(len(found.called), "image")
    if found.labelled:
        return (
            f"The network predicts this class for {called}; {found.right} of the "
            f"{plural(found.labelled, 'image')} with this label are among them."
        )
    return f"The network predicts this class for {called} of {subject.scan.images:,}."


def _facts(subject: SiteContext, found: Members) -> tuple[content.Fact, ...]:
    facts: list[content.Fact] = []
    if found.labelled:
        facts.append(content.Fact("Predicted", f"{len(found.called):,}"))
        facts += [
            content.Fact("Labelled", f"{found.labelled:,}"),
            _rate("Recall", found.right, found.labelled, "of those with this label"),
        ]
        told = len(found.called) - found.unknown
        if told:
            of = "of those predicted as this class"
            if found.unknown:
                of += f" with a label that the network knows; {found.unknown:,} have none"
            facts.append(_rate("Precision", found.right, told, of))
    return tuple(facts)


def _rate(label: str, hits: int, count: int, of: str) -> content.Fact:
    """Return how many of how many; the share with its interval where there are enough."""
    if count < ENOUGH:
        return content.Fact(label, f"{hits} of {count}", f"{of}: too few for a share")
    said = share_between(hits / count, *wilson(hits, count))
    told = f"{hits:,} of {count:,}, {of}; the 95% interval of the share by Wilson (1927)"
    return content.Fact(label, said, told)


def _votes_words(subject: SiteContext, votes: ClassVotes) -> str:
    """Say what the votes are, and why some have no page."""
    said = ["By their weights in the last layer."]
    if votes.images:
        of = "the image above" if votes.images == 1 else f"the {votes.images} images above"
        to = "the score of the class"
        if not _ends_linear(subject):
            to = "the class in the last layer, as a mean over its positions, ahead of what follows"
        said = [
            f"What each adds to {to}: what arrives from it at the last layer, "
            f"times its weight there{'' if votes.images == 1 else '; the mean'} of {of}."
        ]
    if any(len(vote.units) > 1 for vote in votes.votes):
        said.append("Units that a shortcut adds up before they arrive vote as one.")
    unseen = [vote for vote in votes.votes if not subject.has(vote.page_unit(subject))]
    layers = sorted({unit.layer for vote in unseen for unit in vote.units})
    if layers:
        was = "was" if len(layers) == 1 else "were"
        said.append(f"{listed(layers, 3)} {was} not scanned: no pages of these units.")
    return " ".join(said)


def _ends_linear(subject: SiteContext) -> bool:
    """Whether the last layer gives scores: behind a convolution an activation may come, and a mean.

    SqueezeNet has both.
    """
    name = (subject.last_layer or "").partition("#")[0]
    return kind(subject.model.module.get_submodule(name)) == "linear"


def _votes(subject: SiteContext, votes: ClassVotes, tiles: int) -> tuple[content.Connection, ...]:
    reach = max((vote.value for vote in votes.votes), default=1.0)
    # The faces lie below the rows of images, two to a tile.
    above = -(-tiles // STRONGEST)
    found = []
    values = to_one_place(vote.value for vote in votes.votes)
    for at, (vote, value) in enumerate(zip(votes.votes, values, strict=True)):
        unit = vote.page_unit(subject)
        others = [str(each) for each in vote.units if each != unit]
        found.append(
            content.Connection(
                name=str(unit),
                href=subject.beside(unit),
                norm=value,
                length=round(100.0 * vote.value / reach, 1),
                excites=True,
                kernel="",
                thumb=unit_pages.thumb(at, above) if subject.has(unit) else None,
                note=f"and {listed(others, 1)}" if others else "",
            )
        )
    return tuple(found)


def lines(subject: SiteContext, found: Sequence[Members]) -> content.ClassesPage:
    """Return what the list of classes says."""
    labelled = any(each.labelled for each in found)
    right = sum(each.right for each in found)
    total = sum(each.labelled for each in found)
    every = [
        content.ClassLine(name, file, len(each.called), each.labelled, each.right)
        for file, name, each in zip(subject.class_files, subject.categories, found, strict=True)
    ]
    return content.ClassesPage(
        # Of a thousand classes a small set of images has a few, which are what people look for.
        lines=tuple(line for line in every if line.called or line.labelled),
        others=sum(not (line.called or line.labelled) for line in every),
        labelled=labelled,
        lead=_right_of_all(right, total)
        if total
        else f"Which classes the network predicts for the {subject.scan.images:,} images.",
    )


def _right_of_all(right: int, total: int) -> str:
    said = f"The network predicts {right:,} of the {plural(total, 'labelled image')} right"
    if total < ENOUGH:
        return f"{said}, too few for a share."
    share = share_between(right / total, *wilson(right, total))
    return f"{said}: {share}, the 95% interval by Wilson (1927)."
