"""Which axes an input has: a signal, an image or a volume. What depends on it is asked here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz.results.text import dimensions, plural


@dataclass(frozen=True)
class Space:
    """The axes along which an input, and every map of it, has places.

    Attributes
    ----------
    noun : str
        What an input is called.
    letters : tuple of str
        The axes as shapes are written, from the slowest.
    names : tuple of str
        What one place along each axis is called.
    sides : tuple of str
        What the size along each axis is called.
    place : str
        What one place of an input is called.
    unit : str
        What sizes are counted in.
    content : str
        What a part of it has so and so much of.
    interpolation : str
        The mode of `torch.nn.functional.interpolate` that stretches maps.
    """

    noun: str
    letters: tuple[str, ...]
    names: tuple[str, ...]
    sides: tuple[str, ...]
    place: str
    unit: str
    content: str
    interpolation: str

    @property
    def axes(self) -> int:
        """How many axes there are."""
        return len(self.letters)

    @property
    def shown(self) -> str:
        """What one input is called where it is shown: an image is a photo there."""
        return "photo" if self.axes == 2 else self.noun

    def words(self, text: str) -> str:
        """Fill in the names of an input in a text: ``{shown}``, ``{noun}`` and ``{places}``."""
        return text.format(shown=self.shown, noun=self.noun, places=self.places)

    @property
    def places(self) -> str:
        """What several places of an input are called."""
        return f"{self.place}s"

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimensions of a batch of maps that hold the places."""
        return tuple(range(2, 2 + self.axes))

    @property
    def axes_in_words(self) -> str:
        """What the numbers of a shape are: "channels x height x width"."""
        return " x ".join(("channels", *self.sides))

    @property
    def one_place(self) -> tuple[int, ...]:
        """The size of a map of one place."""
        return (1,) * self.axes

    def shape(self, channels: int | str = "C") -> str:
        """Return the shape of a batch in letters: "[N, C, H, W]"."""
        return f"[{', '.join(('N', str(channels), *self.letters))}]"

    def extent(self, size: Sequence[int]) -> str:
        """Return a size as fields are given: "9 samples", "7 x 7", "3 x 7 x 7"."""
        return self.size(size) if self.axes == 1 else dimensions(size)

    def map_size(self, size: Sequence[int]) -> str:
        """Return the size of a map of a layer: "50 positions", "7 x 7", "3 x 7 x 7"."""
        return plural(size[0], "position") if self.axes == 1 else dimensions(size)

    def size(self, size: Sequence[int]) -> str:
        """Return the size of an input with its unit: "100 samples", "224 x 224 px"."""
        one = self.axes == 1 and size[0] == 1
        return f"{dimensions(size)} {self.names[0] if one else self.unit}"


SIGNAL = Space("signal", ("L",), ("sample",), ("length",), "sample", "samples", "length", "linear")
IMAGE = Space(
    "image", ("H", "W"), ("row", "column"), ("height", "width"), "pixel", "px", "area", "bilinear"
)
VOLUME = Space(
    "volume",
    ("D", "H", "W"),
    ("slice", "row", "column"),
    ("depth", "height", "width"),
    "voxel",
    "voxels",
    "voxels",
    "trilinear",
)
_SPACES = {space.axes: space for space in (SIGNAL, IMAGE, VOLUME)}
SPACES = tuple(_SPACES.values())


def space_of(axes: int) -> Space:
    """Return the space of inputs with so many axes; `SPACES` has all there are."""
    return _SPACES[axes]


def space_of_shape(shape: Sequence[int]) -> Space:
    """Return the space of inputs of a shape [C, ...], without the batch."""
    return space_of(len(shape) - 1)
