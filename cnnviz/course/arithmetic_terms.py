"""The formulas of a layer's output size, counts and receptive field, with their own numbers.

Notation as in textbooks (Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep
learning"; Goodfellow, Bengio and Courville 2016, chapter 9): input size W, kernel F, stride S,
padding P at each end, dilation D, channels in D1, filters K, receptive field r, jump j.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cnnviz.introspection.tracing.costs import padding_text
from cnnviz.results.text import count, joined, plural

Rounding = Literal["none", "down", "up"]


@dataclass(frozen=True, kw_only=True)
class SizeTerms:
    """Where the output size along one axis comes from.

    Attributes
    ----------
    axis : str
        The axis: "height", "width", "length" or "depth".
    transposed : bool
        Whether the formula is that of a transposed convolution.
    size : int
        The input size W.
    kernel, stride, dilation : int
        F, S and D.
    padding_before, padding_after : int
        What is added at each end.
    padding : int
        What is added at both ends together, 2P.
    output_padding : int
        Of a transposed convolution, what is added to the output's end.
    exact : float
        What the formula gives before it is rounded.
    rounding : {"none", "down", "up"}
        How it is rounded: down by convolutions, up by pooling with ``ceil_mode``.
    output : int
        The output size.
    remainder : int
        Rows of the padded input, at its end, that no window reaches.
    dropped : int
        How many of these are rows of the input itself, and no padding.
    overhang : int
        By how many rows the last window reaches beyond the padded input.
    formula : str
        All of it in one line.
    """

    axis: str
    transposed: bool = False
    size: int
    kernel: int
    stride: int
    dilation: int = 1
    padding_before: int = 0
    padding_after: int = 0
    padding: int = 0
    output_padding: int = 0
    exact: float
    rounding: Rounding = "none"
    output: int
    remainder: int = 0
    dropped: int = 0
    overhang: int = 0
    formula: str

    @property
    def fits(self) -> bool:
        """Whether the windows end where the padded input ends."""
        return not (self.remainder or self.overhang)


@dataclass(frozen=True)
class CountTerms:
    """A count as the sum of products.

    Attributes
    ----------
    products : tuple of tuple of int
        The factors of each product, such as ((11, 11, 3, 64), (64,)).
    total : int
        Their sum.
    formula : str
        All of it in one line: "(11·11·3)·64 + 64 = 23,296".
    """

    products: tuple[tuple[int, ...], ...]
    total: int
    formula: str


@dataclass(frozen=True)
class FieldTerms:
    """How the receptive field grows along one axis.

    Attributes
    ----------
    axis : str
        The axis.
    before, jump : int
        The field r of the input, and its jump j: how many pixels lie between two positions.
    kernel, dilation : int
        F and D.
    after : int
        The field of the output, r + D·(F − 1)·j.
    formula : str
        All of it in one line: "7 + (3 − 1)·2 = 11".
    """

    axis: str
    before: int
    jump: int
    kernel: int
    dilation: int
    after: int
    formula: str


def window_size(
    axis: str,
    size: int,
    kernel: int,
    stride: int,
    dilation: int = 1,
    padding: tuple[int, int] = (0, 0),
    *,
    ceil_mode: bool = False,
) -> SizeTerms:
    """Return the size that sliding windows give: (W − F + 2P)/S + 1, rounded down or up.

    Parameters
    ----------
    axis : str
        The name of the axis.
    size, kernel, stride, dilation : int
        W, F, S and D.
    padding : (int, int)
        Before and after.
    ceil_mode : bool
        Whether the number of windows is rounded up; one that would start in the padding after the
        input is left out all the same, as PyTorch does.
    """
    before, after = padding
    both = before + after
    reach = dilation * (kernel - 1) + 1
    exact = (size + both - reach) / stride + 1
    output = math.ceil(exact) if ceil_mode else math.floor(exact)
    omitted = ceil_mode and (output - 1) * stride >= size + before
    output -= omitted
    end = (output - 1) * stride + reach
    remainder, overhang = max(0, size + both - end), max(0, end - size - both)
    dropped = max(0, remainder - after)
    rounding: Rounding = "none" if exact == int(exact) else "up" if ceil_mode else "down"
    text = f"({size} − {_reach(kernel, dilation)}{padding_text(before, after)})/{stride} + 1 = "
    text += f"{exact:.7g}"
    if rounding != "none":
        text += f", rounded {rounding}: {math.ceil(exact) if ceil_mode else output}"
    if omitted:
        text += f", less the window that would start in the padding: {output}"
    return SizeTerms(
        axis=axis,
        size=size,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding_before=before,
        padding_after=after,
        padding=both,
        exact=exact,
        rounding=rounding,
        output=output,
        remainder=remainder,
        dropped=dropped,
        overhang=overhang,
        formula=text,
    )


def transposed_size(
    axis: str,
    size: int,
    kernel: int,
    stride: int,
    dilation: int = 1,
    padding: int = 0,
    output_padding: int = 0,
) -> SizeTerms:
    """Return the size that a transposed convolution gives: (W − 1)·S − 2P + F + output padding."""
    reach = dilation * (kernel - 1) + 1
    output = (size - 1) * stride - 2 * padding + reach + output_padding
    taken = f" − 2·{padding}" if padding else ""
    added = f" + {output_padding}" if output_padding else ""
    text = f"({size} − 1)·{stride}{taken} + {_reach(kernel, dilation)}{added} = {output}"
    return SizeTerms(
        axis=axis,
        transposed=True,
        size=size,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding_before=padding,
        padding_after=padding,
        padding=2 * padding,
        output_padding=output_padding,
        exact=float(output),
        output=output,
        formula=text,
    )


def counted(products: tuple[tuple[int, ...], ...], written: str) -> CountTerms:
    """Return a count with its formula, of which `written` is the left side."""
    total = sum(math.prod(factors) for factors in products)
    return CountTerms(products, total, f"{written} = {count(total)}")


def grown_field(axis: str, before: int, jump: int, kernel: int, dilation: int = 1) -> FieldTerms:
    """Return the field of a window over fields: r + D·(F − 1)·j."""
    after = before + dilation * (kernel - 1) * jump
    apart = f"{dilation}·" if dilation > 1 else ""
    return FieldTerms(
        axis,
        before,
        jump,
        kernel,
        dilation,
        after,
        f"{before} + {apart}({kernel} − 1)·{jump} = {after}",
    )


def left_over(terms: Sequence[SizeTerms], places: Sequence[str]) -> str:
    """Say what the windows leave over, or where they reach beyond; "" where they fit.

    Parameters
    ----------
    terms : sequence of SizeTerms
        The size along each axis.
    places : sequence of str
        What one place along each axis is called: "row".
    """
    pairs = list(zip(terms, places, strict=True))
    beyond = [plural(one.overhang, place) for one, place in pairs if one.overhang]
    dropped = [_last(one.dropped, place) for one, place in pairs if one.dropped]
    padding = [
        plural(one.remainder - one.dropped, place)
        for one, place in pairs
        if one.remainder > one.dropped
    ]
    said = []
    if beyond:
        said.append(f"the last windows reach {joined(beyond)} beyond the padded input")
    if dropped:
        said.append(f"{joined(dropped)} of the input dropped: in no window")
    if padding:
        lost = "" if dropped else ", nothing of the input"
        said.append(f"{joined(padding)} of padding left over{lost}")
    return "; ".join(said)


def _last(number: int, place: str) -> str:
    return f"the last {place}" if number == 1 else f"the last {number} {place}s"


def _reach(kernel: int, dilation: int) -> str:
    return str(kernel) if dilation == 1 else f"({dilation}·({kernel} − 1) + 1)"
