"""What a scan knows of a layer before it has seen an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cnnviz_gallery.scan.layer_result import LayerResult
from cnnviz_gallery.scan.quantised_sums import BINS
from cnnviz_gallery.scan.ranked_images import Ints, RankedImages


def empty_layer(
    layer: str,
    shape: tuple[int, int, int],
    units: float | NDArray[np.float64],
    groups: int,
    kept: int,
    sample: int,
    centres: Ints | None = None,
) -> LayerResult:
    """Return what is known of a layer before any image was seen; centres are zero by default."""
    channels = shape[0]

    def nobody(count: int) -> RankedImages:
        void = np.full((channels, count), -1, np.int64)
        return RankedImages(void, np.full(void.shape, -np.inf, np.float32), void * 0, void * 0)

    def zeros(*more: int) -> Ints:
        return np.zeros((channels, *more), np.int64)

    return LayerResult(
        layer=layer,
        shape=shape,
        images=0,
        positions=0,
        units=np.broadcast_to(np.asarray(units, np.float64), (channels,)).copy(),
        centres=zeros() if centres is None else centres,
        strongest=nobody(kept),
        sample=nobody(sample),
        histogram=zeros(BINS),
        active_images=zeros(),
        active_positions=zeros(),
        lost_positions=zeros(),
        sums=zeros(),
        group_sums=zeros(groups),
        group_squares=zeros(groups),
        lowest=np.full(channels, np.inf, np.float32),
    )
