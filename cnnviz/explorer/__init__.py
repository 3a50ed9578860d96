"""The explorer: one offline page in which a person asks a network about a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz._lazy import attach

if TYPE_CHECKING:
    from cnnviz.explorer.build import Explorer as Explorer
    from cnnviz.explorer.build import explore as explore

_HOMES = dict.fromkeys(("Explorer", "explore"), "cnnviz.explorer.build")
__all__ = ["Explorer", "explore"]
if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(__name__, _HOMES)
