"""Signals and volumes as pixels: a small trace, slices, and what a grid of slices shows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cnnviz.results.drawing import Pixels, fit
from cnnviz.results.mosaics import Mosaic, mosaic

MOST_SLICES = 16
"""How many slices of a volume one picture shows; it says so where there are more."""
_TRACE = (160, 360)
_LINE = (42, 111, 219)
_PORTRAIT_SLICES = 6


def slices(values: NDArray[Any]) -> Pixels:
    """Return the slices of a volume [C, D, H, W] as pictures, [D, H, W, 3].

    Three channels from 0 to 1 are colours; the mean of any others is grey from its least to its
    greatest value, the same for all slices.
    """
    numbers = np.asarray(values, np.float64)
    if len(numbers) == 3 and numbers.min() > -0.02 and numbers.max() < 1.02:
        return np.asarray(np.rint(255 * np.clip(numbers, 0, 1)).transpose(1, 2, 3, 0), np.uint8)
    grey = numbers.mean(0)
    low, high = float(grey.min()), float(grey.max())
    shares = (grey - low) / (high - low) if high > low else np.full(grey.shape, 0.5)
    return np.asarray(np.rint(255 * shares), np.uint8)[..., None].repeat(3, axis=-1)


def upwards(pixels: NDArray[Any], axis_names: tuple[str, ...]) -> NDArray[Any]:
    """Return rows as they are drawn: of a spectrogram, whose axes have names, the first below."""
    return pixels[::-1] if axis_names else pixels


def upwards_told(axis_names: tuple[str, ...]) -> str:
    """Say that the first row is below, where it is."""
    if not axis_names:
        return ""
    rows, columns = axis_names
    return f" The first row is below: {rows} rises upwards, and {columns} runs to the right."


def slice_noun(values: NDArray[Any]) -> str:
    """Return what a slice of a volume [C, D, H, W] is called: of three channels it is a frame."""
    return "frame" if len(values) == 3 else "slice"


def spread_slices(count: int, most: int = MOST_SLICES) -> tuple[int, ...]:
    """Return which of so many slices are shown: evenly spread, the first and last among them."""
    return tuple(np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist())


def shown_slices(shown: tuple[int, ...], count: int, noun: str = "slice") -> str:
    """Say how many of the slices are shown, and which; nothing where all are.

    >>> shown_slices((0, 21, 42, 63), 64)
    '4 of 64 slices: 0, 21, 42, 63'
    """
    if len(shown) == count:
        return ""
    return f"{len(shown)} of {count} {noun}s: {', '.join(map(str, shown))}"


def slice_grid(pictures: Pixels, labels: int = 0, longest: int = 160) -> Mosaic:
    """Compose pictures of slices [K, H, W, 3] into one, with room for a label below each."""
    small = np.stack([fit(one, longest) for one in pictures])
    return mosaic(small, columns=min(8, len(small)), side=64, labels=labels, gap=4)


def portrait(values: NDArray[Any]) -> Pixels:
    """Return a small picture of a signal [C, L] or a volume [C, D, H, W], for lists and icons.

    Of numbers [C, H, W], such as a spectrogram, it is a picture of their size.
    """
    if values.ndim == 2:
        return _trace(np.asarray(values, np.float64))
    if values.ndim == 3:
        return np.asarray(slices(values[:, None])[0], np.uint8)
    pictures = slices(values)
    return slice_grid(pictures[list(spread_slices(len(pictures), _PORTRAIT_SLICES))]).pixels


def _trace(values: NDArray[np.float64]) -> Pixels:
    """Return the traces of the channels of a signal, one above the other."""
    height, width = _TRACE
    canvas = np.full((height, width, 3), 255, np.uint8)
    channels, length = values.shape
    shown = values[: min(channels, 8)]
    band = height / len(shown)
    for place, trace in enumerate(shown):
        low, high = float(trace.min()), float(trace.max())
        share = (trace - low) / (high - low) if high > low else np.full(length, 0.5)
        across = np.linspace(2, width - 3, length)
        down = band * (place + 0.92 - 0.84 * share)
        points = np.stack([across, down], 1).round().astype(np.int32)
        cv2.polylines(canvas, [points], False, _LINE, 1, cv2.LINE_AA)
    return canvas
