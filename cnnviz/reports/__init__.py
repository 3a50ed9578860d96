"""The report: sections in reading order, as HTML, PNG, PDF and JSON.

`cnnviz.reports.sections` holds the table of sections; everything else is imported when it is first
used, so that the names of the sections can be listed without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnviz.reports.build import report as report
    from cnnviz.reports.destination import check_destination as check_destination
    from cnnviz.reports.document import Manifest as Manifest
    from cnnviz.reports.document import Report as Report
    from cnnviz.reports.progress import Progress as Progress
    from cnnviz.reports.sections import SECTIONS as SECTIONS

_HOMES = {
    "Manifest": "document",
    "Progress": "progress",
    "Report": "document",
    "SECTIONS": "sections",
    "check_destination": "destination",
    "report": "build",
}
__all__ = ["SECTIONS", "Manifest", "Progress", "Report", "check_destination", "report"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnviz.reports' has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
