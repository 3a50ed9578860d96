"""Which package an error comes from that came up while something was imported."""

from __future__ import annotations

import traceback

from cnnviz.installation.packages import REQUIRED

_DISTRIBUTIONS = {module: name for name, (module, _) in REQUIRED.items()}


def broken_package(error: BaseException) -> str | None:
    """Return what pip calls the package that is missing or fails when it is imported.

    None where an error came up otherwise: in what a package does once it is there, or in a package
    that cnnviz can do without.
    """
    if isinstance(error, ModuleNotFoundError) and error.name in _DISTRIBUTIONS:
        return _DISTRIBUTIONS[error.name]
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "<module>":
            package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if package in _DISTRIBUTIONS:
                return _DISTRIBUTIONS[package]
    return None


def is_missing(package: str, error: BaseException) -> bool:
    """Whether a package is not there at all."""
    return isinstance(error, ModuleNotFoundError) and error.name == REQUIRED[package][0]


def told_of(error: BaseException) -> str:
    """Return an error as probes tell it: its kind, and what it says."""
    return f"{type(error).__name__}: {error}"
