"""explore(): a photo in a network, or two beside each other, as a page that answers."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from cnnviz.bounds import bounded
from cnnviz.errors import OutputError
from cnnviz.explorer.document import looks
from cnnviz.explorer.page import PageWords, rendered
from cnnviz.explorer.subject import (
    Subject,
    SubjectPlan,
    photo_seen,
    planned_subject,
    subject_of,
)
from cnnviz.images.inputs import Images
from cnnviz.images.paths import expand
from cnnviz.models import Model, as_model
from cnnviz.pages.packing import Packed
from cnnviz.passes.targets import Target
from cnnviz.results.file_names import stem
from cnnviz.results.files import write_atomically
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import Provenance
from cnnviz.results.text import joined, plural

HEIGHT = 900


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
            f'<iframe srcdoc="{html.escape(self.page)}" width="100%" height="{HEIGHT}" '
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


@bounded
def explore(
    model: Model | nn.Module,
    image: Images,
    *,
    target: Target = None,
    layers: str | Sequence[str] | None = None,
    compare_image: Images | None = None,
    compare_model: Model | nn.Module | None = None,
    unit_pages: Mapping[str, str] | None = None,
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
    compare_image : path, PIL image, array or tensor, optional
        Another photo, which is shown beside the first; what is chosen for one is chosen for both.
    compare_model : Model or torch.nn.Module, optional
        Another network, which looks at the photo beside the first, or at `compare_image`. Classes
        are matched by name, and layers from the last one.
    unit_pages : mapping of str to str, optional
        By layer the address of a folder that has, for each channel, a page ``N.html`` and a picture
        ``N.webp``, as a gallery does: a channel then shows its strongest patches, and leads there.
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
    ImageError
        If the image cannot be read.
    ModelError
        If the network cannot run on the image.
    """
    return planned(
        *(model, image),
        target=target,
        layers=layers,
        compare_image=compare_image,
        compare_model=compare_model,
        unit_pages=unit_pages,
    ).make(progress)


@dataclass(frozen=True, eq=False)
class ExplorerPlan:
    """A page that is about to be made, all that can be refused being refused already.

    Attributes
    ----------
    subjects : tuple of SubjectPlan
        A photo in a network, or two.
    unit_pages : mapping of str to str
        As `explore` takes it.
    """

    subjects: tuple[SubjectPlan, ...]
    unit_pages: Mapping[str, str]

    @property
    def bytes(self) -> int:
        """About how many bytes the page will have."""
        return sum(one.bytes for one in self.subjects)

    def make(self, progress: Progress = silent) -> Explorer:
        """Make the page."""
        packed = Packed()
        found = [subject_of(one, packed, progress) for one in self.subjects]
        pages = self.unit_pages
        if pages:
            found[0].head["unitPages"] = {
                layer.name: pages[layer.name] for layer in found[0].layers if layer.name in pages
            }
        return _explorer(found, packed)


def planned(
    model: Model | nn.Module,
    image: Images,
    *,
    target: Target = None,
    layers: str | Sequence[str] | None = None,
    compare_image: Images | None = None,
    compare_model: Model | nn.Module | None = None,
    unit_pages: Mapping[str, str] | None = None,
) -> ExplorerPlan:
    """Return what `explore` will make, with its size, before the long work begins.

    Takes and raises what `explore` does.
    """
    first, named = as_model(model), layers is not None
    asked = [(photo_seen(first, image, layers), image, named)]
    if compare_image is not None or compare_model is not None:
        other = first if compare_model is None else as_model(compare_model)
        beside = image if compare_image is None else compare_image
        # Another network has other names of layers.
        again = named and compare_model is None
        asked.append((photo_seen(other, beside, layers if again else None), beside, again))
    plans = [
        planned_subject(seen, one, target, [it for it, _, _ in asked if it is not seen], named=each)
        for seen, one, each in asked
    ]
    return ExplorerPlan(tuple(plans), dict(unit_pages or {}))


def _rounding(subjects: Sequence[Subject], error: float) -> str:
    names = list(dict.fromkeys(one.words.name for one in subjects))
    off = f"off by at most {100 * error:.2g}%"
    if len(names) == 1:
        return f"the map of {names[0]} is {off} of its largest value"
    return f"the maps of {joined(names)} are {off} of their largest values"


def _explorer(subjects: Sequence[Subject], packed: Packed) -> Explorer:
    first = subjects[0]
    error = max(one.error for one in subjects)
    head = {"subjects": [one.head for one in subjects], "looks": looks(packed)}
    provenance = first.seen.provenance
    words = PageWords(
        title=f"{first.words.photo} in {first.words.model}: cnnviz explorer",
        description=(
            f"What {first.words.model} sees in {first.words.photo}: ask for classes, layers and "
            "channels."
        ),
        closing=(
            f"Made by cnnviz {provenance.cnnviz}. Activations are rounded to 256 levels "
            "for each channel, to 96 in large layers, and weights are rounded too, so that the "
            f"page stays small: {_rounding(subjects, error)}. "
            "All that the page shows is in this file; it asks nothing of any server."
        ),
        subjects=tuple(one.words for one in subjects),
    )
    return Explorer(
        provenance=provenance,
        layers=tuple(layer.name for layer in first.layers),
        exact=first.layers[-1].head is not None,
        error=error,
        page=rendered(words, head, packed.text()),
    )
