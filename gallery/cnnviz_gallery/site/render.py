"""Pages as HTML: everything escaped, nothing loaded from elsewhere, every address relative."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from jinja2 import Environment

from cnnviz.pages import html_assets
from cnnviz.results.provenance import installed_version
from cnnviz.views.pictures.deconvnet import REACH
from cnnviz_gallery.site.content import Link
from cnnviz_gallery.site.own_content import marked
from cnnviz_gallery.site.patches import STRONGEST
from cnnviz_gallery.site.sprites import ACROSS, SHEET

# "file:" beside 'self': browsers disagree on whether a page opened from a folder has a self.
POLICY = (
    "default-src 'none'; img-src 'self' file: data:; style-src 'self' file:; "
    "script-src 'self' file:; base-uri 'none'; form-action 'none'"
)
_COLUMNS, _ROWS = max(ACROSS, 2 * STRONGEST), SHEET // ACROSS


def render(kind: str, depth: int, crumbs: Sequence[Link], **content: Any) -> str:
    """Return a page.

    Parameters
    ----------
    kind : str
        Its template, such as ``unit``.
    depth : int
        In how many folders of the site it lies.
    crumbs : sequence of Link
        The pages above it below the home page, and itself without an address.
    content
        What the template shows.
    """
    return (
        _environment()
        .get_template(f"{kind}.html.j2")
        .render(
            kind=kind,
            root="../" * depth,
            crumbs=crumbs,
            policy=POLICY,
            version=installed_version("cnnviz"),
            **content,
        )
        + "\n"
    )


def assets() -> dict[str, str]:
    """Return the files that all pages share, by name."""
    places = [f".x{at}{{--x:{at}}}" for at in range(_COLUMNS)]
    places += [f".y{at}{{--y:{at}}}" for at in range(_ROWS)]
    places += [f".w{at}{{--w:{at}}}" for at in range(101)]
    style = (
        f"{html_assets.palette()}{html_assets.asset(__package__, 'gallery.css')}{''.join(places)}\n"
    )
    found = {
        "gallery.css": style,
        "gallery.js": html_assets.theme() + html_assets.asset(__package__, "gallery.js"),
        "icon.svg": html_assets.asset(__package__, "icon.svg"),
    }
    return {name: marked(name, text) for name, text in found.items()}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    found = html_assets.environment(__package__)
    found.globals["reach"] = f"{REACH:g}"
    return found
