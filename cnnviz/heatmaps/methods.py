"""The methods of making heatmaps, of every kind, by the names that they are asked for by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from cnnviz.errors import UsageError, did_you_mean
from cnnviz.heatmaps.attribution_methods import (
    ATTRIBUTION_METHODS,
    AttributionMethod,
    AttributionName,
)
from cnnviz.heatmaps.cam_methods import CAM_METHODS, CamMethod, CamName
from cnnviz.results.choosing import words_of

OCCLUSION: Literal["occlusion"] = "occlusion"
"""The name of the one method that is neither a class activation map nor an attribution."""
OCCLUSION_TITLE = "Occlusion"
MethodName = CamName | AttributionName | Literal["occlusion"]


def method_names() -> tuple[str, ...]:
    """Return every name that can be asked for: class activation maps, attributions, occlusion."""
    return (*CAM_METHODS, *ATTRIBUTION_METHODS, OCCLUSION)


def check_method(name: str) -> None:
    """Raise a `UsageError` with the nearest names unless there is such a method."""
    known = method_names()
    if name not in known:
        raise UsageError(
            f"There is no method {name!r} of making heatmaps.",
            did_you_mean(name, known, f"Choose from {', '.join(known)}."),
        )


def methods_named(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return the methods that are named, each once; several in a text have commas between them.

    Raises
    ------
    UsageError
        If there is no such method, or none is named.
    """
    words = words_of(given)
    if not words:
        raise UsageError("No method was named.", f"Choose from {', '.join(method_names())}.")
    for word in words:
        check_method(word)
    return tuple(dict.fromkeys(words))


def method_title(name: str) -> str:
    """Return what a method is called in text."""
    if name == OCCLUSION:
        return OCCLUSION_TITLE
    return (CAM_METHODS[name] if name in CAM_METHODS else ATTRIBUTION_METHODS[name]).title


def listed_methods(table: Mapping[str, CamMethod] | Mapping[str, AttributionMethod]) -> str:
    """Return the methods of a table in words, each with who published it."""
    return ", ".join(
        f'"{method.name}" ({method.citation}{method.remark and f"; {method.remark}"})'
        for method in table.values()
    )
