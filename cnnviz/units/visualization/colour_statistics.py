"""`python -m cnnviz.units.visualization.colour_statistics FOLDER`: the numbers in `colours`.

It reads every photo of a folder, cuts a square of 224 px out of the middle of each, and prints the
mean colour, the principal directions of the colours, and how their detail falls off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from cnnviz.errors import CnnvizError, ImageError
from cnnviz.images import Preprocessing, read_photo

SIDE = 224
_CUT = Preprocessing(SIDE, (SIDE, SIDE), (0.0,) * 3, (1.0,) * 3)
# Fewer waves than this fit into an image only once; more of them are fainter than its noise.
_WAVES = (4, 64)


@dataclass(frozen=True)
class ColourStatistics:
    """The colours of some photos.

    Attributes
    ----------
    photos : int
        How many there were.
    mean : ndarray of float64
        The mean colour, [3], from 0 to 1.
    directions : ndarray of float64
        The principal directions of the colours in the columns, each as long as the deviation along
        it, the longest first, [3, 3].
    decay : ndarray of float64
        The exponent by which amplitudes fall with the frequency along each direction, [3].
    """

    photos: int
    mean: NDArray[np.float64]
    directions: NDArray[np.float64]
    decay: NDArray[np.float64]


def measure(photos: Sequence[Any]) -> ColourStatistics:
    """Measure the colours of photos, which are whatever `cnnviz.images.read_photo` takes."""
    pixels = [_CUT(read_photo(photo)).numpy() for photo in photos]
    # One photo at a time in double precision: all of them at once take thirty times the memory.
    mean = np.mean([each.mean((1, 2), dtype=np.float64) for each in pixels], axis=0)
    products = [each @ each.T for each in (_centred(one, mean) for one in pixels)]
    covariance = np.sum(products, axis=0) / (len(pixels) * SIDE**2 - 1)
    variances, vectors = np.linalg.eigh(covariance)
    # Of grey photos all but one are zero, or by rounding less.
    variances = np.maximum(variances, 0.0)
    order = np.argsort(-variances)
    # An eigenvector has no sign of its own; its first entry is made positive.
    vectors = vectors[:, order] * np.where(vectors[0, order] < 0, -1.0, 1.0)
    apart = ((vectors.T @ _centred(each, mean)).reshape(each.shape) for each in pixels)
    return ColourStatistics(len(pixels), mean, vectors * np.sqrt(variances[order]), _decay(apart))


def _centred(pixels: NDArray[np.float32], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    return pixels.reshape(3, -1) - mean[:, None]


def _decay(values: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Fit a straight line to the logarithm of the mean amplitude over that of the frequency."""
    frequencies = np.fft.fftfreq(SIDE) * SIDE
    distance = np.hypot(frequencies[:, None], frequencies[None, :])
    # A window keeps the jump from one border to the other out of the spectrum.
    window = np.hanning(SIDE)[:, None] * np.hanning(SIDE)[None, :]
    amplitudes = np.mean([np.abs(np.fft.fft2(each * window)) for each in values], axis=0)
    inside = (distance >= _WAVES[0]) & (distance <= _WAVES[1])
    lines = [np.polyfit(np.log(distance[inside]), np.log(each[inside]), 1) for each in amplitudes]
    return np.array([-slope for slope, _ in lines])


def main(folder: Annotated[Path, typer.Argument(help="A folder of photos.")]) -> None:
    """Measure the colours of all photos in a folder and print them as they stand in the code."""
    try:
        files = sorted(path for path in folder.glob("*") if path.is_file())
        if not files:
            raise ImageError(f"There is no photo in {str(folder)!r}.", "Name a folder of photos.")
        found = measure(files)
    except CnnvizError as error:
        typer.echo(f"{error.what}\n{error.remedy}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{found.photos} photos")
    typer.echo(f"MEAN = {_numbers(found.mean)}")
    typer.echo(f"DIRECTIONS = ({', '.join(map(_numbers, found.directions))})")
    typer.echo(f"DECAY = {_numbers(found.decay)}")


def _numbers(values: NDArray[np.float64]) -> str:
    return f"({', '.join(f'{value:.4f}' for value in values)})"


if __name__ == "__main__":
    typer.run(main)
