"""The one place that imports torchvision, and says so when it does not fit torch."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cnnviz.errors import InstallationError

_MISMATCH = "operator torchvision::nms does not exist"


def import_torchvision(module: str = "torchvision") -> Any:
    """Import torchvision, or one of its modules, and return it.

    Parameters
    ----------
    module : str
        ``torchvision``, or a module in it such as ``torchvision.models``.

    Raises
    ------
    InstallationError
        torchvision was built for another torch (its operators are missing), or is not installed.
    """
    try:
        return import_module(module)
    except RuntimeError as error:
        if _MISMATCH not in str(error):
            raise
        raise InstallationError(
            f"The installed torch {_version('torch')} and torchvision {_version('torchvision')} do "
            "not fit together: one comes from another package index than the other, or they are of "
            "different releases.",
            "Install both again from one index: pip install --force-reinstall torch torchvision.",
        ) from error
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
        raise InstallationError(
            "torchvision is not installed.", "Install it: pip install torchvision."
        ) from error


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(unknown version)"
