"""One photo in one network: what a page of the explorer holds of it, and says at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from cnnviz.errors import LayerError, UsageError
from cnnviz.explorer.convolution_step import first_convolution
from cnnviz.explorer.document import Document, colours, embedded, probability_rule
from cnnviz.explorer.layers import ExploredLayer, explored_layers
from cnnviz.explorer.network_map import network_map
from cnnviz.explorer.packing import Packed, by_channel
from cnnviz.explorer.page import ClassLine, SubjectWords
from cnnviz.explorer.what_if import muted_answers
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.images.inputs import Images
from cnnviz.introspection.layers import split
from cnnviz.introspection.tracing.map_layout import WHOLE
from cnnviz.models import Model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.targets import Target
from cnnviz.results.progress import Progress
from cnnviz.results.text import percent

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


def subject_of(
    seen: Capture,
    image: Images,
    target: Target,
    packed: Packed,
    progress: Progress,
    *,
    named: bool,
) -> Subject:
    """Return what the page holds of a photo in a network.

    Parameters
    ----------
    seen : Capture
        As `photo_seen` returns it.
    image : path, PIL image, array or tensor
        The same photo, as it was given.
    target : class index or name, or None
        What is shown first.
    packed : Packed
        Takes the arrays in.
    progress : callable
        Called as ``progress(done, total, what)``.
    named : bool
        Whether the layers were named, so that each has to be held.
    """
    # What the page cannot turn into probabilities it does not work out.
    known = bool(probability_rule(seen))
    held = _held(seen, every=named)
    classes = _classes(seen, target)
    found = explored_layers(seen, image, held, classes, progress, heads=known)
    document = Document(packed)
    document.add_answer(seen, [seen.model.category(k) for k in range(seen.logits.shape[1])])
    document.add_photo(seen)
    step = first_convolution(seen)
    if step is not None:
        document.add_pixels(seen, step)
    for layer in found:
        muted = None if layer.head is not None else muted_answers(seen, layer, progress)
        document.add_layer(layer, classes, muted)
    shape = tuple(seen.batch.tensor.shape[1:])
    document.head["network"] = network_map(seen.model, shape, [layer.name for layer in found])
    document.head["first"] = int(classes[0])
    error = max(_rounding(layer, int(classes[0])) for layer in found)
    name = step.name if step is not None else ""
    words = _words(seen, found[-1], int(classes[0]), document.head.pop("picture"), name)
    return Subject(seen, found, tuple(map(int, classes)), document.head, words, error)


def _held(seen: Capture, *, every: bool) -> list[str]:
    """Return the layers of the page; those that were named are all held or refused."""
    mapped = [name for name in seen.mapped() if seen.layout(name).extent == WHOLE]
    if every and len(mapped) < len(seen.activations):
        other = next(name for name in seen.activations if name not in mapped)
        seen.check_map(other)
        raise LayerError(
            f"The output of layer {other!r} is no map that lies over the whole image.",
            "Choose another layer.",
        )
    if not mapped:
        raise LayerError("The network has no layer with a map of the image.", "Name layers.")
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


def _rounding(layer: ExploredLayer, first: int) -> float:
    """Return how far whole steps put the first class's map off, of its largest value."""
    whole, low, step = by_channel(layer.activations)
    kept = whole * step[:, None, None] + low[:, None, None]
    weights = layer.weights[layer.classes.index(first)]
    exact = np.tensordot(weights, layer.activations, 1)
    largest = float(np.abs(exact).max())
    return float(np.abs(np.tensordot(weights, kept, 1) - exact).max()) / (largest or 1.0)


def _words(
    seen: Capture, last: ExploredLayer, first: int, picture: str, convolution: str
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
        layer=last.name,
        verdict=f"{ranked[0].name}, {percent(ranked[0].probability)}",
        told=(
            f"{title}: where the network found {name}, at {last.name} ({height} x {width} places)."
        ),
        classes=f"{seen.logits.shape[1]:,}",
        convolution=convolution,
        answers=tuple(ClassLine(one.name, percent(one.probability)) for one in ranked),
        notes=_notes(seen),
        picture=picture,
        still=_still(seen, last, first),
    )


def _notes(seen: Capture) -> tuple[str, ...]:
    notes = [*seen.batch.photos[0].notes, seen.model.doubt]
    height, width = seen.batch.photos[0].pixels.shape[:2]
    box = seen.batch.boxes[0]
    if (round(box.width), round(box.height)) != (width, height):
        notes.append("The network saw the middle of the photo, which is what is shown.")
    return tuple(filter(None, notes))


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
