"""The course on one page: chapters of calls, run on the reader's own network and photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz._lazy import attach

if TYPE_CHECKING:
    from cnnviz.lectures.build import lecture as lecture
    from cnnviz.lectures.chapters import CHAPTERS as CHAPTERS

_HOMES = {"CHAPTERS": "cnnviz.lectures.chapters", "lecture": "cnnviz.lectures.build"}
__all__ = ["CHAPTERS", "lecture"]
if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(__name__, _HOMES)
