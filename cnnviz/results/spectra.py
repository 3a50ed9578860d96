"""Frequencies: those of a signal over time, and those that a filter along a signal lets through."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import UsageError
from cnnviz.results.text import number

LEAST_SAMPLES = 256
"""How many samples a signal has at least for a spectrogram to be drawn."""
FLOOR = -80.0
"""Where the colours of a spectrogram end, in decibels below its greatest power."""
_SOUND = 4000.0
"""From so many samples a second a signal is taken as sound, whose windows are of 25 ms."""
_SOUND_WINDOW = 0.025
_MOST_COLUMNS = 1200
_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Spectrogram:
    """The power of a signal at each frequency and time, by the short-time Fourier transform.

    Attributes
    ----------
    decibels : ndarray of float32
        [F, T]: 10 log10 of the power, averaged over the channels of the signal, below the greatest;
        `FLOOR` where it is less, and everywhere in silence.
    frequencies : ndarray of float64
        [F], in hertz, from 0 to half the sampling rate.
    times : ndarray of float64
        [T], in seconds: the middle of each window, or of those of one column.
    rate : float
        Samples a second.
    window, hop : int
        How many samples a window has, and from one to the next. The window is Hann's; beyond its
        ends the signal goes on mirrored.
    averaged : int
        How many windows one column is the mean power of: more than 1 where the signal is long.
    silent : bool
        Whether the signal is zero everywhere.
    """

    decibels: NDArray[np.float32]
    frequencies: NDArray[np.float64]
    times: NDArray[np.float64]
    rate: float
    window: int
    hop: int
    averaged: int
    silent: bool

    @property
    def step(self) -> float:
        """How many seconds one column takes."""
        return self.hop * self.averaged / self.rate

    def told(self) -> str:
        """Say how it was made: window, overlap and scale."""
        columns = f", {self.averaged} to a column" if self.averaged > 1 else ""
        times = self.rate != 1.0
        unit = "ms" if times else "samples"
        span = 1000.0 * self.window / self.rate if times else float(self.window)
        samples = f" ({self.window} samples)" if times else ""
        return (
            f"Hann windows of {number(span)} {unit}{samples} that overlap by "
            f"{1.0 - self.hop / self.window:.0%}{columns}, in decibels below the greatest "
            f"power, down to {FLOOR:g} dB"
        )


def has_spectrogram(length: int, rate: float | None) -> bool:
    """Whether the spectrogram of a signal is drawn: its rate is known, and it is long enough."""
    return rate is not None and length >= LEAST_SAMPLES


def spectrogram(
    values: NDArray[np.floating],
    rate: float,
    *,
    window: int | None = None,
    hop: int | None = None,
) -> Spectrogram:
    """Return the spectrogram of a signal.

    Parameters
    ----------
    values : ndarray
        [L], or [C, L], over whose channels the power is averaged.
    rate : float
        Samples a second; 1 counts in samples, and in cycles a sample.
    window : int, optional
        Samples of a window. By default a power of two: of sound, from 4000 samples a second, the
        one nearest to 25 ms; of any other signal one that leaves about as many frequencies as
        windows that do not overlap, so that neither is resolved at the cost of the other.
    hop : int, optional
        Samples from one window to the next; a quarter of the window by default.

    Raises
    ------
    UsageError
        If the signal has fewer than two samples, or rate, window or hop are out of range.
    """
    signal = np.atleast_2d(np.asarray(values, np.float64))
    length = signal.shape[-1]
    if signal.ndim != 2 or length < 2:
        raise UsageError("This is no signal of two samples or more.", "Give [L] or [C, L].")
    if not (math.isfinite(rate) and rate > 0.0):
        raise UsageError(f"There is no sampling rate of {rate:g}.", "Give samples a second.")
    size = _usual_window(length, rate) if window is None else window
    step = max(1, size // 4) if hop is None else hop
    if not 2 <= size < length or not 1 <= step <= size:
        raise UsageError(
            f"A window of {size} samples with a hop of {step} does not go with {length} samples.",
            "Give a window of 2 or more, shorter than the signal, and a hop from 1 to the window.",
        )
    power, averaged = _powers(signal, size, step)
    greatest = float(power.max())
    silent = greatest == 0.0
    shares = np.full(power.shape, 0.0) if silent else power / greatest
    decibels = 10.0 * np.log10(np.maximum(shares, 10.0 ** (FLOOR / 10.0)))
    columns = (np.arange(power.shape[1]) * averaged + (averaged - 1) / 2) * step / rate
    return Spectrogram(
        decibels=decibels.astype(np.float32),
        frequencies=np.arange(size // 2 + 1, dtype=np.float64) * rate / size,
        times=columns.astype(np.float64),
        rate=rate,
        window=size,
        hop=step,
        averaged=averaged,
        silent=silent,
    )


def _usual_window(length: int, rate: float) -> int:
    wanted = _SOUND_WINDOW * rate if rate >= _SOUND else math.sqrt(8.0 * length)
    size = 1 << max(4, round(math.log2(wanted)))
    while size > max(2, length // 4):
        size //= 2
    return max(2, size)


def _powers(signal: NDArray[np.float64], size: int, step: int) -> tuple[NDArray[np.float64], int]:
    """Return the mean power [F, T] over the channels, and how many windows one column has."""
    length = signal.shape[1]
    # Zeros beyond the ends would be a click at each, which has all frequencies.
    beyond = (size // 2, size - size // 2)
    padded = np.pad(signal, ((0, 0), beyond), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, size, axis=1)[:, ::step]
    count = 1 + (length - 1) // step
    # Periodic, as scipy's for spectra: its transform has no leakage of its own.
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)
    averaged = -(-count // _MOST_COLUMNS)
    columns = np.zeros((size // 2 + 1, -(-count // averaged)))
    at_once = max(1, _AT_ONCE // averaged) * averaged
    for first in range(0, count, at_once):
        part = frames[:, first : min(first + at_once, count)]
        found = np.square(np.abs(np.fft.rfft(part * hann, axis=2))).mean(0)
        starts = np.arange(0, len(found), averaged)
        sizes = np.diff(np.append(starts, len(found)))
        means = np.add.reduceat(found, starts, axis=0) / sizes[:, None]
        columns[:, first // averaged : first // averaged + len(starts)] = means.T
    return columns / hann.sum() ** 2, averaged


def frequency_unit(rate: float | None) -> str:
    """Return what frequencies are counted in."""
    return "cycles a sample" if rate is None or rate == 1.0 else "hertz"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FrequencyResponse:
    """What filters along a signal let through at each frequency.

    Attributes
    ----------
    frequencies : ndarray of float64
        [F], in cycles a sample from 0 to 1/2, or in hertz where the rate is known.
    gains : ndarray of float64
        [K, F]: how much larger or smaller a wave of this frequency comes out. Of a filter of
        several channels, the root of the sum of their squares, which is the gain of channels that
        do not depend on each other.
    """

    frequencies: NDArray[np.float64]
    gains: NDArray[np.float64]

    @property
    def peaks(self) -> NDArray[np.float64]:
        """The frequency that each filter lets through best, [K]."""
        found: NDArray[np.float64] = self.frequencies[self.gains.argmax(1)]
        return found

    @property
    def decibels(self) -> NDArray[np.float64]:
        """The gains in decibels below the greatest of each filter, [K, F]; -inf for zero."""
        greatest = self.gains.max(1, keepdims=True)
        shares = self.gains / np.where(greatest > 0.0, greatest, 1.0)
        with np.errstate(divide="ignore"):
            found: NDArray[np.float64] = 20.0 * np.log10(shares)
        return found


def frequency_response(
    kernels: NDArray[np.floating], *, dilation: int = 1, rate: float | None = None
) -> FrequencyResponse:
    """Return the magnitude of the Fourier transform of kernels.

    Parameters
    ----------
    kernels : ndarray
        [K, C, M]: K filters of C channels and M samples.
    dilation : int
        Samples from one weight to the next.
    rate : float, optional
        Samples a second of what the filters read.
    """
    count, channels, size = kernels.shape
    spread = np.zeros((count, channels, dilation * (size - 1) + 1))
    spread[:, :, ::dilation] = kernels
    points = max(512, 1 << math.ceil(math.log2(4 * spread.shape[2])))
    each = np.abs(np.fft.rfft(spread, points, axis=2))
    return FrequencyResponse(
        frequencies=np.arange(points // 2 + 1, dtype=np.float64) * (rate or 1.0) / points,
        gains=np.sqrt(np.square(each).sum(1)),
    )
