"""Results that move: frames drawn one after the other, written as GIF or WebP."""

from __future__ import annotations

import io
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.results import drawing
from cnnviz.results.picture_style import ANIMATION_SUFFIXES, PictureStyle
from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.results.suffixes import SUFFIXES

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

_MOST_PIXELS = 2**30
"""Pixels of all frames together at most: several times what a lecture needs."""
_LONGEST_WEBP = 2**14 - 1
_SAMPLED = 2**18
"""Pixels of all frames together from which the palette of a GIF is made."""
_DESCRIPTION, _SOFTWARE = 0x010E, 0x0131
"""The fields of Exif in which a WebP says where it came from."""


@dataclass(frozen=True)
class Frame:
    """One frame of an animation.

    Attributes
    ----------
    canvas : Figure or SubFigure
        What it is drawn on; the next frame may be the same canvas with some of it changed.
    seconds : float
        How long it is shown.
    """

    canvas: drawing.Canvas
    seconds: float


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class AnimatedResult(Result):
    """A result that moves: it is saved as ``.gif`` and ``.webp`` as well as a still picture."""

    suffixes: ClassVar[tuple[str, ...]] = (*SUFFIXES, *ANIMATION_SUFFIXES)

    @abstractmethod
    def frames(self, into: drawing.Canvas | None = None) -> Iterator[Frame]:
        """Draw one frame after the other, all of one size.

        Frames are quickest, and nothing jumps between them, where a first one is drawn and the next
        change what moves: panels keep the places that they have in the first frame of a canvas.

        Parameters
        ----------
        into : Figure or SubFigure, optional
            What to draw into, at the size it has; `cnnviz.results.drawing.canvas` takes it.

        Yields
        ------
        Frame
            It is taken before the next is asked for.
        """

    def _writer(self, suffix: str, style: PictureStyle) -> Callable[[Path], None]:
        if suffix in ANIMATION_SUFFIXES:
            return partial(self._write_animation, style=style)
        return super()._writer(suffix, style)

    def _write_animation(self, path: Path, style: PictureStyle) -> None:
        write = _write_gif if path.suffix.lower() == ".gif" else _write_webp
        pictures, seconds = self.drawn_frames(style)
        write(path, pictures, seconds, self.provenance)

    def drawn_frames(self, style: PictureStyle) -> tuple[list[bytes], list[float]]:
        """Return each frame as the bytes of a PNG, and how many seconds it is shown.

        Parameters
        ----------
        style : PictureStyle
            How large and how finely they are drawn.
        """
        with style.applied():
            # The first stands for all, whose panels keep their places.
            style = style.settled(self._first)
            return _taken(self.frames(style.figure()), style)

    def _first(self, empty: Figure | None) -> Figure:
        return drawing.whole(next(self.frames(empty)).canvas)


def _taken(frames: Iterator[Frame], style: PictureStyle) -> tuple[list[bytes], list[float]]:
    """Return each frame as the bytes of a PNG, and how long it is shown.

    Compressed, since a hundred frames as they are fill a gigabyte.
    """
    pictures, seconds, pixels = [], [], 0.0
    for frame in frames:
        figure = drawing.whole(frame.canvas)
        stream = io.BytesIO()
        style.write_frame(figure, stream)
        # Panels whose numbers grow by a digit would jump if they were arranged anew.
        figure.set_layout_engine("none")
        pictures.append(stream.getvalue())
        seconds.append(frame.seconds)
        pixels += float(np.prod(_opened(pictures[-1]).size))
        if pixels > _MOST_PIXELS:
            raise UsageError(
                f"An animation of {len(pictures)} frames or more has too many pixels at this size.",
                "Give a smaller size, in inches, or fewer dpi.",
            )
    return pictures, seconds


def _opened(picture: bytes) -> Image.Image:
    from PIL import Image

    return Image.open(io.BytesIO(picture))


def _pixels(picture: bytes) -> NDArray[np.uint8]:
    return np.asarray(_opened(picture).convert("RGB"))


