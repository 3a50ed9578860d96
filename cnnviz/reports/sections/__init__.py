"""The sections of a report, one file each. This table is the only list of them.

A section is a file in this folder with a function ``build(context) -> Section``, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from cnnviz.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from cnnviz.reports.content import Section
    from cnnviz.reports.context import Context


@dataclass(frozen=True)
class SectionKind:
    """One line of the table.

    Attributes
    ----------
    key : str
        The name by which the section is chosen, and of the file that builds it.
    title : str
        Its heading.
    about : {"image", "network", "report"}
        Whether it is built for each image, once for the network, or once at the end.
    needs : {"nothing", "forward", "layers", "backward"}
        How much of a capture it needs: none, the answer, the layers, or their gradients too.
    passes : int
        Roughly how many more times the network runs for it, for the time that is said beforehand.
        A section that needs any is left out unless it is asked for.
    """

    key: str
    title: str
    about: Literal["image", "network", "report"]
    needs: Literal["nothing", "forward", "layers", "backward"] = "nothing"
    passes: int = 0

    @property
    def thorough(self) -> bool:
        """Whether the section takes so long that a quick report goes without it."""
        return self.passes > 0

    def builder(self) -> Callable[[Context], Section]:
        """Import the section's file and return its function."""
        build: Callable[[Context], Section] = import_module(f"{__name__}.{self.key}").build
        return build


SECTIONS: tuple[SectionKind, ...] = (
    SectionKind("photo", "The photo as the network sees it", "image", "forward"),
    SectionKind("predictions", "What it answers", "image", "forward"),
    SectionKind("architecture", "The architecture", "network"),
    SectionKind("filters", "What the filters look for", "network"),
    SectionKind("feature_maps", "Feature maps, from shallow to deep", "image", "layers"),
    SectionKind("cam", "Where it looked", "image", "backward"),
    SectionKind("units", "What the units see", "image", "layers", passes=60),
    SectionKind("visualizations", "What drives the units furthest", "image", "layers", passes=2000),
    SectionKind("explanations", "How far to believe it", "image", "backward", passes=4400),
    SectionKind("gradient_flow", "Does the gradient arrive?", "network", "forward", passes=3),
    SectionKind("provenance", "How this report was made", "report"),
)


def choose(
    sections: str | Sequence[str] | None, *, thorough: bool = False
) -> tuple[SectionKind, ...]:
    """Return the chosen lines of the table in reading order.

    Parameters
    ----------
    sections : str, sequence of str, or None
        Keys, with hyphens or underscores; commas separate several in one string. None chooses all
        that need no further pass through the network.
    thorough : bool
        Whether the sections that need further passes come as well.

    Raises
    ------
    UsageError
        If a key is unknown, with the nearest ones, or none is given.
    """
    if sections is None:
        return tuple(kind for kind in SECTIONS if thorough or not kind.thorough)
    known = {kind.key: kind for kind in SECTIONS}
    parts = [sections] if isinstance(sections, str) else list(sections)
    names = [item.strip() for part in parts for item in part.split(",") if item.strip()]
    if not names:
        raise UsageError("No section was chosen.", f"Choose among {', '.join(known)}.")
    keys = {name.lower().replace("-", "_"): name for name in names}
    for key, name in keys.items():
        if key not in known:
            raise UsageError(
                f"There is no section {name!r}.",
                did_you_mean(key, known, f"Choose among {', '.join(known)}."),
            )
    return tuple(kind for kind in SECTIONS if kind.key in keys or (thorough and kind.thorough))
