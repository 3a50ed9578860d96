"""The report: sections in reading order, as HTML, PNG, PDF and JSON.

`cnnviz.reports.sections` holds the table of sections; everything else is imported when it is first
used, so that the names of the sections can be listed without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz._lazy import attach

if TYPE_CHECKING:
    from cnnviz.reports.build import report as report
    from cnnviz.reports.classifier import classifier_report as classifier_report
    from cnnviz.reports.destination import check_destination as check_destination
    from cnnviz.reports.document import Manifest as Manifest
    from cnnviz.reports.document import Report as Report
    from cnnviz.reports.errors import error_report as error_report
    from cnnviz.reports.progress import ReportProgress as ReportProgress
    from cnnviz.reports.sections import SECTIONS as SECTIONS

_HOMES = {
    "Manifest": "cnnviz.reports.document",
    "ReportProgress": "cnnviz.reports.progress",
    "Report": "cnnviz.reports.document",
    "SECTIONS": "cnnviz.reports.sections",
    "check_destination": "cnnviz.reports.destination",
    "classifier_report": "cnnviz.reports.classifier",
    "error_report": "cnnviz.reports.errors",
    "report": "cnnviz.reports.build",
}
__all__ = [
    "SECTIONS",
    "Manifest",
    "Report",
    "ReportProgress",
    "check_destination",
    "classifier_report",
    "error_report",
    "report",
]
if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(__name__, _HOMES)
