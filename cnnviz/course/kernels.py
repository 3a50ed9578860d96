"""Kernels: the classic ones by name, those that a caller writes, and those that a layer learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnviz.course.written import check_can_be_multiplied, written_rows
from cnnviz.errors import UsageError, did_you_mean
from cnnviz.results.text import kind_of

if TYPE_CHECKING:
    from torch import nn

    from cnnviz.models import Model

LARGEST = 63
"""Cells of a side of a kernel at most."""
_EVEN = 1e-9
"""How near to 1 the sum of a kernel is that leaves an even surface as it is."""
_TABLE = "R. C. Gonzalez and R. E. Woods, Digital Image Processing, 4th ed. 2018, chapter 3"


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel, and how it is applied where nothing else is asked for.

    Attributes
    ----------
    name : str
        The name by which it is asked for.
    title : str
        What it is called.
    values : ndarray of float64
        [D, F, G]: one for all channels (D is 1), or one for each, whose results are summed.
    divisor : float
        What all values are divided by, where they are written without it.
    bias : float
        What is added to each sum.
    source : str
        Where the values come from.
    """

    name: str
    title: str
    values: NDArray[np.float64]
    divisor: float = 1.0
    bias: float = 0.0
    source: str = _TABLE

    @property
    def total(self) -> float:
        """The sum of its values: what becomes of an even surface of ones."""
        return float(self.values.sum())

    @property
    def keeps(self) -> bool:
        """Whether it leaves an even surface as it is: its values sum to 1."""
        return abs(self.total - 1.0) < _EVEN


def _classic(
    name: str, title: str, rows: Sequence[Sequence[float]], divisor: float = 1.0, source: str = ""
) -> Kernel:
    values = np.array([rows], np.float64) / divisor
    return Kernel(name, title, values, divisor, source=source or _TABLE)


_BINOMIAL = ((1, 4, 6, 4, 1), (4, 16, 24, 16, 4), (6, 24, 36, 24, 6))
_SOBEL = "I. Sobel and G. Feldman 1968, as in R. Duda and P. Hart, Pattern Classification, 1973"
CLASSIC: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        _classic("identity", "identity", ((0, 0, 0), (0, 1, 0), (0, 0, 0))),
        _classic("edge_1", "edge detector 1", ((1, 0, -1), (0, 0, 0), (-1, 0, 1))),
        _classic("edge_2", "edge detector 2", ((0, 1, 0), (1, -4, 1), (0, 1, 0))),
        _classic("edge_3", "edge detector 3", ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1))),
        _classic("sharpen", "sharpen", ((0, -1, 0), (-1, 5, -1), (0, -1, 0))),
        _classic("box_blur", "box blur", ((1, 1, 1), (1, 1, 1), (1, 1, 1)), 9),
        _classic("gaussian_3", "Gaussian blur 3 x 3", ((1, 2, 1), (2, 4, 2), (1, 2, 1)), 16),
        _classic("gaussian_5", "Gaussian blur 5 x 5", (*_BINOMIAL, *_BINOMIAL[1::-1]), 256),
        _classic(
            "unsharp_mask",
            "unsharp mask 5 x 5",
            (*_BINOMIAL[:2], (6, 24, -476, 24, 6), *_BINOMIAL[1::-1]),
            -256,
        ),
        _classic("sobel_x", "Sobel to the right", ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)), 1, _SOBEL),
        _classic("sobel_y", "Sobel downwards", ((-1, -2, -1), (0, 0, 0), (1, 2, 1)), 1, _SOBEL),
        _classic("laplacian", "Laplacian", ((0, 1, 0), (1, -4, 1), (0, 1, 0))),
        _classic("emboss", "emboss", ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))),
    )
}
"""The only list of the kernels that have a name; `edge_2` is the Laplacian."""


