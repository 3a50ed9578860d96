"""WordNet ids, the names of ImageNet's folders, among the classes of a network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from cnnviz.models.timm_models import import_timm

_ID = re.compile(r"n\d{8}")
_IMAGENET = 1000
_ENOUGH = 0.95
"""The share of names that agree at least: a few have other words, as the two kinds of cranes."""


def are_wordnet_ids(labels: Sequence[str]) -> bool:
    """Return whether all labels look like ``n01443537``."""
    return all(_ID.fullmatch(label) for label in labels)


def wordnet_classes(names: Sequence[str]) -> Mapping[str, int]:
    """Return the class of each WordNet id, where the names are those of ImageNet's 1,000 classes.

    The list of ids is timm's; that it is that of these classes is seen by the words of each.

    Parameters
    ----------
    names : sequence of str
        The names of the network's classes, in their order.

    Returns
    -------
    mapping of str to int
        Empty where the names are others.

    Raises
    ------
    InstallationError
        If there are as many classes as ImageNet has and timm, which has the ids, is not installed.
    """
    if len(names) != _IMAGENET:
        return {}
    import_timm()
    data: Any = import_module("timm.data")
    info = data.ImageNetInfo("imagenet-1k")
    agree = [
        bool(_words(name) & _words(info.index_to_description(place)))
        for place, name in enumerate(names)
    ]
    if sum(agree) < _ENOUGH * _IMAGENET:
        return {}
    return {label: place for place, label in enumerate(info.label_names())}


def _words(names: str) -> set[str]:
    return {word.strip().lower() for word in names.split(",")}
