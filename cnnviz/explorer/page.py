"""The page of the explorer: one file, everything escaped, nothing loaded from elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cnnviz.explorer.scripts import script
from cnnviz.pages import html_assets

_PICTURES = "data: blob:"


@dataclass(frozen=True)
class ClassLine:
    """A line of the answer as it stands without scripts."""

    name: str
    share: str


@dataclass(frozen=True)
class SubjectWords:
    """What stands on the page about one photo in one network before a script runs.

    Attributes
    ----------
    photo, model, name, method, layer : str
        What the photo, network, class, method and layer are called.
    verdict, told : str
        The answer, and what the picture shows.
    classes : str
        How many there are.
    answers : tuple of ClassLine
        The likeliest classes.
    notes, asides : tuple of str
        What a reader must know first, and what was done with the photo.
    picture, still : str
        The photo, and the photo with the map over it, as addresses that hold them.
    size : (int, int)
        Width and height of the photo on the page, in pixels, so that its room is kept free.
    """

    photo: str
    model: str
    name: str
    method: str
    layer: str
    verdict: str
    told: str
    classes: str
    answers: tuple[ClassLine, ...]
    notes: tuple[str, ...]
    asides: tuple[str, ...]
    picture: str
    still: str
    size: tuple[int, int]


@dataclass(frozen=True)
class PageWords:
    """What stands on the page besides.

    Attributes
    ----------
    title, description, closing : str
        The window's title, a sentence for previews, and the last paragraph.
    subjects : tuple of SubjectWords
        One, or two side by side.
    """

    title: str
    description: str
    closing: str
    subjects: tuple[SubjectWords, ...]


def rendered(words: PageWords, head: dict[str, Any], data: str) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    words : PageWords
        What it says.
    head : dict
        Plain data: names, and where each array lies.
    data : str
        The arrays, as `cnnviz.pages.packing.Packed.text` returns them.
    """
    css = html_assets.palette() + html_assets.asset(__package__, "explorer.css")
    code = script()
    return (
        html_assets.environment(__package__)
        .get_template("explorer.html.j2")
        .render(
            **vars(words),
            head=Markup(_json(head)),
            data=Markup(data),
            css=Markup(css),
            script=Markup(code),
            policy=html_assets.policy(css, code, pictures=_PICTURES),
        )
    )


def _json(head: dict[str, Any]) -> str:
    """Return plain data that no text in it can end the element of."""
    text = json.dumps(head, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
