"""The report as one HTML page: everything escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cnnviz.pages import html_assets
from cnnviz.reports.content import ImageAnswer, Section
from cnnviz.reports.live_maps import packed
from cnnviz.reports.live_maps import script as live_script
from cnnviz.reports.pictures import DrawnPicture

OVERVIEW = "overview"
"""The anchor of the overview, where there are several images."""
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#2a6fdb"/>'
    '<g fill="#fff"><rect x="6" y="6" width="8" height="8" rx="1.5"/>'
    '<rect x="18" y="6" width="8" height="8" rx="1.5" opacity=".75"/>'
    '<rect x="6" y="18" width="8" height="8" rx="1.5" opacity=".5"/>'
    '<rect x="18" y="18" width="8" height="8" rx="1.5" opacity=".3"/></g></svg>'
)


@dataclass(frozen=True)
class ContentsLine:
    """A line of the table of contents."""

    title: str
    anchor: str
    children: tuple[ContentsLine, ...] = ()


@dataclass(frozen=True)
class Chapter:
    """Sections that follow one another; with an answer, those about one of several images."""

    sections: tuple[Section, ...]
    answer: ImageAnswer | None = None


@dataclass(frozen=True)
class Page:
    """All that the template shows.

    Attributes
    ----------
    title, heading, kind, kicker, description : str
        The window's title, the first line, what the whole is called, the line above the first, and
        a sentence for previews.
    model, version, made, closing : str
        The network's name, the version at work, the time, and the last sentence.
    facts : tuple of (str, str)
        Labels and values for the head.
    preface : tuple of str
        Paragraphs before everything else.
    notes : tuple of str
        What a reader must know first.
    refused : tuple of (name, reason)
        Images that could not be read.
    answers : tuple of ImageAnswer
        One for each image.
    chapters : tuple of Chapter
        Everything else, in reading order.
    contents : tuple of ContentsLine
        The table of contents.
    failures : tuple of str
        What is missing because it broke.
    """

    title: str
    heading: str
    kind: str
    kicker: str
    description: str
    model: str
    version: str
    made: str
    closing: str
    facts: tuple[tuple[str, str], ...]
    preface: tuple[str, ...]
    notes: tuple[str, ...]
    refused: Sequence[object]
    answers: tuple[ImageAnswer, ...]
    chapters: tuple[Chapter, ...]
    contents: tuple[ContentsLine, ...]
    failures: tuple[str, ...] = ()


def render(
    page: Page,
    drawings: Mapping[str, DrawnPicture],
    *,
    source: Callable[[DrawnPicture], str],
    link: Callable[[DrawnPicture], str],
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    page : Page
        What it says.
    drawings : mapping of str to DrawnPicture
        The drawn pictures by name.
    source, link : callable
        Where the page finds a picture, and where a click on it leads without scripts.
    """
    css, script = (_assets(page, suffix) for suffix in ("css", "js"))
    css, script = html_assets.palette() + css, html_assets.theme() + script
    live = packed(page.answers, drawings)
    if live is not None:
        script += live_script()
    return (
        html_assets.environment(__package__)
        .get_template("report.html.j2")
        .render(
            page=page,
            drawings=drawings,
            source=source,
            link=link,
            css=Markup(css),
            script=Markup(script),
            live=live,
            policy=html_assets.policy(css, script),
            icon=f"data:image/svg+xml;base64,{_base64(_ICON.encode())}",
        )
    )


def _assets(page: Page, suffix: str) -> str:
    sections = [part for chapter in page.chapters for part in chapter.sections]
    names = ["report", *(["answers"] if any(part.answers for part in sections) else [])]
    return "".join(html_assets.asset(__package__, f"{name}.{suffix}") for name in names)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
