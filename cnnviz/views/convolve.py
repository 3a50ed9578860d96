"""A kernel slides over an image: one position worked out, and the result at all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cnnviz.bounds import Length, Within, bounded
from cnnviz.course.convolution import (
    PADDINGS,
    Margins,
    Sliding,
    correlate,
    margins_of_same_size,
    turned,
)
from cnnviz.course.kernels import Kernel, LearnedKernel, learned_kernel, named_kernel, own_kernel
from cnnviz.course.slid_over import Looked, photo_or_matrix, prepared_photo
from cnnviz.course.written import is_written
from cnnviz.errors import UsageError
from cnnviz.images.aliases import ImageLike
from cnnviz.models import Model, as_model
from cnnviz.models.spaces import check_takes_images
from cnnviz.passes.captures import capture
from cnnviz.results import drawing
from cnnviz.results.animation import AnimatedResult, Frame
from cnnviz.results.text import number
from cnnviz.views._convolution_place import place_of

SMALL = 12
"""Rows and columns at most of a matrix whose every position is shown."""
_BEYOND = 98.0
"""Of a photo's signed result, the percentile of its sizes at which the colours end."""
_AGREES = 1e-4


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Convolution(AnimatedResult):
    """What a kernel makes of an image, and how, at one position.

    Attributes
    ----------
    image : str
        The name of the image or matrix.
    photo : ndarray of uint8 or None
        What the kernel slides over, for display, [H, W, 3]; None for a matrix of numbers.
    channels : tuple of str
        The C channels of `values`.
    values : ndarray
        What the kernel slides over, [C, H, W]: uint8 of a photo, float64 of a matrix, float32 of
        what a network is given.
    name, title, source : str
        The kernel, as it is asked for and as it is called, and where its values come from.
    kernel : ndarray of float64
        As it was applied, [D, F, G]: one for all channels, or one for each, whose results are
        summed.
    divisor, bias : float
        What the written values of the kernel are divided by, and what is added to each sum.
    result : ndarray
        [E, H', W']: one map where channels are summed, else one of each channel.
    stride, dilation : (int, int)
        Pixels between positions, and between cells of the kernel, down and across.
    padding : str
        What lies beyond the edge.
    margins : ((int, int), (int, int))
        How many pixels were added above and below, left and right.
    flipped : bool
        Whether the kernel was turned by 180 degrees first, as in the definition of convolution.
    at : (int, int)
        Row and column of the result at which the sum is worked out.
    chosen : str
        How that position was chosen, in words.
    of : int
        The channel of which, where each has a result of its own.
    window, products : ndarray of float64
        [D, F, G]: what the kernel lies on there, and its products with it.
    drawn : {"picture", "signed", "positive"}
        Whether the result is drawn as a picture from 0 to 255, with zero in the middle of the
        colours, or from its least to its greatest value.
    scale : (float, float)
        The values at the ends of the colours.
    beyond : float
        The share of the values of the result that lie beyond these ends, and have their colours.
    """

    left_out: ClassVar[tuple[str, ...]] = ("photo",)
    derived: ClassVar[tuple[str, ...]] = ("total",)

    image: str
    photo: NDArray[np.uint8] | None
    channels: tuple[str, ...]
    values: NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64]
    name: str
    title: str
    source: str
    kernel: NDArray[np.float64]
    divisor: float
    bias: float
    result: NDArray[np.float32] | NDArray[np.float64]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: str
    margins: Margins
    flipped: bool
    at: tuple[int, int]
    chosen: str
    of: int
    window: NDArray[np.float64]
    products: NDArray[np.float64]
    drawn: Literal["picture", "signed", "positive"]
    scale: tuple[float, float]
    beyond: float

    @property
    def total(self) -> float:
        """The sum of the products and the bias: the result at the position that is worked out."""
        return float(self.products.sum()) + self.bias

    @property
    def sliding(self) -> Sliding:
        """How the kernel slides."""
        shape = (self.kernel.shape[1], self.kernel.shape[2])
        return Sliding(shape, self.stride, self.dilation, self.padding, self.margins)

    @property
    def small(self) -> bool:
        """Whether it is a matrix small enough to show every number and position."""
        return self.photo is None and max(*self.values.shape[1:], *self.result.shape[1:]) <= SMALL

    def worked(self, at: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the window at a position of the result, and its products with the kernel."""
        window = self.sliding.window(self.values, at)
        if len(self.kernel) == 1:
            window = window[self.of : self.of + 1]
        return window, window * self.kernel

    def summary(self) -> str:
        """Say what was done, and from where to where the result goes."""
        height, width = self.result.shape[1:]
        low, high = float(self.result.min()), float(self.result.max())
        return (
            f"{self.image} with {self.title}: {height} x {width} values from {number(low)} to "
            f"{number(high)}"
        )

    def caption(self) -> str:
        """Say how it was computed, what is drawn, and on what scale."""
        from cnnviz.views._convolution_words import caption

        return caption(self)

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the image, the kernel and the result, and one position worked out."""
        from cnnviz.views.pictures.convolve import draw

        return draw(self, into)

    def frames(self, into: drawing.Canvas | None = None) -> Iterator[Frame]:
        """Draw one position after the other, and the result as far as it has come."""
        from cnnviz.views.pictures.convolve import frames

        return frames(self, into)


@bounded
def convolve(
    image: ImageLike | NDArray[np.floating | np.integer] | Sequence[Sequence[float]],
    kernel: str | NDArray[np.floating] | Sequence[Sequence[float]] = "sobel_x",
    *,
    model: Model | nn.Module | None = None,
    stride: Length | None = None,
    padding: Literal["zero", "reflect", "replicate", "none"] | None = None,
    dilation: Length | None = None,
    flip: bool = False,
    channels: Literal["auto", "grey", "each"] = "auto",
    at: Annotated[tuple[int, int] | None, Within(0, 10**9)] = None,
) -> Convolution:
    """Slide a kernel over an image, and work one position out.

    What libraries call convolution is cross-correlation: the sum of the products of the kernel
    with what it lies on, at every position. That is computed here, unless `flip` is given.

    Parameters
    ----------
    image : image or matrix
        A file, PIL image or uint8 array; or a matrix of numbers: rows, an array [H, W] of another
        type, a file that ends in .csv, .txt or .npy, or text as `kernel` takes it.
    kernel : str, ndarray or sequence
        The name of a classic kernel: identity, edge_1, edge_2, edge_3, sharpen, box_blur,
        gaussian_3, gaussian_5, unsharp_mask, sobel_x, sobel_y, laplacian, emboss; rows of numbers,
        as text "1 0 1; 0 1 0; 1 0 1" or "[[1, 0], [0, 1]]"; or layer:channel of a convolution of
        `model` that sees the image.
    model : Model or torch.nn.Module, optional
        The network whose learned kernel is shown. The photo is then prepared for it, and stride,
        padding and dilation are those of the layer where they are not given.
    stride : int, optional
        Pixels from one position to the next, 1 by default.
    padding : {"zero", "reflect", "replicate", "none"}, optional
        What lies beyond the edge, so that the result is as large as the image; by default zero of a
        photo, none of a matrix.
    dilation : int, optional
        Pixels from one cell of the kernel to the next, 1 by default.
    flip : bool
        Turn the kernel by 180 degrees first, which is convolution as it is defined.
    channels : {"auto", "grey", "each"}
        Whether a photo is made grey first, or each channel is convolved alone; by default each
        channel if the kernel sums to 1, as blurs do, and grey otherwise.
    at : (int, int), optional
        The column and the row of the result that is worked out, counted from 0; by default where
        the kernel, lying wholly on the image, responds most; for a photo in its middle half.

    Returns
    -------
    Convolution

    Raises
    ------
    UsageError
        If there is no such kernel, a number cannot be, or the kernel has no position.
    ImageError
        If the image cannot be read.
    LayerError
        If the network has no such layer or channel.
    ModelError
        If the network cannot run on the image.

    Examples
    --------
    >>> import cnnviz
    >>> print(cnnviz.convolve([[0, 0, 255, 255]] * 3, "sobel_x", padding="replicate").summary())
    your matrix with Sobel to the right: 3 x 4 values from 0 to 1020
    """
    _check(padding, channels)
    chosen, learned, network = _kernel_of(kernel, model)
    each = channels == "each" or (channels == "auto" and chosen.keeps)
    looked = prepared_photo(network, image) if network else photo_or_matrix(image, each=each)
    by_itself = "none" if looked.photo is None else "zero"
    sliding = _sliding(chosen, learned, stride, padding, dilation, by_itself)
    sliding.check(*looked.values.shape[1:])
    applied = turned(chosen.values) if flip else chosen.values
    result = correlate(looked.values, applied, sliding, chosen.bias)
    place, of, how = place_of(result, looked, chosen, sliding, at)
    window = sliding.window(looked.values, place)
    window = window[of : of + 1] if len(applied) == 1 else window
    drawn, scale, beyond = _scale_of(result, chosen, looked)
    found = Convolution(
        provenance=looked.provenance,
        image=looked.name,
        photo=looked.photo,
        channels=looked.channels,
        values=looked.values,
        name=chosen.name,
        title=chosen.title,
        source=chosen.source,
        kernel=applied,
        divisor=chosen.divisor,
        bias=chosen.bias,
        result=result if looked.photo is None else result.astype(np.float32),
        stride=sliding.stride,
        dilation=sliding.dilation,
        padding=sliding.padding,
        margins=sliding.margins,
        flipped=flip,
        at=place,
        chosen=how,
        of=of,
        window=window,
        products=window * applied,
        drawn=drawn,
        scale=scale,
        beyond=beyond,
    )
    own = None if learned is None else (learned.stride, learned.dilation, learned.margins)
    same = not flip and own == (sliding.stride, sliding.dilation, sliding.margins)
    if network is None or learned is None or not same or sliding.padding != learned.padding:
        return found
    return _compared(found, network, image, learned)


def _check(padding: Any, channels: Any) -> None:
    if padding is not None and padding not in PADDINGS:
        raise UsageError(f"There is no padding {padding!r}.", f"Use {', '.join(PADDINGS)}.")
    if channels not in ("auto", "grey", "each"):
        raise UsageError(f"There are no channels {channels!r}.", "Use auto, grey or each.")


def _kernel_of(
    kernel: str | NDArray[np.floating] | Sequence[Sequence[float]], model: Any
) -> tuple[Kernel, LearnedKernel | None, Model | None]:
    """Return the kernel, and where it is learned how its layer applies it, and the network."""
    if not isinstance(kernel, str) or is_written(kernel) or "," in kernel or ";" in kernel:
        return own_kernel(kernel), None, None
    if ":" not in kernel:
        return named_kernel(kernel), None, None
    if model is None:
        raise UsageError(
            f"{kernel!r} names a channel of a layer, and no network is given.",
            "Name the network with model=.",
            option="Name the network with --model.",
        )
    network = as_model(model)
    check_takes_images(network, "convolve")
    learned = learned_kernel(network, kernel)
    return learned.kernel, learned, network


def _sliding(
    kernel: Kernel,
    learned: LearnedKernel | None,
    stride: int | None,
    padding: str | None,
    dilation: int | None,
    by_itself: str,
) -> Sliding:
    """Return how the kernel slides: as asked, else as its layer does, else with usual padding."""
    shape = (kernel.values.shape[1], kernel.values.shape[2])
    steps = (stride, stride) if stride else learned.stride if learned else (1, 1)
    spread = (dilation, dilation) if dilation else learned.dilation if learned else (1, 1)
    if learned is not None and padding is None and dilation is None:
        return Sliding(shape, steps, spread, learned.padding, learned.margins)
    chosen = padding or by_itself
    none: Margins = ((0, 0), (0, 0))
    margins = none if chosen == "none" else margins_of_same_size(shape, spread)
    return Sliding(shape, steps, spread, chosen, margins)


def _scale_of(
    result: NDArray[np.float64], kernel: Kernel, looked: Looked
) -> tuple[Literal["picture", "signed", "positive"], tuple[float, float], float]:
    """Return how the result is drawn, the ends of its colours, and the share that lies beyond."""
    low, high = float(result.min()), float(result.max())
    if looked.values.dtype == np.uint8 and kernel.keeps:
        ends = (0.0, 255.0)
        return "picture", ends, float(((result < -0.5) | (result > 255.5)).mean())
    if low >= 0.0:
        return "positive", (0.0 if looked.photo is None else low, high), 0.0
    sizes = np.abs(result)
    reach = float(sizes.max())
    if looked.photo is not None:
        reach = float(np.percentile(sizes, _BEYOND)) or reach
    return "signed", (-reach, reach), float((sizes > reach).mean())


def _compared(found: Convolution, model: Model, image: Any, learned: LearnedKernel) -> Convolution:
    """Compare with the map of the layer itself, and say where that is given something else."""
    held = capture(model, image, layers=[learned.layer], gradients=False)
    given = held.activations.get(learned.layer)
    if given is None or given.shape[2:] != found.result.shape[1:]:
        told = f"the network calls {learned.layer} in a way that could not be compared"
    else:
        own = given[0, learned.channel].double().cpu().numpy()
        away = float(np.abs(own - found.result[0]).max())
        if away <= _AGREES * max(1e-12, float(np.abs(own).max())):
            return found
        told = (
            f"the network gives {learned.layer} something else than the prepared photo: its own "
            f"map differs by up to {number(away)}"
        )
    origin = found.provenance
    return replace(found, provenance=replace(origin, notes=(*origin.notes, told)))
