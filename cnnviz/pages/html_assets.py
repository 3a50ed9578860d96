"""What all pages share: their colours, and how templates are filled in."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

from cnnviz.results.text import layer_said, percent, plural


def palette() -> str:
    """Return the colours and typefaces of all pages, light and dark, as CSS custom properties."""
    return asset(__package__, "palette.css")


def theme() -> str:
    """Return the script that lets a reader choose between light and dark, complete in itself."""
    return asset(__package__, "theme.js")


@lru_cache(maxsize=16)
def asset(package: str, name: str) -> str:
    """Return a file of the folder ``templates`` of a package."""
    # Line ends as the browser hashes them, whatever the checkout made of them.
    text = resources.files(package).joinpath("templates", name).read_text("utf-8")
    return text.replace("\r\n", "\n")


@lru_cache(maxsize=4)
def environment(package: str) -> Environment:
    """Return the templates of a package; they escape everything, and no name is left out."""
    found = Environment(
        loader=PackageLoader(package, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    found.filters["percent"] = percent
    found.filters["plural"] = plural
    found.filters["layer_said"] = layer_said
    return found


def policy(css: str, script: str, *, pictures: str = "data:") -> str:
    """Return the Content-Security-Policy of a page with one style and one script of its own.

    Parameters
    ----------
    css, script : str
        What stands in the page; nothing else runs there.
    pictures : str
        From where pictures come besides the folder of the page.
    """
    # "file:" beside 'self': browsers disagree on whether a page opened from a folder has a self.
    return (
        f"default-src 'none'; img-src 'self' file: {pictures}; "
        f"style-src 'sha256-{_digest(css)}'; script-src 'sha256-{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
