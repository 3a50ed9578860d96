"""Occlusion without repeating what an occluder leaves as it was.

An occluding square changes only a patch of each layer's output. The network itself runs on tensors
that hold these patches and know the clean map around them; each operation computes what the patches
reach and reads the rest from the clean run (Nakandala et al. 2019). An operation that is not known
gets whole maps, and so does everything after it.
"""

from __future__ import annotations

from cnnviz.heatmaps.occlusion.blocks import BlockGrid, BlockSweep, block_grid
from cnnviz.heatmaps.occlusion.grid import Grid, Position
from cnnviz.heatmaps.occlusion.score_rounding import roundings_told
from cnnviz.heatmaps.occlusion.sweep import Sweep

__all__ = ["BlockGrid", "BlockSweep", "Grid", "Position", "Sweep", "block_grid", "roundings_told"]
