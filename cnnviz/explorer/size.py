"""How large a page will be, said before the long work begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnviz.explorer.convolution_step import ConvolutionStep
from cnnviz.explorer.document import embedded
from cnnviz.explorer.scripts import script
from cnnviz.pages.packing import MANY, by_channel, map_levels, predicted, size_in_page
from cnnviz.passes.captured import Capture

_FIXED = 35_000
"""Bytes of styles and words, and of the drawing of the network."""
_NAME = 4
"""Bytes beside the letters of the name of a class."""
_OF_WEIGHT = 0.68
"""Bytes of a weight of a class in as many steps as one has that is not likely."""
_METHODS = 2


def page_bytes(
    seen: Capture,
    layers: Sequence[str],
    steps: Sequence[ConvolutionStep],
    classes: int,
    *,
    headed: bool,
) -> int:
    """Return about how many bytes the page will have for a photo.

    Activations are packed to find out; the rest is counted.

    Parameters
    ----------
    seen : Capture
        The photo, captured at the layers.
    layers : sequence of str
        The layers of the page.
    steps : sequence of ConvolutionStep
        The convolutions that can be worked out.
    classes : int
        How many classes can be asked for at every layer.
    headed : bool
        Whether all classes can be asked for at the last one.
    """
    cut, _ = seen.batch.boxes[0].cut(seen.batch.photos[0].pixels)
    names = [seen.model.category(k) for k in range(seen.logits.shape[1])]
    # The photo stands there twice, once under the map for those without scripts.
    total: float = _FIXED + len(script()) + 2 * len(embedded(cut))
    total += sum(len(name) + _NAME for name in names) + 8 * len(names)
    for step in steps:
        read, _, _ = by_channel(step.inputs)
        total += size_in_page(predicted(read) if step.first else read)
        total += 2 * step.kernels.size
    for place, name in enumerate(layers):
        maps = seen.activation_maps(name)[0].float().cpu().numpy()
        places = maps[0].size
        total += size_in_page(by_channel(maps, map_levels(maps))[0])
        if headed and place == len(layers) - 1:
            total += seen.logits.shape[1] * len(maps) * _OF_WEIGHT
        else:
            share = 0.6 if places > MANY else 1.0
            total += classes * (len(maps) + _METHODS * places * share)
    return round(total)


def told_size(size: int) -> str:
    """Return a size in megabytes, in words."""
    return f"{np.ceil(size / 1e5) / 10:.1f} MB"
