"""explore(): one photo in one network, as a page that answers."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from cnnviz.errors import LayerError, OutputError, UsageError
from cnnviz.explorer.convolution_step import first_convolution
from cnnviz.explorer.document import Document, colours, embedded
from cnnviz.explorer.layers import ExploredLayer, explored_layers
from cnnviz.explorer.network_map import network_map
from cnnviz.explorer.packing import by_channel
from cnnviz.explorer.page import ClassLine, PageWords, rendered
from cnnviz.explorer.what_if import muted_answers
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.images.inputs import Images
from cnnviz.images.paths import expand
from cnnviz.introspection.layers import split
from cnnviz.introspection.tracing.map_layout import WHOLE
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.captured import Capture
from cnnviz.passes.captures import capture
from cnnviz.passes.targets import Target
from cnnviz.results.file_names import stem
from cnnviz.results.files import write_atomically
from cnnviz.results.progress import Progress, silent
from cnnviz.results.result import Provenance
from cnnviz.results.text import percent, plural

STAGES = 4
"""So many of the last stages are held by default."""
LIKELIEST = 20
_LISTED = 5
_OPACITY = 0.55
_HEIGHT = 900


@dataclass(frozen=True, repr=False, eq=False)
class Explorer:
    """A page on which a person asks a network about a photo.

    Attributes
    ----------
    provenance : Provenance
        Where it came from.
    layers : tuple of str
        The layers that it holds, from shallow to deep.
    exact : bool
        Whether the answer with channels of the last layer muted is worked out, since a mean over
        the places and a linear layer follow it.
    error : float
        How far the map of the likeliest class is off at any of the layers, of its largest value,
        since activations and weights are kept in whole steps.
    page : str
        The page.
    """

    provenance: Provenance
    layers: tuple[str, ...]
    exact: bool
    error: float
    page: str = field(repr=False)

    def save(self, path: str | Path) -> Path:
        """Write the page, whole or not at all.

        Parameters
        ----------
        path : str or Path
            A file whose name ends in ``.html``.

        Raises
        ------
        OutputError
            If the name ends otherwise, or the file cannot be written.
        """
        target = check_page(expand(path))
        return write_atomically(target, lambda temporary: temporary.write_text(self.page, "utf-8"))

    @property
    def default_name(self) -> str:
        """The name of a file for it, after the photo."""
        return f"{stem(self.provenance.images[0].name)}-explorer.html"

    @property
    def size(self) -> int:
        """How many bytes the page has."""
        return len(self.page.encode())

    def _repr_html_(self) -> str:
        # A frame of its own: the page's styles and scripts stay out of the notebook's.
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" width="100%" height="{_HEIGHT}" '
            'style="border: 1px solid #ccc; border-radius: 8px" '
            'title="cnnviz explorer"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<Explorer: {plural(len(self.layers), 'layer')}, {self.size / 1e6:.1f} MB>"


def check_page(path: Path) -> Path:
    """Return a path, or raise `OutputError` if it is the name of no page."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(
            f"The explorer is a page, and {path.name!r} is the name of no page.",
            "Let the name end in .html.",
        )
    return path


def explore(
    model: Model | nn.Module,
    image: Images,
    *,
    target: Target = None,
    layers: str | Sequence[str] | None = None,
    progress: Progress = silent,
) -> Explorer:
    """Make a page on which a person asks a network about a photo, without a server.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A classifier; it is left as it was.
    image : path, PIL image, uint8 array [H, W, 3] or preprocessed tensor
        One photo.
    target : class index or name, optional
        What is shown first; the likeliest class by default.
    layers : str or sequence of str, optional
        The layers that the page holds, by name; the last four stages by default.
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Returns
    -------
    Explorer
        ``save("page.html")`` writes it; in a notebook it shows itself.

    Raises
    ------
    LayerError
        If a layer gives no map of the image.
    TargetError
        If the network gives no probabilities of classes.
    UsageError
        If there is more than one photo.
    """
    wrapped = as_model(model)
    check_takes_images(wrapped, "explorer")
    names = None if layers is None else split(layers, set())
    seen = capture(wrapped, image, layers=names or "stages", gradients=False)
    if len(seen.batch.photos) != 1:
        raise UsageError(
            f"The explorer is of one photo, and {len(seen.batch.photos)} were given.",
            "Give one.",
        )
    held = _held(seen, None if names is None else len(names))
    classes = _classes(seen, target)
    found = explored_layers(seen, image, held, classes, progress)
    return _explorer(seen, found, classes, progress)


