"""Scenes of the shipped data, painted once for all tests of a process.

The first hundred scenes are what nearly every view is tried on, and painting them anew was a tenth
of the time of the tests of documentation, in which four of five scenes had been painted before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from cnnviz.datasets.shapes import Sample, dataset

_LARGEST = 96
# Some 46 kB each.
_MOST = 2_000


@contextmanager
def painted_once() -> Iterator[None]:
    """Let `Shapes` paint a scene once within the context, and copy it from then on."""
    painted: dict[str, Sample] = {}
    module: Any = dataset
    draw = module.draw

    @wraps(draw)
    def copied(label: Any, factors: Any, **whence: Any) -> Sample:
        if whence["size"] > _LARGEST:
            return draw(label, factors, **whence)  # type: ignore[no-any-return]
        # What is equal and of another type, such as 1 and True, is not the same here.
        key = repr((label, factors, sorted(whence.items())))
        sample = painted.get(key)
        if sample is None:
            sample = draw(label, factors, **whence)
            if len(painted) >= _MOST:
                painted.clear()
            painted[key] = sample
        # A test may write into what it is given.
        arrays = {name: getattr(sample, name).copy() for name in ("image", "mask", "full_mask")}
        return dataclasses.replace(sample, **arrays)

    module.draw = copied
    try:
        yield
    finally:
        module.draw = draw
