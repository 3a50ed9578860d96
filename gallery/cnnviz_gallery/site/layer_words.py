"""What the page of a network calls its layers: those that were scanned, and those between."""

from __future__ import annotations

from cnnviz.introspection.tracing import LayerCall
from cnnviz.introspection.tracing.costs import Windows
from cnnviz.introspection.tracing.map_layout import NoMap
from cnnviz.results.text import dimensions, once_or_each

_WORDS = {
    "BatchNorm2d": "batch norm",
    "LayerNorm": "layer norm",
    "GroupNorm": "group norm",
    "MaxPool2d": "max pooling",
    "AvgPool2d": "average pooling",
    "AdaptiveAvgPool2d": "average pooling",
    "AdaptiveMaxPool2d": "max pooling",
    "mean": "average over the positions",
    "max": "maximum over the positions",
    "amax": "maximum over the positions",
    "sum": "sum over the positions",
    "Dropout": "dropout",
    "Flatten": "flatten",
    "add": "sum with a shortcut",
    "cat": "joined",
    "Identity": "",
}
_OVER_ALL = {
    "average pooling": "average over the positions",
    "max pooling": "maximum over the positions",
}
_SILENT = ("dropout", "identity", "flatten", "rearrange")


def said_between(call: LayerCall) -> str:
    """Return what a layer is that was not scanned; "" for one that is not worth a word."""
    if call.kind in _SILENT:
        return ""
    words = _WORDS.get(call.type, call.type)
    if call.kind == "pool":
        return _pooling(words, call)
    if call.kind in ("conv", "linear"):
        return f"{call.name} ({call.type}, not scanned)"
    return words


def said_of_scanned(call: LayerCall) -> str:
    """Return what a layer is that was scanned, of a convolution with the settings of its kernel."""
    windows = call.windows
    if windows is None or call.kind != "conv":
        return call.type
    stride = f", stride {once_or_each(windows.stride)}" if max(windows.stride) > 1 else ""
    groups = f", {windows.groups} groups" if (windows.groups or 1) > 1 else ""
    return f"{call.type} {dimensions(windows.kernel)}{stride}{_dilation(windows)}{groups}"


def _pooling(words: str, call: LayerCall) -> str:
    windows = call.windows
    places = () if isinstance(call.map, NoMap) else call.map.size
    if windows is not None:
        size, stride = dimensions(windows.kernel), once_or_each(windows.stride)
        return f"{words} {size}, stride {stride}{_dilation(windows)}"
    if set(places) <= {1} or call.operation is not None:
        return _OVER_ALL.get(words, words)
    return f"{words} to {dimensions(places)}"


def _dilation(windows: Windows) -> str:
    spread = max(windows.dilation) > 1
    return f", dilation {once_or_each(windows.dilation)}" if spread else ""
