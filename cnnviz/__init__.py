"""See what a convolutional network sees, and whether it is well.

Every public name is imported when it is first used, so that `import cnnviz` costs nothing and torch
is loaded only by what needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz.lazy import importing
from cnnviz.views import VIEWS

if TYPE_CHECKING:
    from cnnviz.captures import Capture as Capture
    from cnnviz.captures import capture as capture
    from cnnviz.errors import CnnvizError as CnnvizError
    from cnnviz.images import Photo as Photo
    from cnnviz.images import Preprocessing as Preprocessing
    from cnnviz.models import Model as Model
    from cnnviz.models import load as load
    from cnnviz.monitor import GradientMonitor as GradientMonitor
    from cnnviz.reports import Report as Report
    from cnnviz.reports import report as report
    from cnnviz.results import Provenance as Provenance
    from cnnviz.results import Result as Result
    from cnnviz.shapes import Shapes as Shapes

_HOMES = {
    "Capture": "cnnviz.captures",
    "CnnvizError": "cnnviz.errors",
    "GradientMonitor": "cnnviz.monitor",
    "Model": "cnnviz.models",
    "Photo": "cnnviz.images",
    "Preprocessing": "cnnviz.images",
    "Provenance": "cnnviz.results",
    "Report": "cnnviz.reports",
    "Result": "cnnviz.results",
    "Shapes": "cnnviz.shapes",
    "capture": "cnnviz.captures",
    "load": "cnnviz.models",
    "report": "cnnviz.reports",
    **{view.name: f"cnnviz.views.{view.name}" for view in VIEWS},
}

__version__ = "0.1.0"
__all__ = list(_HOMES)
__getattr__, __dir__ = importing(__name__, _HOMES)
