"""Load any network: shipped, torchvision's, timm's, a file's, or a module at hand.

Importing this package does not import torch; using one of its names does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnnviz._lazy import attach

if TYPE_CHECKING:
    from cnnviz.models.loading import available as available
    from cnnviz.models.loading import load as load
    from cnnviz.models.model import Model as Model
    from cnnviz.models.model import as_model as as_model
    from cnnviz.models.output_kinds import OutputKind as OutputKind

_HOMES = {
    "Model": "cnnviz.models.model",
    "OutputKind": "cnnviz.models.output_kinds",
    "as_model": "cnnviz.models.model",
    "available": "cnnviz.models.loading",
    "load": "cnnviz.models.loading",
}
__all__ = ["Model", "OutputKind", "as_model", "available", "load"]
if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(__name__, _HOMES)
