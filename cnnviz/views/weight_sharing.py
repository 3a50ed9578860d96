"""How many weights a layer over this very image takes: fully, locally connected, and shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from cnnviz.bounds import Length, Within, bounded
from cnnviz.errors import UsageError
from cnnviz.images.aliases import ImageLike
from cnnviz.images.reading import read_photo
from cnnviz.results import drawing
from cnnviz.results.provenance import ImageSource, Provenance
from cnnviz.results.result import Result
from cnnviz.results.text import dimensions, plural, spelled

KINDS = ("fully connected", "locally connected", "shared weights")
BYTES = 4


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class WeightSharing(Result):
    """The weights of three layers that make the same K maps of an image.

    Attributes
    ----------
    image : str
        The name of the image.
    input_size : (int, int, int)
        Height, width and channels of the image.
    output_size : (int, int, int)
        Height and width of the maps, and their number K.
    kernel, stride : int
        Side of the window that a local connection sees, and pixels from one to the next.
    kinds : tuple of str
        The three kinds of layer.
    weights, biases : tuple of int
        How many of each a layer of each kind has.
    multiplications : tuple of int
        How many a layer of each kind makes for one image.
    sizes : tuple of int
        What the weights take in 32-bit numbers, in bytes.
    """

    derived: ClassVar[tuple[str, ...]] = ("shares",)

    image: str
    input_size: tuple[int, int, int]
    output_size: tuple[int, int, int]
    kernel: int
    stride: int
    kinds: tuple[str, ...]
    weights: tuple[int, ...]
    biases: tuple[int, ...]
    multiplications: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """How many times as many weights each kind has as the layer that shares them."""
        return tuple(count / self.weights[2] for count in self.weights)

    def summary(self) -> str:
        """Say how many weights each kind has."""
        counts = ", ".join(
            f"{kind} {spelled(count)}" for kind, count in zip(self.kinds, self.weights, strict=True)
        )
        return f"weights for {dimensions(self.input_size)}: {counts}"

    def caption(self) -> str:
        """Say what is counted, and by which formula."""
        (h, w, c), (high, wide, k), f = self.input_size, self.output_size, self.kernel
        return (
            f"Three layers that make {plural(k, 'map')} of {high} x {wide} values out of "
            f"{self.image}, "
            f"which has {h} x {w} pixels in {c} {'channel' if c == 1 else 'channels'}. Fully "
            f"connected, every value sees every pixel: ({h} * {w} * {c}) * ({high} * {wide} * {k}) "
            f"= {self.weights[0]:,} weights. Locally connected, every value sees a window of {f} x "
            f"{f} with weights of its own: ({f} * {f} * {c}) * ({high} * {wide} * {k}) = "
            f"{self.weights[1]:,}. With shared weights all positions of a map use the same "
            f"ones, which is a convolution: ({f} * {f} * {c}) * {k} = {self.weights[2]:,} (LeCun "
            "et al. 1989). Biases come besides: one for each value, or for each map where they are "
            "shared. Sharing saves weights and not work: the last two make equally many "
            "multiplications. Above, the connections of a row of pixels; one colour is one weight, "
            "and grey are weights of their own. Windows at the edge are counted whole."
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the connections of a row, and the counts on a logarithmic axis."""
        from cnnviz.views.pictures.weight_sharing import draw

        return draw(self, into)


@bounded
def weight_sharing(
    image: ImageLike,
    *,
    kernel: Length = 3,
    filters: Annotated[int, Within(1, 10**6)] = 64,
    stride: Length = 1,
) -> WeightSharing:
    """Count the weights of a layer over an image: fully, locally connected, and shared.

    Parameters
    ----------
    image : image
        The image, whose size counts. One whose channels are equal has one channel.
    kernel : int
        The side of the window that a local connection sees.
    filters : int
        How many maps the layer makes.
    stride : int
        Pixels from one window to the next; the maps are as large as the image over the stride.

    Returns
    -------
    WeightSharing

    Raises
    ------
    UsageError
        If a number is below 1, or the kernel is larger than the image.
    ImageError
        If the image cannot be read.

    Examples
    --------
    >>> import cnnviz
    >>> cnnviz.weight_sharing(cnnviz.Shapes()[3].image).summary()[-20:]
    'shared weights 1,728'
    """
    photo = read_photo(image)
    if kernel > min(photo.height, photo.width):
        raise UsageError(
            f"A kernel of {kernel} x {kernel} is larger than the photo, which has "
            f"{photo.height} x {photo.width}.",
            "Give a smaller one.",
        )
    pixels = photo.pixels
    same = all(np.array_equal(pixels[..., 0], pixels[..., place]) for place in (1, 2))
    size = (photo.height, photo.width, 1 if same else 3)
    output = (-(-photo.height // stride), -(-photo.width // stride), filters)
    values, seen = output[0] * output[1] * filters, kernel * kernel * size[2]
    whole = size[0] * size[1] * size[2]
    weights = (whole * values, seen * values, seen * filters)
    source = ImageSource(photo.name, photo.sha256)
    return WeightSharing(
        provenance=Provenance(
            model="no network", weights="none", weights_sha256="", images=(source,)
        ),
        image=photo.name,
        input_size=size,
        output_size=output,
        kernel=kernel,
        stride=stride,
        kinds=KINDS,
        weights=weights,
        biases=(values, values, filters),
        multiplications=(whole * values, seen * values, seen * values),
        sizes=tuple(count * BYTES for count in weights),
    )
