"""Small pictures: patches of photos, what came back to the pixels, kernels, and sheets of tiles."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnviz.results.drawing import FLAT, Pixels, Scale
from cnnviz_gallery.site.own_content import XMP

SIDE = 96
"""The side of a picture on a unit's page."""
FACE = 72
"""The side of a tile on a layer's page."""
THUMB = 48
ACROSS = 16
"""Tiles in a row of a layer's sheet."""
SHEET = ACROSS * 128
"""Tiles in one sheet: WebP ends at 16,383 pixels."""
_BEST, _WORST = 76, 12


def tile(patch: Pixels, side: int = SIDE) -> Pixels:
    """Return a patch [h, w, 3] as a square tile: pixels grow whole, larger patches are averaged."""
    height, width = patch.shape[:2]
    longest = max(height, width)
    if longest == side and height == width:
        return patch
    size = (max(1, round(width * side / longest)), max(1, round(height * side / longest)))
    how = cv2.INTER_NEAREST if longest < side else cv2.INTER_AREA
    scaled = np.asarray(cv2.resize(patch, size, interpolation=how), np.uint8)
    if scaled.shape[0] == scaled.shape[1]:
        return scaled
    square = np.full((side, side, 3), FLAT, np.uint8)
    top, left = (side - scaled.shape[0]) // 2, (side - scaled.shape[1]) // 2
    square[top : top + scaled.shape[0], left : left + scaled.shape[1]] = scaled
    return square


def face(patches: Sequence[Pixels], side: int = FACE) -> Pixels:
    """Return up to four patches as one tile, a line between them; no patch leaves it grey."""
    if not len(patches):
        return np.full((side, side, 3), FLAT, np.uint8)
    if len(patches) < 4:
        return tile(patches[0], side)
    half = (side - 2) // 2
    found = np.full((side, side, 3), 255, np.uint8)
    for place, patch in enumerate(patches[:4]):
        top, left = place // 2 * (half + 2), place % 2 * (half + 2)
        found[top : top + half, left : left + half] = tile(patch, half)
    return found


def sheet(tiles: Sequence[Pixels], across: int) -> Pixels:
    """Return tiles of one size in rows of `across`, without gaps; empty places are grey."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // across)
    found = np.full((rows * height, min(across, len(tiles)) * width, 3), FLAT, np.uint8)
    for place, each in enumerate(tiles):
        top, left = place // across * height, place % across * width
        found[top : top + height, left : left + width] = each
    return found


def webp(pixels: Pixels, most: int | None = None) -> bytes:
    """Return a picture as WebP, in the best quality that keeps it within `most` bytes."""
    image = Image.fromarray(pixels)
    quality = _BEST
    while True:
        # Twice as fast as the usual method, 4, and 2% larger; most of a unit's page is this.
        data = _written(image, "WEBP", quality=quality, method=2, xmp=XMP)
        if most is None or len(data) <= most or quality <= _WORST:
            return data
        # Bytes fall about as fast as quality does; one step more than that spares a third try.
        quality = max(_WORST, min(quality - 4, round(quality * most / len(data)) - 4))


def read_sheet(data: bytes, side: int, count: int) -> list[Pixels]:
    """Return the first `count` tiles of a sheet."""
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGB"))
    across = pixels.shape[1] // side
    return [
        pixels[at // across * side :, at % across * side :][:side, :side] for at in range(count)
    ]


def kernel_uri(kernel: NDArray[np.float32], reach: float | None = None) -> str:
    """Return a kernel as a tiny PNG in an address: [h, w] in red and blue, or [3, h, w] in colour.

    White is zero for [h, w], and grey for [3, h, w]; `reach` is the weight at the end of the
    scale, by default the largest.
    """
    reach = reach or float(np.abs(kernel).max())
    if kernel.ndim == 2:
        pixels = Scale(-reach, reach, "RdBu_r").paint(kernel)
    elif len(kernel) == 3 and reach > 0.0:
        scaled = 0.5 + 0.5 * kernel.transpose(1, 2, 0) / reach
        pixels = np.asarray((scaled * 255.0).round(), np.uint8)
    else:
        pixels = Scale(-reach, reach, "RdBu_r").paint(kernel.mean(0))
    data = _written(Image.fromarray(pixels), "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"


def _written(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
