"""Spectrograms and frequency responses, beside scipy and torch in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch

from cnnviz.errors import UsageError
from cnnviz.results.spectra import FLOOR, frequency_response, has_spectrogram, spectrogram
from tests.helpers.each_case import each_case


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


@each_case(("length", "window", "hop"), [(1000, 128, 32), (777, 100, 37), (300, 9, 4)])
def test_a_spectrogram_is_that_of_torch_and_scipy(length: int, window: int, hop: int) -> None:
    signal = noise(length)
    found = spectrogram(signal, 250.0, window=window, hop=hop)
    hann = torch.hann_window(window, periodic=True, dtype=torch.float64)
    theirs = torch.stft(
        torch.from_numpy(signal), window, hop, window=hann, center=True, return_complex=True
    )
    power = theirs.abs().square().numpy()[:, : found.decibels.shape[1]]
    wanted = np.maximum(10 * np.log10(power / power.max()), FLOOR)
    np.testing.assert_allclose(found.decibels, wanted, atol=1e-4)
    frequencies, times, plain = scipy.signal.stft(
        signal, 250.0, "hann", window, window - hop, boundary="zeros", return_onesided=True
    )
    np.testing.assert_allclose(found.frequencies, frequencies)
    count = min(len(times), len(found.times))
    np.testing.assert_allclose(found.times[:count], times[:count])
    inside = slice(window // hop + 1, count - window // hop - 1)
    shares = np.abs(plain[:, inside]) ** 2 / np.square(hann.numpy().sum() / hann.sum().item())
    relative = 10 * np.log10(shares / power.max() * float(hann.sum()) ** 2)
    np.testing.assert_allclose(found.decibels[:, inside], np.maximum(relative, FLOOR), atol=1e-4)


def test_the_power_is_averaged_over_channels_and_over_the_windows_of_a_column() -> None:
    both = noise(2, 2000)
    found = spectrogram(both, 1.0, window=64, hop=16)
    each = [scaled(one) for one in both]
    mean = (each[0] + each[1]) / 2
    np.testing.assert_allclose(found.decibels, 10 * np.log10(mean / mean.max()), atol=1e-4)
    long = noise(1, 20_000)
    columns = spectrogram(long, 1.0, window=32, hop=8)
    assert columns.averaged == 3
    plain = scaled(long[0], 32, 8)
    grouped = np.stack(
        [plain[:, at : at + 3].mean(1) for at in range(0, plain.shape[1], 3)], axis=1
    )
    np.testing.assert_allclose(columns.decibels, 10 * np.log10(grouped / grouped.max()), atol=1e-4)
    assert columns.times[0] == 8.0


def scaled(signal: np.ndarray, window: int = 64, hop: int = 16) -> np.ndarray:
    hann = torch.hann_window(window, dtype=torch.float64)
    theirs = torch.stft(torch.from_numpy(signal), window, hop, window=hann, return_complex=True)
    return theirs.abs().square().numpy()[:, : 1 + (len(signal) - 1) // hop]


def test_a_wave_lies_at_its_frequency_and_time() -> None:
    time = np.arange(16_000) / 8000.0
    wave = np.where(time < 1.0, np.sin(2 * np.pi * 1000.0 * time), 0.0)
    found = spectrogram(wave, 8000.0)
    assert found.window == 256  # the power of two nearest to 25 ms
    loudest = found.frequencies[found.decibels.mean(1).argmax()]
    assert abs(loudest - 1000.0) < 8000.0 / found.window
    late = found.decibels[:, found.times > 1.1]
    assert (late == FLOOR).all()
    assert "32 ms (256 samples) that overlap by 75%" in found.told()


def test_silence_is_said_and_what_cannot_be_is_refused() -> None:
    found = spectrogram(np.zeros(400), 100.0)
    assert found.silent
    assert (found.decibels == FLOOR).all()
    for arguments, said in [
        ((np.zeros(1), 1.0, None, None), "two samples"),
        ((np.zeros(9), 0.0, None, None), "sampling rate"),
        ((np.zeros(9), 1.0, 9, 1), "does not go"),
        ((np.zeros(9), 1.0, 4, 5), "does not go"),
    ]:
        values, rate, window, hop = arguments
        with pytest.raises(UsageError, match=said):
            spectrogram(values, rate, window=window, hop=hop)
    assert not has_spectrogram(1000, None)
    assert not has_spectrogram(20, 100.0)
    assert has_spectrogram(1000, 1.0)


@pytest.mark.parametrize("dilation", [1, 3])
def test_a_response_is_that_of_scipy(dilation: int) -> None:
    kernels = noise(5, 1, 33)
    found = frequency_response(kernels, dilation=dilation, rate=8000.0)
    for kernel, gains in zip(kernels[:, 0], found.gains, strict=True):
        spread = np.zeros(dilation * 32 + 1)
        spread[::dilation] = kernel
        _, theirs = scipy.signal.freqz(spread, worN=found.frequencies, fs=8000.0)
        np.testing.assert_allclose(gains, np.abs(theirs), atol=1e-12)
    assert found.frequencies[-1] == 4000.0
    assert (found.peaks == found.frequencies[found.gains.argmax(1)]).all()


def test_several_channels_have_the_gain_of_independent_noise() -> None:
    kernels = noise(2, 3, 9)
    found = frequency_response(kernels)
    each = [frequency_response(kernels[:, [at]]).gains for at in range(3)]
    np.testing.assert_allclose(found.gains, np.sqrt(sum(one**2 for one in each)))
    # Parseval: the mean power let through is the energy of the kernel.
    power = np.square(found.gains)
    whole = (2 * power.sum(1) - power[:, 0] - power[:, -1]) / (2 * (power.shape[1] - 1))
    np.testing.assert_allclose(whole, np.square(kernels).sum((1, 2)))
    silent = frequency_response(np.zeros((1, 1, 4)))
    assert np.isneginf(silent.decibels).all()
