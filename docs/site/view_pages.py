"""The pages of the views: what is written by hand in `docs/views`, with what can be made of it.

Every page has its text and one example, whose result is called ``found``. The site adds the picture
of that result with its caption, how the view is called, and a sheet of all of them.
"""

from __future__ import annotations

import inspect
import re
import textwrap
import warnings
from pathlib import Path

import commands
import page_code
from pictures import write_webp

import cnnviz
from cnnviz.reports.sections import in_reading_order
from cnnviz.results.result import Result
from cnnviz.views import VIEWS, View
from cnnviz.views.plugins import Plugins

HEADINGS = ("What it shows", "How to read it", "How it misleads", "Where it comes from")
_GIVEN = {
    "model": "a network",
    "capture": "a capture",
    "photo": "a photo",
    "nothing": "nothing",
}
_TOLD_ELSEWHERE = ("progress", "announce")
_LINE = 84


def finish(folder: Path, quick: bool) -> None:
    """Write into the pages of a folder what they lack, and the sheet of all views.

    Parameters
    ----------
    folder : Path
        The pages of the views, as they are written by hand.
    quick : bool
        Whether to leave out the pictures, so that nothing is run.
    """
    called = commands.commands()
    for view in VIEWS:
        page = folder / f"{view.name}.md"
        text = page.read_text("utf-8")
        if not quick:
            print(f"drawing {view.name}", flush=True)
            found, printed = draw(page, folder / f"{view.name}.webp")
            text = with_picture(text, view, found, printed)
        usage = commands.usage(view.command, called[view.command])
        page.write_text(f"{text}\n{how_to_call(view, usage)}", "utf-8")
    (folder / "index.md").write_text(sheet(quick), "utf-8")


def draw(page: Path, target: Path) -> tuple[Result, str]:
    """Run a page's example in an empty folder; draw its result, and return that and the output."""
    work = target.with_suffix(".work")
    work.mkdir()
    names, printed = page_code.run(page, work)
    found: Result = names["found"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found.save(work / "picture.png")
    # Of a result of many pages the first.
    write_webp(min(work.glob("picture*.png")), target, widest=1600)
    return found, printed


def with_picture(text: str, view: View, found: Result, printed: str) -> str:
    """Return a page with what its example printed, its picture, and the caption of that."""
    output = f"```text\n{textwrap.fill(printed, _LINE)}\n```\n\n"
    shown = f"{output}![{view.summary}]({view.name}.webp)\n\n{escaped(found.caption())}\n"
    before, mark, after = text.partition(f"## {HEADINGS[1]}")
    return f"{before}{shown}\n{mark}{after}"


def how_to_call(view: View, usage: str) -> str:
    """Return the part of a page that tells how the view is called, and where all of it stands."""
    function = getattr(cnnviz, view.name)
    parameters = inspect.signature(function).parameters.values()
    given = ", ".join(
        one.name if one.default is inspect.Parameter.empty else f"{one.name}=..."
        for one in parameters
        if one.name not in _TOLD_ELSEWHERE
    )
    call = textwrap.fill(f"cnnviz.{view.name}({given})", _LINE, subsequent_indent="    ")
    kinds = in_reading_order(Plugins())
    section = next(kind.key for kind in kinds if view.name in (kind.key, kind.of_view))
    report = f"\nIn a report: `cnnviz report --sections {section}`.\n"
    return (
        "## How to call it\n\n"
        f"In Python, with [every parameter and what comes back](../api/{view.name}.rst):\n\n"
        f"```text\n{call}\n```\n\n"
        f"At the command line, with [every option](../cli/{view.command}.rst):\n\n"
        f"```text\n{usage}\n```\n{report}"
    )


def sheet(quick: bool) -> str:
    """Return the page that leads to all views, under the headings of the help, with pictures."""
    panels: dict[str, list[View]] = {}
    for view in VIEWS:
        panels.setdefault(view.panel, []).append(view)
    lines = ["# The views", ""]
    lines += ["What each shows, how to read it, and how it misleads.", ""]
    for panel, views in panels.items():
        lines += [f"## {panel}", "", "::::{container} sheet", ""]
        for view in views:
            picture = "" if quick else f"[![]({view.name}.webp)]({view.name}.md)\n"
            lines += [":::{container} tile", "", picture]
            lines += [f"[{view.name}]({view.name}.md) takes {_GIVEN[view.needs]}", ""]
            lines += [view.summary, "", ":::", ""]
        lines += ["::::", ""]
    names = "\n".join(view.name for view in VIEWS)
    return "\n".join([*lines, "```{toctree}", ":hidden:", "", names, "```", ""])


def escaped(text: str) -> str:
    """Return a caption as Markdown that shows its letters as they are."""
    return re.sub(r"([\\`*_\[\]<>#|$~])", r"\\\1", text)
