"""The scripts of the page, put together from small modules into one."""

from __future__ import annotations

from functools import lru_cache

from cnnviz.pages import html_assets
from cnnviz.pages.scripts import Module, joined

_SHARED = "cnnviz.pages"
_OWN = "cnnviz.explorer"
MODULES: tuple[Module, ...] = (
    *((_SHARED, name) for name in ("pack", "maps", "dom")),
    *(
        (_OWN, name)
        for name in (
            "arithmetic",
            "answers",
            "mute",
            "state",
            "shown",
            "told",
            "picture",
            "answer",
            "why",
            "controls",
            "places",
            "channel",
            "network",
            "what_if",
            "convolution",
            "save",
            "linked",
            "main",
        )
    ),
)
"""Every module after those that it uses; a test holds the order to the imports."""


@lru_cache(maxsize=1)
def script() -> str:
    """Return the one script of the page, without the remarks that the modules have."""
    return html_assets.theme() + joined(MODULES, "main")