def named_kernel(name: str) -> Kernel:
    """Return a classic kernel by its name.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    found = CLASSIC.get(name.strip().lower().replace("-", "_"))
    if found is None:
        otherwise = (
            f"Choose from {', '.join(CLASSIC)}; write a matrix, such as '1 0 1; 0 1 0; 1 0 1'; or "
            "layer:channel of a network."
        )
        raise UsageError(f"There is no kernel {name!r}.", did_you_mean(name, CLASSIC, otherwise))
    return found


def own_kernel(rows: str | Sequence[Sequence[float]] | NDArray[np.floating]) -> Kernel:
    """Return a kernel that a caller writes.

    Parameters
    ----------
    rows : str, sequence or ndarray
        [F, G]; as text, rows with semicolons between them and numbers with commas or blanks, or as
        code writes them, ``[[1, 0], [0, 1]]``.

    Raises
    ------
    UsageError
        If it is no matrix of finite numbers.
    """
    remedy = "Give rows of equally many numbers, such as '1 0 1; 0 1 0; 1 0 1'."
    try:
        given = written_rows(rows) if isinstance(rows, str) else rows
        values = np.array(given, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{rows!r} is no matrix of numbers.", remedy) from error
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise UsageError("A kernel is a matrix of finite numbers.", remedy)
    if max(values.shape) > LARGEST:
        raise UsageError(
            f"A kernel of {values.shape[0]} x {values.shape[1]} is too large to be shown.",
            f"Give at most {LARGEST} numbers a side.",
        )
    check_can_be_multiplied(values, "The kernel")
    return Kernel("your kernel", "your own kernel", values[None], source="given by the caller")


@dataclass(frozen=True, eq=False)
class LearnedKernel:
    """A kernel of a layer that sees the image, and how the layer applies it."""

    kernel: Kernel
    layer: str
    channel: int
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: str
    margins: tuple[tuple[int, int], tuple[int, int]]


_MODES = {"zeros": "zero", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def learned_kernel(model: Model, unit: str) -> LearnedKernel:
    """Return the kernel of one channel of a layer that sees the image.

    Parameters
    ----------
    model : Model
        The network.
    unit : str
        ``layer:channel``.

    Raises
    ------
    UsageError
        If it is not one channel, or the layer is no convolution of the image.
    LayerError
        If there is no such layer or channel.
    """
    from torch import nn

    from cnnviz.introspection.layers import named_layers
    from cnnviz.introspection.unit_names import check_channels, read_units
    from cnnviz.models.weights import layer_weight
    from cnnviz.passes.chosen_layers import choose

    units = read_units(unit)
    if len(units) != 1:
        raise UsageError(f"{unit!r} is {len(units)} channels.", "Name one: features.0:3.")
    (name,) = choose(model, [units[0].layer])
    layer, channel = named_layers(model.module)[name], units[0].channel
    if not isinstance(layer, nn.Conv2d) or isinstance(layer, nn.ConvTranspose2d):
        raise UsageError(
            f"{name!r} is {kind_of(layer)}, which has no kernel that slides over an image.",
            "Name a convolution: `cnnviz layers conv` lists them.",
        )
    if layer.in_channels != model.channels:
        raise UsageError(
            f"{name!r} sees {layer.in_channels} feature maps, and not the image.",
            "Name the first convolution; `cnnviz filters` shows the kernels of all.",
        )
    check_channels([channel], layer.out_channels, name)
    values = _over_all_inputs(layer_weight(layer)[channel].double().cpu().numpy(), layer, channel)
    bias = 0.0 if layer.bias is None else float(layer.bias[channel].detach())
    title = f"{name}:{channel} of {model.name}"
    return LearnedKernel(
        Kernel(f"{name}:{channel}", title, values, bias=bias, source="learned"),
        name,
        channel,
        (layer.stride[0], layer.stride[1]),
        (layer.dilation[0], layer.dilation[1]),
        _MODES[layer.padding_mode],
        _margins(layer),
    )


def _over_all_inputs(
    values: NDArray[np.float64], layer: nn.Conv2d, channel: int
) -> NDArray[np.float64]:
    """Return a kernel with a slice for every input, of zeros for those of other groups."""
    every = np.zeros((layer.in_channels, *values.shape[1:]))
    first = channel // (layer.out_channels // layer.groups) * len(values)
    every[first : first + len(values)] = values
    return every


def _margins(layer: object) -> tuple[tuple[int, int], tuple[int, int]]:
    # What the layer itself pads by, in the order of `torch.nn.functional.pad`: last axis first.
    left, right, top, bottom = layer._reversed_padding_repeated_twice  # type: ignore[attr-defined]
    return (top, bottom), (left, right)
