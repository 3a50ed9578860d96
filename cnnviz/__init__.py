"""See what a convolutional network sees, and whether it is well.

Every public name is imported when it is first used, so that `import cnnviz` costs nothing and torch
is loaded only by what needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz._lazy import attach
from cnnviz.views import VIEWS

if TYPE_CHECKING:
    from cnnviz.datasets.shapes import Shapes as Shapes
    from cnnviz.errors import CnnvizError as CnnvizError
    from cnnviz.gradients.monitor.gradient_monitor import GradientMonitor as GradientMonitor
    from cnnviz.images import Photo as Photo
    from cnnviz.images import Preprocessing as Preprocessing
    from cnnviz.models import Model as Model
    from cnnviz.models import load as load
    from cnnviz.passes.captures import Capture as Capture
    from cnnviz.passes.captures import capture as capture
    from cnnviz.reports import Report as Report
    from cnnviz.reports import report as report
    from cnnviz.results.result import Provenance as Provenance
    from cnnviz.results.result import Result as Result

_HOMES = {
    "Capture": "cnnviz.passes.captures",
    "CnnvizError": "cnnviz.errors",
    "GradientMonitor": "cnnviz.gradients.monitor.gradient_monitor",
    "Model": "cnnviz.models",
    "Photo": "cnnviz.images",
    "Preprocessing": "cnnviz.images",
    "Provenance": "cnnviz.results.result",
    "Report": "cnnviz.reports",
    "Result": "cnnviz.results.result",
    "Shapes": "cnnviz.datasets.shapes",
    "capture": "cnnviz.passes.captures",
    "load": "cnnviz.models",
    "report": "cnnviz.reports",
    **{view.name: f"cnnviz.views.{view.name}" for view in VIEWS},
}

__version__ = "0.1.0"
__all__ = list(_HOMES)
__getattr__, __dir__ = attach(__name__, _HOMES)
