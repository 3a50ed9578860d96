"""Two signals are convolved: one is turned round and slides over the other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.bounds import Index, Within, bounded
from cnnviz.course.signals import Signal, signal_of
from cnnviz.errors import UsageError
from cnnviz.results import drawing
from cnnviz.results.animation import AnimatedResult, Frame
from cnnviz.results.provenance import ImageSource, Provenance
from cnnviz.results.text import number, plural

SIGNAL = (0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
RESPONSE = (1.0, 0.6, 0.36, 0.22, 0.13)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class SignalConvolution(AnimatedResult):
    """The convolution of a signal of N samples with an impulse response of M.

    Attributes
    ----------
    signal : ndarray of float64
        [N].
    response : ndarray of float64
        [M]: what a single impulse of 1 becomes.
    result : ndarray of float64
        [N + M - 1]: the sum of products at each position at which the two overlap.
    flipped : bool
        Whether the response was turned round first, as convolution is defined; else it is
        cross-correlation, as libraries of networks compute it.
    at : int
        The position of the result that is worked out.
    aligned : ndarray of float64
        [N]: the value of the sliding signal that lies over each sample there; zero beyond its ends.
    products : ndarray of float64
        [N]: the signal times what lies over it.
    names : (str, str)
        What the signal and the response are called; empty where they have no name.
    """

    derived: ClassVar[tuple[str, ...]] = ("total",)

    signal: NDArray[np.float64]
    response: NDArray[np.float64]
    result: NDArray[np.float64]
    flipped: bool
    at: int
    aligned: NDArray[np.float64]
    products: NDArray[np.float64]
    names: tuple[str, str] = ("", "")

    @property
    def total(self) -> float:
        """The sum of the products: the result at the position that is worked out."""
        return float(self.products.sum())

    def slid(self, at: int) -> NDArray[np.float64]:
        """Return what of the sliding signal lies over each sample at a position, [N]."""
        return aligned(self.signal, self.response, at, flip=self.flipped)

    def summary(self) -> str:
        """Say how many samples there are, and the largest of the result."""
        far = int(np.abs(self.result).argmax())
        what = "convolved" if self.flipped else "correlated"
        return (
            f"{plural(len(self.signal), 'sample')} {what} with {len(self.response)}: "
            f"{plural(len(self.result), 'value')}, the largest {number(float(self.result[far]))} "
            f"at {far}"
        )

    def caption(self) -> str:
        """Say what slides, and how a value of the result comes about."""
        if self.flipped:
            how = (
                "Convolution, y[n] = sum over k of x[k] h[n - k]: h is turned round and slides "
                "over x. Where x is a single impulse, y is h itself, which is why h is called the "
                "impulse response; every other signal is a sum of impulses, and y the sum of what "
                "they become. Networks leave h as it is, which is cross-correlation"
            )
        else:
            how = (
                "Cross-correlation: h slides over x as it is, which is what networks compute and "
                "call convolution; convolution as it is defined turns h round first"
            )
        x, h = (f" ({name})" if name else "" for name in self.names)
        return (
            f"Above, the signal x{x} and the response h{h}. In the middle, h as it lies over x at "
            f"position {self.at}, counted from 0, and the products of the samples that meet; their "
            f"sum, {number(self.total)}, is the value of y there. Below, y at all "
            f"{plural(len(self.result), 'position')} at which they overlap; beyond its ends a "
            f"signal is zero. {how}."
        )

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw both signals, one position and the result."""
        from cnnviz.views.pictures.convolve_signals import draw

        return draw(self, into)

    def frames(self, into: drawing.Canvas | None = None) -> Iterator[Frame]:
        """Draw one position after the other, and the result as far as it has come."""
        from cnnviz.views.pictures.convolve_signals import frames

        return frames(self, into)


@bounded
def convolve_signals(
    signal: str | os.PathLike[str] | Sequence[float] | NDArray[np.floating] | None = None,
    response: str | os.PathLike[str] | Sequence[float] | NDArray[np.floating] | None = None,
    *,
    part: Annotated[tuple[int, int] | None, Within(0, 10**9)] = None,
    flip: bool = True,
    at: Index | None = None,
) -> SignalConvolution:
    """Slide one signal over another, and work one position out.

    Parameters
    ----------
    signal : str, sequence of float or ndarray, optional
        The samples of the signal, as text "0,1,0,2" or "0 1 0 2"; or a file that ends in .npy,
        .npz, .pt, .csv, .txt or .wav. An impulse and a box by default.
    response : str, sequence of float or ndarray, optional
        The impulse response, likewise, or by name: impulse, delay, box, gaussian, difference,
        curvature, exponential or echo, also with its samples: "box:9". One that dies away by
        default.
    part : (int, int), optional
        The first sample of the signal that is taken, counted from 0, and how many; all by default.
    flip : bool
        Reverse the response first, which is convolution; without it, cross-correlation, which
        libraries of networks call convolution.
    at : int, optional
        The position of the result that is worked out, counted from 0; by default where it is
        largest.

    Returns
    -------
    SignalConvolution

    Raises
    ------
    UsageError
        If a signal is no sequence of finite numbers, or there is no such position or name.
    ImageError
        If a file cannot be read.

    Examples
    --------
    >>> import cnnviz
    >>> print(cnnviz.convolve_signals().summary())
    13 samples convolved with 5: 17 values, the largest 2.18 at 9
    """
    first = signal_of(SIGNAL if signal is None else signal, "signal", part)
    second = signal_of(RESPONSE if response is None else response, "response")
    x, h = first.values, second.values
    count = len(x) + len(h) - 1
    result = np.array([(x * aligned(x, h, n, flip=flip)).sum() for n in range(count)])
    place = int(np.abs(result).argmax()) if at is None else at
    if not 0 <= place < count:
        raise UsageError(f"The result has no position {place}.", f"Give one from 0 to {count - 1}.")
    over = aligned(x, h, place, flip=flip)
    return SignalConvolution(
        provenance=_origin(first, second),
        signal=x,
        response=h,
        result=result,
        flipped=flip,
        at=place,
        aligned=over,
        products=x * over,
        names=(
            "an impulse and a box" if signal is None else first.name,
            "a decay" if response is None else second.name,
        ),
    )


def _origin(*signals: Signal) -> Provenance:
    files = [one for one in signals if one.sha256]
    return Provenance(
        model="no network",
        weights="none",
        weights_sha256="",
        images=tuple(ImageSource(one.name, one.sha256) for one in files),
        notes=tuple(f"{one.name}: {note}" for one in signals for note in one.notes),
    )


def aligned(
    signal: NDArray[np.float64], response: NDArray[np.float64], at: int, *, flip: bool
) -> NDArray[np.float64]:
    """Return what of a sliding response lies over each sample of a signal, zero beyond its ends."""
    places = at - np.arange(len(signal))
    taken = response if flip else response[::-1]
    inside = (places >= 0) & (places < len(response))
    return np.where(inside, taken[np.clip(places, 0, len(response) - 1)], 0.0)
