"""See what a convolutional network sees, and whether it is well.

Every public name is imported when it is first used, so that `import cnnviz` costs nothing and torch
is loaded only by what needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnnviz.views import VIEWS

if TYPE_CHECKING:
    from cnnviz.captures import Capture, capture
    from cnnviz.errors import CnnvizError
    from cnnviz.images import Photo, Preprocessing
    from cnnviz.models import Model, load
    from cnnviz.reports import Report, report
    from cnnviz.results import Provenance, Result
    from cnnviz.shapes import Shapes

_HOMES = {
    "Capture": "cnnviz.captures",
    "CnnvizError": "cnnviz.errors",
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
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'cnnviz' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
