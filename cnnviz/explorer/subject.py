"""One photo in one network: what a page of the explorer holds of it, and says at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from cnnviz.errors import LayerError, UsageError
from cnnviz.explorer.convolution_step import ConvolutionStep, convolutions
from cnnviz.explorer.document import Document, colours, embedded, probability_rule
from cnnviz.explorer.layers import ExploredLayer, explored_layers
from cnnviz.explorer.linear_head import LinearHead, linear_head
from cnnviz.explorer.network_map import network_map
from cnnviz.explorer.page import ClassLine, SubjectWords
from cnnviz.explorer.size import page_bytes
from cnnviz.explorer.what_if import MUTED, muted_answers
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.images.inputs import Images
from cnnviz.introspection.layers import split
from cnnviz.models import Model
from cnnviz.models.output_kinds import told_guess
from cnnviz.models.spaces import check_takes_images
from cnnviz.pages.packing import Packed
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.targets import Target
from cnnviz.reports.first_notes import first_notes
from cnnviz.results.progress import Progress
from cnnviz.results.text import layer_said, percent

STAGES = 4
"""So many of the last stages are held by default."""
LIKELIEST = 20
_LISTED = 5
_OPACITY = 0.55


@dataclass(frozen=True, eq=False)
class Subject:
    """A photo in a network, as a page holds it.

    Attributes
    ----------
    seen : Capture
        The photo, captured at the layers.
    layers : tuple of ExploredLayer
        From shallow to deep.
    classes : tuple of int
        The classes that can be asked for at every layer, that which is shown first at the front.
    head : dict
        Plain data: names, and where each array lies.
    words : SubjectWords
        What stands on the page before a script runs.
    error : float
        How far whole steps put the first class's map off at any layer, of its largest value.
    """

    seen: Capture
    layers: tuple[ExploredLayer, ...]
    classes: tuple[int, ...]
    head: dict[str, Any]
    words: SubjectWords
    error: float


def photo_seen(model: Model, image: Images, layers: str | Sequence[str] | None) -> Capture:
    """Return the one photo, captured where the page looks; all that can be refused is refused."""
    check_takes_images(model, "explore")
    names = None if layers is None else split(layers, set())
    seen = capture(model, image, layers=names or "stages", gradients=False)
    if len(seen.batch.photos) != 1:
        raise UsageError(
            f"The explorer is of one photo, and {len(seen.batch.photos)} were given.",
            "Give one.",
        )
    return seen


@dataclass(frozen=True, eq=False)
class SubjectPlan:
    """What a page is going to hold of a photo in a network, before the long work begins.

    Attributes
    ----------
    seen : Capture
        As `photo_seen` returns it.
    image : path, PIL image, array or tensor
        The same photo, as it was given.
    held : tuple of str
        The layers of the page, from shallow to deep.
    classes : tuple of int
        The classes that can be asked for at every layer, that which is shown first at the front.
    head : LinearHead or None
        What follows the last layer, where that is a mean over the places and a linear layer.
    steps : tuple of ConvolutionStep
        The convolutions that can be worked out.
    bytes : int
        About how much of the page it takes.
    """

    seen: Capture
    image: Images
    held: tuple[str, ...]
    classes: tuple[int, ...]
    head: LinearHead | None
    steps: tuple[ConvolutionStep, ...]
    bytes: int


def planned_subject(
    seen: Capture, image: Images, target: Target, beside: Sequence[Capture] = (), *, named: bool
) -> SubjectPlan:
    """Return what a page is going to hold of a photo in a network.

    Parameters
    ----------
    seen : Capture
        As `photo_seen` returns it.
    image : path, PIL image, array or tensor
        The same photo, as it was given.
    target : class index or name, or None
        What is shown first.
    beside : sequence of Capture
        What is shown beside it: what is asked of one is asked of the other, and so the classes that
        the others list first are held here as well.
    named : bool
        Whether the layers were named, so that each has to be held.
    """
    # What the page cannot turn into probabilities it does not work out.
    known = bool(probability_rule(seen))
    held = _held(seen, every=named)
    classes = tuple(dict.fromkeys(map(int, [*_classes(seen, target), *_listed_by(beside, seen)])))
    head = linear_head(seen, seen.activations.resolve(held[-1])) if known else None
    steps = convolutions(seen, held)
    size = page_bytes(seen, held, steps, len(classes), headed=head is not None)
    return SubjectPlan(seen, image, tuple(held), classes, head, steps, size)


def subject_of(plan: SubjectPlan, packed: Packed, progress: Progress) -> Subject:
    """Return what the page holds of a photo in a network; `packed` takes the arrays in."""
    seen, classes = plan.seen, plan.classes
    found = explored_layers(seen, plan.image, plan.held, classes, progress, plan.head)
    document = Document(packed)
    document.add_answer(seen, [seen.model.category(k) for k in range(seen.logits.shape[1])])
    document.add_photo(seen)
    document.add_convolutions(seen, plan.steps)
    errors = []
    for layer in found:
        # Which channels a place of the last layer leads to is not known beforehand.
        most = layer.channels if layer is found[-1] else MUTED
        muted = None if layer.head is not None else muted_answers(seen, layer, progress, most)
        errors.append(document.add_layer(layer, classes, muted))
    shape = tuple(seen.batch.tensor.shape[1:])
    document.head["network"] = network_map(seen.model, shape, [layer.name for layer in found])
    document.head["first"] = classes[0]
    doubts = [doubt for layer in found for doubt in layer.doubts]
    words = _words(seen, found[-1], classes[0], document.head.pop("picture"), doubts)
    return Subject(seen, found, classes, document.head, words, max(errors))


def _held(seen: Capture, *, every: bool) -> list[str]:
    """Return the layers of the page; those that were named are all held or refused."""
    mapped = [name for name in seen.mapped() if seen.layout(name).covers_input]
    if every and len(mapped) < len(seen.activations):
        other = next(name for name in seen.activations if name not in mapped)
        seen.check_map(other)
        raise LayerError(
            f"The output of layer {other!r} is no map that lies over the whole image.",
            "Choose another layer.",
        )
    if not mapped:
        raise LayerError(
            "The explorer shows maps that lie over the whole image, and no layer of this network "
            "gives one.",
            "cnnviz.attribute and cnnviz.occlusion explain its answer by the pixels alone.",
            option="`cnnviz attribute` and `cnnviz occlusion` explain its answer by the pixels "
            "alone.",
        )
    return mapped if every else mapped[-STAGES:]


def _classes(seen: Capture, target: Target) -> list[int]:
    likeliest = [one.index for one in seen.predictions(LIKELIEST)[0]]
    if target is None:
        return likeliest
    asked = seen.scored(target).resolved_targets[0].class_index
    if asked is None:
        raise UsageError(
            "The explorer begins with one class, and the target is none.", "Name a class."
        )
    return [asked, *(one for one in likeliest if one != asked)][:LIKELIEST]


def _listed_by(others: Sequence[Capture], seen: Capture) -> list[int]:
    """Return the classes that others list first, by their names, as this network numbers them.

    Two classes may share a name: the one of the same number is meant, or else the one spelt alike.
    """
    names = [seen.model.category(k) for k in range(seen.logits.shape[1])]
    found = []
    for one in (one for other in others for one in other.predictions(_LISTED)[0]):
        alike = [k for k, name in enumerate(names) if name.casefold() == one.name.casefold()]
        found += sorted(alike, key=lambda k: (k != one.index, names[k] != one.name))[:1]
    return found


def _words(
    seen: Capture, last: ExploredLayer, first: int, picture: str, doubts: Sequence[str]
) -> SubjectWords:
    model, photo = seen.model, seen.batch.photos[0].name
    name = model.category(first)
    ranked = seen.predictions(_LISTED)[0]
    title = CAM_METHODS["gradcam"].title
    height, width = last.activations.shape[1:]
    return SubjectWords(
        photo=photo,
        model=model.name,
        name=name,
        method=title,
        layer=layer_said(last.name),
        verdict=f"{ranked[0].name}, {percent(ranked[0].probability)}",
        told=(
            f"{title}: where the network found {name}, at {layer_said(last.name)} "
            f"({height} x {width} places)."
        ),
        classes=f"{seen.logits.shape[1]:,}",
        answers=tuple(ClassLine(one.name, percent(one.probability)) for one in ranked),
        notes=tuple(dict.fromkeys((*_notes(seen), *doubts))),
        asides=_asides(seen),
        picture=picture,
        still=_still(seen, last, first),
        size=_seen_size(seen),
    )


def _notes(seen: Capture) -> tuple[str, ...]:
    """Return what casts doubt on all that the page shows."""
    notes = [*first_notes(seen.model, seen.batch)]
    reading = seen.model.reading
    if reading is not None and reading.kind is not None and reading.guess:
        notes.append(told_guess(reading.kind, reading.guess))
    return tuple(dict.fromkeys(notes))


def _asides(seen: Capture) -> tuple[str, ...]:
    """Return what was done with the photo, as a report has it: a crop is no cause for alarm."""
    photo, box = seen.batch.photos[0], seen.batch.boxes[0]
    asides = [f"On reading: {note}." for note in photo.notes]
    height, width = photo.pixels.shape[:2]
    if (round(box.width), round(box.height)) != (width, height):
        asides.append("The network sees the middle of the photo, and that is what is shown.")
    return tuple(asides)


def _seen_size(seen: Capture) -> tuple[int, int]:
    """Return width and height of what the network saw of the photo, in pixels of the photo."""
    cut, _ = seen.batch.boxes[0].cut(seen.batch.photos[0].pixels)
    return cut.shape[1], cut.shape[0]


def _still(seen: Capture, last: ExploredLayer, first: int) -> str:
    photo, box = seen.batch.photos[0], seen.batch.boxes[0]
    cut, _ = box.cut(photo.pixels)
    weights = last.weights[last.classes.index(first)]
    values = np.maximum(np.tensordot(weights, last.activations, 1), 0.0)
    size = (cut.shape[1], cut.shape[0])
    over = np.asarray(
        cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_LINEAR), np.float32
    )
    place = np.round(255 * over / (over.max() or 1.0)).astype(np.uint8)
    blended = (1.0 - _OPACITY) * cut + _OPACITY * colours("inferno")[place]
    return embedded(np.round(blended).astype(np.uint8))
