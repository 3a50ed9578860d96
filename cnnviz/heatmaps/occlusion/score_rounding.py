"""Whether what a score loses behind a square can be told from the rounding of the score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cnnviz.introspection.tolerance import COARSE_SHARE, MOST_ROUNDING
from cnnviz.results.text import number


def roundings_told(
    scores: torch.Tensor, drops: NDArray[np.float32], names: Sequence[str]
) -> tuple[dict[int, str], list[str]]:
    """Say of which images, by place, the drops are rounding, and of which they are coarse for it.

    The difference of two scores loses as many digits as it is smaller than they are.

    Parameters
    ----------
    scores : torch.Tensor
        The score of each whole image, [N].
    drops : ndarray of float32
        What each loses behind each square, [N, ...].
    names : sequence of str
        What the images are called.
    """
    step = torch.finfo(scores.dtype).eps
    nothing, coarse = dict[int, str](), list[str]()
    for place, (score, lost) in enumerate(zip(scores.tolist(), drops, strict=True)):
        largest = float(np.abs(lost).max())
        rounding = step * max(abs(score), float(np.abs(score - lost).max()))
        if not 0.0 < rounding < np.inf:
            continue
        said = f"{names[place]}: the score, {number(score)}, changes by {number(largest)} at most"
        if largest * MOST_ROUNDING <= rounding:
            nothing[place] = (
                f"{said}, which may be its rounding: this map does not tell where the evidence "
                "lies."
            )
        elif largest * COARSE_SHARE < rounding:
            coarse.append(f"{said}, of which rounding makes up to {number(rounding / largest)}.")
    return nothing, coarse
