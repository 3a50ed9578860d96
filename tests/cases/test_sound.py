"""Networks of sound: what a sampling rate changes in pictures, tables and words."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from torch import nn

import cnnviz
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import ArrayInput, ArrayPreprocessing, Preprocessing
from cnnviz.models import Model
from cnnviz.models.settings import with_settings
from cnnviz.results.result import Result
from tests.helpers.array_networks import WaveNet, seeded
from tests.helpers.undrawn import undrawn

RATE = 8000


def listener() -> nn.Module:
    """Return two convolutions along a sound, the first of eight band-passes of 33 samples."""
    network = nn.Sequential(
        nn.Conv1d(1, 8, 33, stride=2, padding=16),
        nn.ReLU(),
        nn.Conv1d(8, 6, 5, padding=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    time = (torch.arange(33) - 16) / RATE
    window = torch.hann_window(35)[1:-1]
    first: nn.Parameter = network[0].weight
    for place in range(8):
        wave_of = torch.cos(2 * torch.pi * 400 * (8 - place) * time)
        first.data[place, 0] = window * wave_of
    return network


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    path = tmp_path / "sound.wav"
    time = np.arange(2000) / RATE
    samples = 0.5 * np.sin(2 * np.pi * 1000 * time) * (time > 0.125)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((32767 * samples).astype("<i2").tobytes())
    return path


def labels(found: Result) -> list[str]:
    return [text.get_text() for text in found.figure().findobj(Text)]


def numbers_and_labels(found: Result) -> list[str]:
    """Return the numbers along axes as well, which are written when a picture is drawn."""
    figure = found.figure()
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text)]


def test_a_sound_is_drawn_in_seconds_with_its_spectrogram_in_hertz(sound: Path) -> None:
    model = Model(seeded(listener))
    held = cnnviz.capture(model, sound, layers="stages")
    for found in (
        cnnviz.cam(held),
        cnnviz.occlusion(model, sound, 200, 200),
        cnnviz.attribute(model, sound, "saliency"),
    ):
        assert found.rates == (RATE,)
        assert {"seconds", "hertz", "dB, 0 at the loudest"} <= set(labels(found))
        assert "Hann windows of 32 ms (256 samples) that overlap by 75%" in found.caption()
    assert {"seconds", "0.1", "0.2"} <= set(numbers_and_labels(cnnviz.cam(held)))
    trace, band, spectrogram = cnnviz.cam(held).figure().axes[:3]
    assert trace.get_xlim() == band.get_xlim() == spectrogram.get_xlim() == (-0.5, 1999.5)
    painted = spectrogram.get_images()[0].get_array()
    assert painted is not None
    low, high = spectrogram.get_images()[0].get_extent()[2:]
    bright = painted[:, -40:].astype(float).sum((1, 2))
    # 0 hertz is below, and the loudest row is that of the wave of 1000 Hz.
    height = (high - low) / len(bright)
    assert low + (bright.argmax() + 0.5) * height == pytest.approx(1000, abs=RATE / 256)
    for found in (cnnviz.feature_maps(held), cnnviz.receptive_field(model, sound, draws=1)):
        assert any("seconds" in text for text in labels(found))
        assert "samples" not in labels(found)
    shown = cnnviz.deconvnet(model, sound, top=1)
    assert shown.rates == (RATE,)
    assert "seconds" in labels(shown)


def test_explanations_of_a_sound_stand_over_its_spectrogram(sound: Path) -> None:
    found = cnnviz.explanations(Model(seeded(listener)), sound, ("gradcam", "saliency"), checks=())
    figure = found.figure()
    spectrogram = figure.axes[3]
    assert spectrogram.get_title("left") == "spectrogram"
    assert spectrogram.get_xlim() == figure.axes[0].get_xlim() == (-0.5, 1999.5)
    assert {"seconds", "dB, 0 at the loudest"} <= set(labels(found))
    assert "Hann windows of 32 ms" in found.caption()


def test_without_a_rate_there_are_samples_and_no_spectrogram() -> None:
    model = Model(seeded(listener))
    found = cnnviz.cam(cnnviz.capture(model, np.zeros(600, np.float32), layers="stages"))
    assert found.rates == (None,)
    assert "samples" in labels(found)
    assert "hertz" not in labels(found)
    assert "spectrogram" not in found.caption()
    # A rate of 1 counts in samples, with a spectrogram.
    counted = Model(seeded(listener), preprocessing=ArrayPreprocessing(axes=1, rate=1.0))
    noise = np.random.default_rng(0).normal(size=600)
    drawn = cnnviz.cam(cnnviz.capture(counted, noise, layers="stages"))
    assert {"samples", "cycles a sample"} <= set(labels(drawn))
    short = cnnviz.cam(cnnviz.capture(counted, noise[:100], layers="stages"))
    assert "cycles a sample" not in labels(short)


def test_the_filters_of_a_sound_have_a_frequency_response() -> None:
    said = ArrayPreprocessing(axes=1, rate=RATE)
    found = cnnviz.filters(Model(seeded(listener), preprocessing=said))
    assert found.peaks == pytest.approx([400 * (8 - place) for place in range(8)], abs=10)
    assert found.frequencies is not None
    assert found.frequencies[-1] == RATE / 2
    texts = labels(found)
    assert "hertz, up to half the sampling rate" in texts
    assert "dB, 0 at its greatest" in texts
    # Ordered by frequency, from below.
    rows = [text.get_text() for text in found.figure().axes[1].get_yticklabels()]
    assert rows == ["7", "6", "5", "4", "3", "2", "1", "0"]
    assert "Ravanelli and Bengio 2018" in found.caption()
    assert found.table().headings[-1] == "peak (hertz)"
    plain = cnnviz.filters(seeded(listener))
    assert plain.peaks == pytest.approx(found.peaks / RATE)
    assert "cycles a sample, up to half the sampling rate" in labels(plain)
    # Deeper ones read channels, and one sample lets all frequencies through.
    assert cnnviz.filters(seeded(listener), "2").response is None
    assert cnnviz.filters(seeded(WaveNet)).response is None


def test_a_file_of_another_rate_is_refused(sound: Path) -> None:
    model = Model(seeded(listener), preprocessing=ArrayPreprocessing(axes=1, rate=16000))
    with pytest.raises(ImageError, match=r"sampled at 8,000 Hz, and the network takes 16,000 Hz"):
        cnnviz.capture(model, sound)
    same = Model(seeded(listener), preprocessing=ArrayPreprocessing(axes=1, rate=RATE))
    photo = cnnviz.capture(same, sound).batch.photos[0]
    assert isinstance(photo, ArrayInput)
    assert photo.described == "1 channel of 2000 samples, 0.25 s at 8,000 Hz"
    assert "sampled at 8,000 Hz" in same.preprocessing.describe()


def test_a_rate_is_said_as_a_setting_of_signals_alone() -> None:
    said = with_settings(ArrayPreprocessing(axes=1), {"rate": "250"})
    assert isinstance(said, ArrayPreprocessing)
    assert said.rate == 250.0
    for known, rate, wrong in [
        (Preprocessing(None, None, (0.0,), (1.0,)), 250, "Photos have no sampling rate"),
        (ArrayPreprocessing(axes=1), "fast", "is no sampling rate"),
        (ArrayPreprocessing(axes=1), -1, "no sampling rate of -1"),
        (ArrayPreprocessing(axes=3), 25, "no sampling rate of 25 for volumes"),
    ]:
        with pytest.raises(UsageError, match=wrong):
            with_settings(known, {"rate": rate})


def test_a_report_shows_a_sound_with_its_spectrogram(sound: Path, tmp_path: Path) -> None:
    model = Model(seeded(listener))
    made = cnnviz.report(model, sound, sections="photo,filters")
    with undrawn():
        made.save(tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "1 channel of 2000 samples, 0.25 s at 8,000 Hz" in page
    assert "its spectrogram: Hann windows of 32 ms" in page
    assert "cycles a sample" in page