def _held(seen: Capture, count: int | None) -> list[str]:
    """Return the layers of the page; those that were named are all held or refused."""
    mapped = [name for name in seen.mapped() if seen.layout(name).extent == WHOLE]
    if count is not None and len(mapped) < count:
        other = next(name for name in seen.activations if name not in mapped)
        seen.check_map(other)
        raise LayerError(
            f"The output of layer {other!r} is no map that lies over the whole image.",
            "Choose another layer.",
        )
    if not mapped:
        raise LayerError("The network has no layer with a map of the image.", "Name layers.")
    return mapped if count is not None else mapped[-STAGES:]


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


def _explorer(
    seen: Capture, found: tuple[ExploredLayer, ...], classes: Sequence[int], progress: Progress
) -> Explorer:
    model, document = seen.model, Document()
    names = [model.category(k) for k in range(seen.logits.shape[1])]
    document.add_looks()
    document.add_answer(seen, names)
    document.add_photo(seen)
    step = first_convolution(seen)
    if step is not None:
        document.add_pixels(seen, step)
    for layer in found:
        muted = None if layer.head is not None else muted_answers(seen, layer, progress)
        document.add_layer(layer, classes, muted)
    shape = tuple(seen.batch.tensor.shape[1:])
    document.head["network"] = network_map(model, shape, [layer.name for layer in found])
    document.head["first"] = int(classes[0])
    error = max(_rounding(layer) for layer in found)
    picture = document.head.pop("picture")
    words = _words(seen, found[-1], int(classes[0]), error, step.name if step is not None else "")
    return Explorer(
        provenance=seen.provenance,
        layers=tuple(layer.name for layer in found),
        exact=found[-1].head is not None,
        error=error,
        page=rendered(words, picture, document.head, document.packed.text()),
    )


def _rounding(layer: ExploredLayer) -> float:
    """Return how far whole steps put the first class's map off, of its largest value."""
    whole, low, step = by_channel(layer.activations)
    kept = whole * step[:, None, None] + low[:, None, None]
    exact = np.tensordot(layer.weights[0], layer.activations, 1)
    largest = float(np.abs(exact).max())
    return float(np.abs(np.tensordot(layer.weights[0], kept, 1) - exact).max()) / (largest or 1.0)


def _words(
    seen: Capture, last: ExploredLayer, first: int, error: float, convolution: str
) -> PageWords:
    model, photo = seen.model, seen.batch.photos[0].name
    name = model.category(first)
    ranked = seen.predictions(_LISTED)[0]
    title = CAM_METHODS["gradcam"].title
    height, width = last.activations.shape[1:]
    provenance = seen.provenance
    return PageWords(
        title=f"{photo} in {model.name}: cnnviz explorer",
        description=f"What {model.name} sees in {photo}: ask for classes, layers and channels.",
        photo=photo,
        model=model.name,
        name=name,
        method=title,
        layer=last.name,
        verdict=f"{ranked[0].name}, {percent(ranked[0].probability)}",
        told=(
            f"{title}: where the network found {name}, at {last.name} ({height} x {width} places)."
        ),
        closing=(
            f"Made by cnnviz {provenance.cnnviz}. Activations are kept in 256 steps for "
            "each channel, from its least value to its largest, and weights in steps as well: the "
            f"map of {name} is off by at most {100 * error:.2g} % of its largest value. All that "
            "the page shows is in this file; it asks nothing of any server."
        ),
        classes=f"{seen.logits.shape[1]:,}",
        convolution=convolution,
        answers=tuple(ClassLine(one.name, percent(one.probability)) for one in ranked),
        notes=_notes(seen),
        still=_still(seen, last),
    )


def _notes(seen: Capture) -> tuple[str, ...]:
    notes = [*seen.batch.photos[0].notes, seen.model.doubt]
    height, width = seen.batch.photos[0].pixels.shape[:2]
    box = seen.batch.boxes[0]
    if (round(box.width), round(box.height)) != (width, height):
        notes.append("The network saw the middle of the photo, which is what is shown.")
    return tuple(filter(None, notes))


def _still(seen: Capture, last: ExploredLayer) -> str:
    photo, box = seen.batch.photos[0], seen.batch.boxes[0]
    cut, _ = box.cut(photo.pixels)
    values = np.maximum(np.tensordot(last.weights[0], last.activations, 1), 0.0)
    size = (cut.shape[1], cut.shape[0])
    over = np.asarray(
        cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_LINEAR), np.float32
    )
    place = np.round(255 * over / (over.max() or 1.0)).astype(np.uint8)
    blended = (1.0 - _OPACITY) * cut + _OPACITY * colours("inferno")[place]
    return embedded(np.round(blended).astype(np.uint8))