def _write_gif(
    path: Path, pictures: Sequence[bytes], seconds: Sequence[float], origin: Provenance
) -> None:
    """Write frames that share one palette, so that no colour flickers."""
    first, *others = _indexed(pictures, _palette(pictures))
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=[_milliseconds(each, 10) for each in seconds],
        loop=0,
        comment=_origin(origin).encode("ascii"),
        optimize=False,
    )


def _palette(pictures: Sequence[bytes]) -> NDArray[np.uint8]:
    """Return white, and 255 colours that suit all frames together, [256, 3]."""
    from PIL import Image

    most = max(1, _SAMPLED // len(pictures))
    sampled = []
    for picture in pictures:
        colours = _pixels(picture).reshape(-1, 3)
        sampled.append(colours[:: max(1, len(colours) // most)])
    every = Image.fromarray(np.concatenate(sampled)[None])
    found = every.quantize(255, Image.Quantize.MEDIANCUT, kmeans=1).getpalette("RGB") or []
    # The ground of every picture; as the mean of colours near it, it would be a grey.
    palette = np.full((256, 3), 255, np.uint8)
    palette[1 : 1 + len(found) // 3] = np.reshape(found, (-1, 3))[:255]
    return palette


def _indexed(pictures: Sequence[bytes], palette: NDArray[np.uint8]) -> list[Image.Image]:
    """Return frames in the colours of a palette; dithering would move grain over what is still.

    The nearest colour is that of 64 levels a channel, looked for once for each that occurs.
    """
    from PIL import Image

    occurs = np.zeros(64**3, bool)
    for picture in pictures:
        occurs[_level(_pixels(picture))] = True
    nearest = np.zeros(64**3, np.uint8)
    nearest[occurs] = _nearest(np.flatnonzero(occurs), palette)
    # One after the other: what stands for the colours takes four times the room of a frame.
    found = [Image.fromarray(nearest[_level(_pixels(picture))]) for picture in pictures]
    for frame in found:
        frame.putpalette(palette.tobytes())
    return found


def _level(pixels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the colours [H, W, 3] in 64 levels a channel, each as one number."""
    red, green, blue = np.moveaxis(pixels.astype(np.int32) >> 2, -1, 0)
    return np.asarray(red << 12 | green << 6 | blue, np.int32)


def _nearest(levels: NDArray[np.intp], palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return which colour of a palette is nearest to each level."""
    channels = np.stack([levels >> 12, levels >> 6 & 63, levels & 63], -1)
    # The last is 255, as white is.
    cells = (channels << 2 | channels >> 4).astype(np.float32)
    colours = palette.astype(np.float32)
    lengths = (colours**2).sum(1)
    found = np.empty(len(levels), np.uint8)
    for start in range(0, len(levels), 4096):
        part = slice(start, start + 4096)
        found[part] = (lengths - 2.0 * cells[part] @ colours.T).argmin(-1)
    return found


def _write_webp(
    path: Path, pictures: Sequence[bytes], seconds: Sequence[float], origin: Provenance
) -> None:
    """Write frames without loss: there is no palette to share."""
    from PIL import Image

    first, *others = (_opened(picture).convert("RGB") for picture in pictures)
    longest = max(first.size)
    if longest > _LONGEST_WEBP:
        raise UsageError(
            f"A .webp has at most {_LONGEST_WEBP} pixels a side, and this has {longest}.",
            "Give a smaller size, in inches, or fewer dpi.",
        )
    exif = Image.Exif()
    exif[_DESCRIPTION] = _origin(origin)
    exif[_SOFTWARE] = f"cnnviz {origin.cnnviz}"
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=[_milliseconds(each) for each in seconds],
        loop=0,
        lossless=True,
        quality=20,
        method=2,
        exif=exif,
    )


def _milliseconds(seconds: float, step: int = 1) -> int:
    """Return how long a frame is shown; a GIF counts in steps of 10 ms."""
    return max(step, round(1000 * seconds / step) * step)


def _origin(origin: Provenance) -> str:
    found: dict[str, Any] = origin.to_json()
    return json.dumps(found, ensure_ascii=True)
