"""The sections of a report, one file each. This table is the only list of them.

A section is a file in this folder with a function ``build(context) -> Section``, and a line here.
Every view of another package (see `cnnviz.views.plugins`) has a section besides, which comes when
it is named: what a report holds without being asked does not depend on what else is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Literal, NoReturn

from cnnviz.errors import UsageError, did_you_mean
from cnnviz.results.choosing import words_of
from cnnviz.views import VIEWS, View
from cnnviz.views.plugins import Plugins, installed

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
    view : View or None
        For a view without a section of its own, or of another package: whose section it is.
    of_view : str
        The view that it shows, where there are networks that this does not take.
    at_input : bool
        Whether it needs the gradient at the input too, which the same backward pass gives.
    """

    key: str
    title: str
    about: Literal["image", "network", "report"]
    needs: Literal["nothing", "forward", "layers", "backward"] = "nothing"
    passes: int = 0
    view: View | None = None
    of_view: str = ""
    at_input: bool = False

    @property
    def thorough(self) -> bool:
        """Whether the section takes so long that a quick report goes without it."""
        return self.passes > 0

    def builder(self) -> Callable[[Context], Section]:
        """Import the section's file and return its function."""
        if self.view is not None and not self.view.section:
            from cnnviz.reports.sections import from_view

            return partial(from_view.build, self.view)
        home = self.view.section if self.view is not None else f"{__name__}.{self.key}:build"
        module, _, function = home.partition(":")
        build: Callable[[Context], Section] = getattr(import_module(module), function)
        return build


SECTIONS: tuple[SectionKind, ...] = (
    SectionKind("photo", "The photo as the network sees it", "image", "forward"),
    SectionKind("predictions", "What it answers", "image", "forward"),
    SectionKind("architecture", "The architecture", "network"),
    SectionKind("filters", "What the filters look for", "network"),
    SectionKind("feature_maps", "Feature maps, from shallow to deep", "image", "layers"),
    SectionKind("cam", "Where it looked", "image", "backward"),
    SectionKind("units", "What the units see", "image", "layers", passes=60, of_view="deconvnet"),
    SectionKind(
        "visualizations",
        "What drives the units furthest",
        "image",
        "layers",
        passes=2000,
        of_view="feature_visualization",
    ),
    SectionKind(
        "explanations", "How far to believe it", "image", "backward", passes=4400, at_input=True
    ),
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
    names = words_of(sections)
    keys = {name.lower().replace("-", "_"): name for name in names}
    own = {kind.key for kind in SECTIONS} | {view.name for view in VIEWS}
    # Only a name that is none of ours sends for those of other packages.
    plugins = Plugins() if keys.keys() <= own else installed()
    kinds = in_reading_order(plugins)
    known = [kind.key for kind in kinds]
    if not names:
        raise UsageError("No section was chosen.", f"Choose among {', '.join(known)}.")
    for key, name in keys.items():
        if key not in known:
            _unknown(key, name, known, plugins)
    return tuple(kind for kind in kinds if kind.key in keys or (thorough and kind.thorough))


def _unknown(key: str, name: str, known: Sequence[str], plugins: Plugins) -> NoReturn:
    for refusal in plugins.refused:
        if refusal.name == key:
            raise refusal.error()
    raise UsageError(
        f"There is no section {name!r}.",
        did_you_mean(key, known, f"Choose among {', '.join(known)}."),
    )


def in_reading_order(plugins: Plugins) -> tuple[SectionKind, ...]:
    """Return our sections, then the other views and those of other packages, and the report's end.

    A view comes only where it is named: a report with all of them would have no end.
    """
    ours = [kind for kind in SECTIONS if kind.about != "report"]
    shown = {name for kind in SECTIONS for name in (kind.key, kind.of_view)}
    views = [view for view in VIEWS if view.name not in shown]
    others = [_of_view(view) for view in (*views, *(plugin.view for plugin in plugins.found))]
    return (*ours, *others, *(kind for kind in SECTIONS if kind.about == "report"))


def _of_view(view: View) -> SectionKind:
    needs: Literal["nothing", "forward", "layers", "backward"] = "nothing"
    if view.images == "photos":
        # What is explained is known only where a gradient was sent back from it.
        needs = "layers" if view.needs == "capture" and view.layers == "stages" else "forward"
        needs = "backward" if view.gradients or view.target else needs
    about: Literal["image", "network"] = "image" if view.images == "photos" else "network"
    title = view.summary.rstrip(".")
    return SectionKind(view.name, title, about, needs, view=view, of_view=view.name)
