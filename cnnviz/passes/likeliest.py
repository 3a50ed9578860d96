"""The likeliest class of each image of a capture, where the network names classes at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import TargetError
from cnnviz.models.outputs import read_output
from cnnviz.passes.captured import Capture
from cnnviz.passes.ranked_classes import probabilities

NO_CLASS = -1
"""Stands for the likeliest class of a network that names none, such as a detector."""


def class_shares(held: Capture) -> NDArray[np.float64] | None:
    """Return the probabilities [N, classes] of a capture; None where there are none."""
    try:
        shares, _ = probabilities(held.model, held.logits)
    except TargetError:
        return None
    return np.asarray(shares.numpy(), np.float64)


def likeliest_classes(held: Capture) -> NDArray[np.int64]:
    """Return the index of the likeliest class of each image, [N]; `NO_CLASS` where none is named.

    Among equal probabilities the lower index counts, as in `rank_classes`.
    """
    shares = class_shares(held)
    if shares is None:
        return np.full(len(held.batch.tensor), NO_CLASS, np.int64)
    return np.asarray(shares.argmax(1), np.int64)


def class_name(held: Capture, index: int) -> str:
    """Return the name of a likeliest class; nothing for `NO_CLASS`."""
    if index == NO_CLASS:
        return ""
    return read_output(held.model, held.logits).name(index)
