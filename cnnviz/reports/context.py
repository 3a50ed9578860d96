"""What the builder of a section gets to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cnnviz.images import Photo
from cnnviz.models import Model
from cnnviz.passes.captured import Capture
from cnnviz.results.provenance import Provenance
from cnnviz.results.space import IMAGE


@dataclass(frozen=True)
class ReportImage:
    """One image of the report, and what one pass through the network left of it.

    Attributes
    ----------
    slug : str
        The image's name as part of file names; no two subjects share it.
    anchor : str
        What the anchors of its sections begin with; empty where the report has one image.
    capture : Capture
        A capture of this image alone.
    unexplained : str
        Why nothing is explained of it, as where a detector finds nothing; else empty.
    """

    slug: str
    anchor: str
    capture: Capture
    unexplained: str = ""

    @property
    def photo(self) -> Photo:
        """The image as read."""
        return self.capture.batch.photos[0]

    @cached_property
    def provenance(self) -> Provenance:
        """Where everything about this image came from."""
        return self.capture.provenance

    @property
    def maps(self) -> tuple[str, ...]:
        """The captured layers whose output has a spatial extent, from shallow to deep."""
        return self.capture.mapped()


@dataclass(frozen=True)
class Context:
    """What the builder of a section gets to see.

    Attributes
    ----------
    model : Model
        The network.
    title : str
        The section's heading.
    input_shape : tuple of int
        Channels, height and width of what the network is given, or its size along each axis.
    introduces : bool
        Whether this is the first section of its kind, where what all of them show is explained.
    layers : str
        The layers that were asked for, in words; empty for the default choice.
    photos : tuple of Photo
        All images of the report, as read.
    subjects : tuple of ReportImage
        All images of the report, each with its pass; empty where no section is about an image.
    subject : ReportImage or None
        The image that the section is about; None for a section about the network.
    times : tuple of (str, float)
        The steps so far and how many seconds each took.
    """

    model: Model
    title: str
    input_shape: tuple[int, ...]
    introduces: bool
    layers: str
    photos: tuple[Photo, ...]
    subjects: tuple[ReportImage, ...]
    subject: ReportImage | None
    times: tuple[tuple[str, float], ...]

    @property
    def noun(self) -> str:
        """What the report is of: a photo, a signal or a volume."""
        space = self.model.space
        return "photo" if space == IMAGE else space.noun

    @property
    def image(self) -> ReportImage:
        """The image that the section is about.

        Raises
        ------
        LookupError
            If the section is not about an image: the table of sections is wrong.
        """
        if self.subject is None:
            raise LookupError(f"The section {self.title!r} is not about an image.")
        return self.subject

    def anchor(self, key: str) -> str:
        """Return the fragment of the section in the page's address."""
        return f"{self.subject.anchor if self.subject else ''}{key.replace('_', '-')}"


def spread(names: Sequence[str], most: int) -> tuple[str, ...]:
    """Return at most so many of the names, evenly spread, the first and the last among them."""
    places = np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int)
    return tuple(names[place] for place in places)
