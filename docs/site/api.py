"""The reference of the Python interface: a page for each public name, made from its docstring."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import cnnviz
from cnnviz import errors
from cnnviz.results.result import Result
from cnnviz.views import VIEWS
from cnnviz_cli.described import returned_type

# The names of `cnnviz` that are no views, in reading order; `write` tells which are forgotten.
GROUPS = {
    "Load and capture": (
        "load",
        "Model",
        "capture",
        "Capture",
        "Preprocessing",
        "ArrayPreprocessing",
        "Photo",
        "IMAGE",
        "OutputKind",
    ),
    "What is explained": ("Box", "Contrast", "Direction", "Region", "Similarity", "SumOf", "Value"),
    "Data": ("Shapes", "Dataset", "open_dataset"),
    "Whole pages and reports": (
        "report",
        "Report",
        "explore",
        "lecture",
        "error_analysis",
        "ErrorAnalysis",
        "evaluate_classifier",
        "ClassifierEvaluation",
        "GradientMonitor",
        "doctor",
    ),
    "Results": ("Result", "Heatmap", "Provenance"),
}
PACKAGES = ("datasets", "evaluation", "explorer", "images", "models", "reports", "testing", "views")
# The sidebar would be drawn with every name on every page, which takes most of the time of a build:
# these pages are reached from their list, the search, and each other.
# Each page has its place in the sidebar, which a page outside of every list of contents has not.
IN_SIDEBAR = ".. toctree::\n    :hidden:\n    :glob:\n\n    *\n"
HEAD = ":doc:`The Python interface <index>`\n"
# What every result has is told once, on the page of `Result`.
_TOLD_ONCE = "draw, draw_panel, contents, arrays, caption, summary, sheets, sheet, frames, table"


def returned_result(function: Any) -> type[Result] | None:
    """Return the kind of result that a function gives, or None where it gives no result."""
    found = returned_type(function)
    return found if isinstance(found, type) and issubclass(found, Result) else None


def write(target: Path) -> None:
    """Write the pages of all public names into a folder.

    Raises
    ------
    RuntimeError
        If a public name is neither a view nor in `GROUPS`.
    """
    target.mkdir()
    panels: dict[str, tuple[str, ...]] = {}
    for view in VIEWS:
        panels[view.panel] = (*panels.get(view.panel, ()), view.name)
    first, *others = GROUPS.items()
    groups = dict((first, *panels.items(), *others))
    named = [*sum(groups.values(), ()), "CnnvizError"]
    if set(named) != set(cnnviz.__all__):
        raise RuntimeError(f"GROUPS and cnnviz differ: {sorted(set(named) ^ set(cnnviz.__all__))}")
    index = [_headed("The Python interface", "="), "Every public name, from its docstring.\n"]
    index.append(IN_SIDEBAR)
    for title, names in groups.items():
        index.append(_headed(title, "-"))
        index += [
            f":py:obj:`~cnnviz.{name}`\n    {_first_line(getattr(cnnviz, name))}\n"
            for name in names
        ]
    index.append(f"{_headed('Packages and errors', '-')}\n:doc:`cnnviz.errors <errors>`")
    index += [f"    {_first_line(errors)}\n"]
    for package in PACKAGES:
        index.append(f":doc:`cnnviz.{package} <packages-{package}>`")
        index.append(f"    {_first_line(import_module(f'cnnviz.{package}'))}\n")
    (target / "index.rst").write_text("\n".join(index), "utf-8")
    for name in named[:-1]:
        (target / f"{name_of_page(name)}.rst").write_text(page_of(name), "utf-8")
    (target / "errors.rst").write_text(page_of_errors(), "utf-8")
    for package in PACKAGES:
        (target / f"packages-{package}.rst").write_text(page_of_package(package), "utf-8")


def name_of_page(name: str) -> str:
    """Return the file of a name: `Capture` and `capture` are one file on some systems."""
    return f"{name}-class" if inspect.isclass(getattr(cnnviz, name, None)) else name


def page_of(name: str) -> str:
    """Return the page of a name of `cnnviz`; of a view with its result."""
    value = getattr(cnnviz, name)
    lines = [HEAD, _headed(f"cnnviz.{name}", "="), *described(f"cnnviz.{name}", value)]
    result = returned_result(value) if inspect.isfunction(value) else None
    if result is not None and result.__name__ not in cnnviz.__all__:
        lines += [_headed("What it returns", "-")]
        lines += described(f"{result.__module__}.{result.__name__}", result)
    if name in {view.name for view in VIEWS}:
        lines += [f"How to read its picture, and how that misleads: :doc:`/docs/views/{name}`.\n"]
    return "\n".join(lines)


def described(path: str, value: Any) -> list[str]:
    """Return the lines that have a function, a class or a value described from its docstring."""
    if inspect.isclass(value):
        lines = [f".. autoclass:: {path}", "    :members:", "    :show-inheritance:"]
        if issubclass(value, Result) and value is not Result:
            lines.append(f"    :exclude-members: {_TOLD_ONCE}")
        return [*lines, ""]
    if callable(value) and inspect.isroutine(value):
        return [f".. autofunction:: {path}", ""]
    home, _, name = path.rpartition(".")
    return [f".. py:data:: {name}", f"    :module: {home}", "", f"    {_first_line(value)}", ""]


def page_of_errors() -> str:
    """Return the page of everything that cnnviz raises."""
    lines = [HEAD, _headed("cnnviz.errors", "="), errors.__doc__ or "", ""]
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, errors.CnnvizError):
            lines += described(f"cnnviz.errors.{name}", value)
    return "\n".join(lines)


def page_of_package(package: str) -> str:
    """Return the page of what a package offers beyond the names of `cnnviz` itself."""
    module = import_module(f"cnnviz.{package}")
    lines = [HEAD, _headed(f"cnnviz.{package}", "="), module.__doc__ or "", ""]
    for name in module.__all__:
        value = getattr(module, name)
        if getattr(cnnviz, name, None) is value:
            lines += [f":py:obj:`cnnviz.{name}` is one of its names, too.", ""]
        else:
            lines += described(f"cnnviz.{package}.{name}", value)
    return "\n".join(lines)


def _first_line(value: Any) -> str:
    return (inspect.getdoc(value) or "").partition("\n")[0]


def _headed(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n"
