"""Independent streams of random numbers for the parts of a sample, reached without drawing others.

Philox (Salmon et al., 2011) is a counter-based generator: the key and the counter alone decide
the numbers, so that any sample can be drawn first.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from cnnviz.errors import UsageError

Split: TypeAlias = Literal["train", "held-out"]
SPLITS: tuple[Split, ...] = ("train", "held-out")

Part: TypeAlias = Literal[
    "label", "factors", "background", "clutter", "texture", "occluder", "grain"
]
_PARTS: tuple[Part, ...] = (
    "label",
    "factors",
    "background",
    "clutter",
    "texture",
    "occluder",
    "grain",
)
_WORD = 2**63


def stream(seed: int, split: Split, index: int, part: Part) -> np.random.Generator:
    """Return the generator of one part of one sample.

    Parameters
    ----------
    seed : int
        Seed of the set, 0 to 2**63 - 1.
    split : str
        `"train"` or `"held-out"`; the two share no number.
    index : int
        Index of the sample, 0 to 2**63 - 1.
    part : str
        What is drawn. Parts share no number, so changing one leaves the others alone.

    Raises
    ------
    UsageError
        If the seed, the split or the index is not one of these.
    """
    if split not in SPLITS:
        raise UsageError(f"{split!r} is not a split of shapes.", "Use 'train' or 'held-out'.")
    for name, number in (("seed", seed), ("index", index)):
        if isinstance(number, bool) or not 0 <= number < _WORD:
            raise UsageError(
                f"The {name} of a shapes sample cannot be {number!r}.",
                "Give a whole number from 0 to 2**63 - 1.",
            )
    counter = [0, 0, SPLITS.index(split), _PARTS.index(part)]
    return np.random.Generator(np.random.Philox(key=[seed, index], counter=counter))
