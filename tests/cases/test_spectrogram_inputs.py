"""Networks of images that take spectrograms: numbers that nothing is done to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import IMAGENET, ArrayPreprocessing
from cnnviz.models import Model
from cnnviz.models.settings import with_settings
from cnnviz.views.pictures.deconvnet import _pair
from tests.helpers.array_networks import seeded


def seer() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def decibels() -> np.ndarray:
    """Return a spectrogram of 12 bands and 30 frames, with one loud cell near its end."""
    found = np.random.default_rng(0).uniform(-80, -60, (12, 30)).astype(np.float32)
    found[2, 25] = 0.0
    return found


def model(**said) -> Model:
    named = ArrayPreprocessing(axes=2, axis_names=("frequency", "time"), **said)
    return Model(seeded(seer), preprocessing=named)


def test_nothing_is_done_to_the_numbers_but_mean_and_std(tmp_path: Path) -> None:
    values = decibels()
    np.save(tmp_path / "mel.npy", values)
    for given in (values, values[None], tmp_path / "mel.npy", str(tmp_path / "mel.npy")):
        held = cnnviz.capture(model(), given)
        np.testing.assert_array_equal(held.batch.tensor[0, 0], values)
    scaled = cnnviz.capture(model(mean=(-40.0,), std=(20.0,)), values).batch.tensor[0, 0]
    np.testing.assert_allclose(scaled, (values + 40) / 20, rtol=1e-6)
    with torch.no_grad():
        wanted = seeded(seer)(torch.from_numpy(values)[None, None])
    held = cnnviz.capture(model(), [values, values])
    np.testing.assert_allclose(held.logits.detach(), wanted.repeat(2, 1), rtol=1e-6)


def test_a_heatmap_has_frequency_upwards_and_time_to_the_right() -> None:
    found = cnnviz.occlusion(model(), decibels(), window=2, stride=2)
    assert found.on_photo().shape == (12, 30)
    assert found.axis_names == ("frequency", "time")
    for axes in found.figure().axes[:2]:
        assert (axes.get_ylabel(), axes.get_xlabel()) == ("frequency →", "time →")
        low, high = axes.get_ylim()
        assert low < high
    # Grey from the least to the greatest value, whatever these are.
    grey = found.photos[0][..., 0]
    assert (grey.min(), grey.max()) == (0, 255)
    assert tuple(np.unravel_index(grey.argmax(), grey.shape)) == (2, 25)
    assert "its first row is below" in cnnviz.cam(cnnviz.capture(model(), decibels())).caption()


def test_every_picture_of_it_has_frequency_upwards() -> None:
    shown = model()
    held = cnnviz.capture(shown, decibels(), layers="stages")
    maps = cnnviz.feature_maps(held)
    painted = maps.paint(maps.shown[0])
    strongest = int(maps.maps[maps.shown[0]].max(1).argmax())
    bright = painted.astype(float).sum(2).max(1)
    assert bright[len(bright) - 1 - strongest] == bright.max()
    fields = cnnviz.receptive_field(shown, decibels(), draws=1)
    sent = cnnviz.deconvnet(shown, decibels(), top=2)
    for found, panels in ((fields, 1 + len(fields.layers)), (sent, 1)):
        for axes in found.figure().axes[:panels]:
            low, high = axes.get_ylim()
            assert low < high
    for found in (maps, fields, sent):
        assert found.axis_names == ("frequency", "time")
        assert "frequency rises upwards, and time runs to the right" in found.caption()
    photo = cnnviz.deconvnet(Model(seeded(seer)), torch.rand(1, 1, 12, 30), top=2)
    low, high = photo.figure().axes[0].get_ylim()
    assert low > high
    assert "upwards" not in photo.caption()
    pair, other = (_pair(one, 0, 0) for one in (sent, replace(sent, axis_names=())))
    np.testing.assert_array_equal(pair, other[::-1])


def test_views_of_images_take_it() -> None:
    shown = model()
    held = cnnviz.capture(shown, decibels(), layers="stages")
    for found in (
        cnnviz.cam(held),
        cnnviz.feature_maps(held),
        cnnviz.predictions(held),
        cnnviz.attribute(shown, decibels(), "saliency"),
        cnnviz.deconvnet(shown, decibels(), top=2),
        cnnviz.receptive_field(shown, decibels(), draws=1),
    ):
        assert found.figure()


def test_it_is_said_by_a_setting(tmp_path: Path) -> None:
    one = Model(seeded(seer)).preprocessing
    said = with_settings(one, {"spectrogram": True, "mean": -40, "std": 20})
    assert isinstance(said, ArrayPreprocessing)
    assert said.axis_names == ("frequency", "time")
    assert said.resize is None
    with pytest.raises(UsageError, match="a spectrogram is an image"):
        with_settings(ArrayPreprocessing(axes=1), {"spectrogram": True})
    with pytest.raises(UsageError, match="have their names"):
        ArrayPreprocessing(axes=1, axis_names=("a", "b"))
    np.save(tmp_path / "mel.npy", decibels())
    with pytest.raises(ImageError, match="not an image that Pillow") as caught:
        cnnviz.capture(Model(seeded(seer), preprocessing=IMAGENET), tmp_path / "mel.npy")
    assert "--spectrogram" in caught.value.remedy
