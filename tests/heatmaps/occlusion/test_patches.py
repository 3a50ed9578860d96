"""Patches of maps, cut out of the whole and set into it."""

from __future__ import annotations

import torch

from cnnviz.heatmaps.occlusion.geometry import ChangedSpan
from cnnviz.heatmaps.occlusion.patches import Patches, set_into


def span(start: int) -> ChangedSpan:
    return ChangedSpan((start,), (start + 2,), length=5, size=2, starts=(start,))


def test_a_patch_is_set_into_a_window_as_large_that_lies_elsewhere() -> None:
    clean = torch.arange(25.0).view(1, 1, 5, 5)
    patches = Patches(-torch.ones(1, 1, 2, 2), span(1), span(1))
    for top, left in ((0, 1), (1, 0), (2, 1), (1, 2), (1, 1), (3, 3)):
        expected = clean.clone()
        expected[..., 1:3, 1:3] = -1.0
        found = set_into(patches, clean, span(top), span(left))
        assert torch.equal(found, expected[..., top : top + 2, left : left + 2]), (top, left)
