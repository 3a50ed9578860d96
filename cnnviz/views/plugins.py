"""Views that other packages bring, through entry points of the group ``cnnviz.views``.

An entry point has the name of the view and leads to a `View`, in a module that imports no more
than `cnnviz.views`: it is imported for a list of commands, before anybody asked for the view.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnnviz.errors import InstallationError
from cnnviz.foreign_code import RAISED, told
from cnnviz.results.text import kind_of
from cnnviz.views._view import View
from cnnviz.views.table import VIEWS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "cnnviz.views"
# What else is a word of the command line, or of a report's --sections, besides our views.
RESERVED = frozenset(
    {
        *(
            "doctor",
            "errors",
            "evaluate",
            "evaluate-classifier",
            "gallery",
            "layers",
            "explore",
            "lecture",
            "models",
            "networks",
            "report",
            "shapes",
            "training-report",
        ),
        *("photo", "provenance", "units", "visualizations"),
    }
)


@dataclass(frozen=True)
class Plugin:
    """A view of another package.

    Attributes
    ----------
    view : View
        The view, as a line of our table would be.
    distribution : str
        The package that brings it, by the name that pip knows.
    entry_point : str
        Where in it the view stands: ``module:attribute``.
    """

    view: View
    distribution: str
    entry_point: str


@dataclass(frozen=True)
class Refusal:
    """A view of another package that cannot be used.

    Attributes
    ----------
    name : str
        The name of its entry point.
    distribution : str
        The package that brings it.
    reason : str
        Why, in one sentence.
    """

    name: str
    distribution: str
    reason: str

    def error(self) -> InstallationError:
        """Return the refusal as an error."""
        return InstallationError(
            self.reason, f"Mend, update or uninstall the package {self.distribution}."
        )


@dataclass(frozen=True)
class Plugins:
    """What the installed packages bring: the views that can be used, and those that cannot."""

    found: tuple[Plugin, ...] = ()
    refused: tuple[Refusal, ...] = ()


def find_plugin(name: str) -> Plugin:
    """Return the view of another package by its name.

    Raises
    ------
    KeyError
        No package brings one of this name.
    InstallationError
        One does, and it cannot be used.
    """
    plugins = installed()
    for plugin in plugins.found:
        if plugin.view.name == name:
            return plugin
    for refusal in plugins.refused:
        if refusal.name == name:
            raise refusal.error()
    raise KeyError(name)


def installed() -> Plugins:
    """Look for the views that the installed packages bring, by name.

    A package that is broken costs its own views and no others.
    """
    if not _any_mentions(sys.path):
        return Plugins()
    from importlib.metadata import entry_points

    entries = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, _owner(entry)))
    read = [_read(entry) for entry in entries]
    return _without_clashes(
        [each for each in read if isinstance(each, Plugin)],
        [each for each in read if isinstance(each, Refusal)],
    )


def _any_mentions(folders: Iterable[str]) -> bool:
    """Tell whether a package in one of these folders may have entry points of our group.

    The import of `importlib.metadata` takes several times as long as this look, which spares it
    where there is nothing to find. What is no folder, such as a zip file, may hold anything.
    """
    for folder in map(Path, folders):
        try:
            if folder.is_file() or any(map(_mentions, list(os.scandir(folder)))):
                return True
        except OSError:  # no such folder, or one that may not be read
            continue
    return False


def _mentions(entry: os.DirEntry[str]) -> bool:
    if not entry.name.endswith((".dist-info", ".egg-info", ".egg")):
        return False
    places = ("entry_points.txt", "EGG-INFO/entry_points.txt")
    for place in places[: 2 if entry.name.endswith(".egg") else 1]:
        try:
            if GROUP.encode() in Path(entry.path, place).read_bytes():
                return True
        except OSError:
            continue
    return False


def _owner(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "(unknown)"


def _read(entry: EntryPoint) -> Plugin | Refusal:
    owner = _owner(entry)

    def refused(why: str) -> Refusal:
        return Refusal(entry.name, owner, f"The view {entry.name!r} of {owner} {why}.")

    try:
        view = entry.load()
    except RAISED as error:
        return refused(f"cannot be imported: {told(error)}")
    if not isinstance(view, View):
        return refused(f"is {kind_of(view)} at {entry.value}, not a cnnviz.views.View")
    if view.name != entry.name:
        return refused(f"calls itself {view.name!r}; the two names must be one")
    if not view.name.isidentifier():
        return refused("has a name that is no name of a function")
    if not view.module:
        return refused("does not say the module that holds its function")
    return Plugin(view, owner, entry.value)


def _without_clashes(found: list[Plugin], refused: list[Refusal]) -> Plugins:
    """Refuse what has the name of something else; of two that clash, neither is preferred."""
    ours = {word for view in VIEWS for word in _words(view)} | RESERVED
    counts = Counter(word for plugin in found for word in _words(plugin.view))
    kept = []
    for plugin in found:
        words, name, owner = _words(plugin.view), plugin.view.name, plugin.distribution
        taken = sorted(words & ours)
        twice = {word for word in words if counts[word] > 1}
        others = [o.distribution for o in found if o is not plugin and _words(o.view) & twice]
        if taken:
            why = f"has a name that cnnviz itself uses: {', '.join(taken)}."
        elif twice:
            why = f"has the name of a view of {', '.join(others)}; neither is used."
        else:
            kept.append(plugin)
            continue
        refused.append(Refusal(name, owner, f"The view {name!r} of {owner} {why}"))
    return Plugins(tuple(kept), tuple(refused))


def _words(view: View) -> set[str]:
    """Return the words by which a view is called on the command line and in --sections."""
    return {view.command, view.name.replace("_", "-")}
