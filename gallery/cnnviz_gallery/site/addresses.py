"""Addresses: where each page lies, so that a link made today is right tomorrow."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.results.file_names import distinct, slug
from cnnviz_gallery.scan.scan_result import ScanResult

MODELS = "models"
CLASSES = "classes"


def layer_folders(layers: Sequence[str]) -> dict[str, str]:
    """Return the folder of each layer: its name, as far as an address can hold it."""
    # The first name is taken, so that no layer lands in the folder of the classes.
    found = distinct([CLASSES, *(slug(name, "layer") for name in layers)])
    return dict(zip(layers, found[1:], strict=True))


def class_pages(names: Sequence[str]) -> tuple[str, ...]:
    """Return the file name of each class's page: its index and its name."""
    shown = (f"{index}-{slug(name.partition(',')[0], 'class')}" for index, name in enumerate(names))
    return tuple(f"{each.lower()}.html" for each in shown)


def model_folder(scan: ScanResult) -> str:
    """Return the folder of a network: its name, as far as an address can hold it."""
    return slug(scan.network.name, "network")
