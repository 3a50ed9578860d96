"""Which networks take signals or volumes, and torchvision's networks of clips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import UsageError
from cnnviz.images import ArrayPreprocessing, prepare
from cnnviz.models import Model, load
from cnnviz.models.array_trials import find_array
from cnnviz.models.torchvision_import import import_torchvision
from cnnviz.results.space import IMAGE, SIGNAL, VOLUME
from tests.helpers.array_networks import NETWORKS, Spectrogram, fresh, seeded, signal_classifier


@pytest.mark.parametrize("name", NETWORKS)
def test_the_kind_of_input_is_found(name: str) -> None:
    network, x = fresh(name)
    model = Model(network)
    assert model.space == (SIGNAL if x.ndim == 3 else VOLUME)
    assert model.channels == x.shape[1]
    model.forward(torch.zeros(1, *model.input_shape))


def test_the_only_length_that_fits_is_found() -> None:
    network = nn.Sequential(nn.Conv1d(1, 3, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 173, 2))
    found = find_array(network)
    assert found is not None
    network(torch.zeros(1, found.channels, *found.size))


def test_a_network_of_images_with_a_convolution_along_its_channels_stays_one() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Conv1d(1, 1, 3, padding=1)
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return x * self.gate(x.mean((2, 3))[:, None]).sigmoid().transpose(1, 2)[..., None]

    assert Model(Gated()).space == IMAGE
    assert Model(seeded(Spectrogram)).space == SIGNAL


def test_one_image_without_a_batch_is_no_signal() -> None:
    class Narrow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, (1, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.ndim == 4 and x.shape[-2] != 7:
                raise ValueError("seven rows")
            return self.conv(x).mean((-2, -1))

    assert find_array(Narrow()) is None


def test_nothing_is_changed_by_the_search() -> None:
    network, _ = fresh("signal")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert Model(network).input_shape
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["r3d_18", "s3d", "mvit_v2_s", "swin3d_t"])
def test_clips_are_prepared_as_torchvision_does(name: str) -> None:
    models = import_torchvision("torchvision.models")
    preset = models.get_model_weights(name).DEFAULT.transforms()
    preprocessing = ArrayPreprocessing.from_torchvision_clips(preset, 16)
    rng = np.random.default_rng(0)
    clip = [rng.integers(0, 255, (150, 190, 3)).astype(np.uint8) for _ in range(3)]
    found = prepare(clip, preprocessing).tensor
    expected = preset(torch.from_numpy(np.stack(clip)).permute(0, 3, 1, 2)[None])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_network_of_clips_loads_by_name() -> None:
    model = load("r3d_18", "random")
    assert model.space == VOLUME
    assert model.input_shape == (3, 16, 112, 112)
    assert model.categories is not None
    assert len(model.categories) == 400
    assert "centre 112 x 112 px" in model.preprocessing.describe()


@pytest.mark.parametrize("shape", [None, (200,)])
def test_one_mean_stands_for_all_channels(shape: tuple[int, ...] | None) -> None:
    said = ArrayPreprocessing(mean=(0.5,), std=(2.0,), axes=1, shape=shape)
    model = Model(seeded(lambda: signal_classifier(channels=5)), preprocessing=said)
    assert (model.channels, model.preprocessing.std) == (5, (2.0,) * 5)
    assert model.preprocessing.describe() == "minus mean 0.5, divided by 2"
    signal = np.ones((5, 200), np.float32)
    torch.testing.assert_close(model.prepare(signal).tensor, torch.full((1, 5, 200), 0.25))
    assert Model(seeded(signal_classifier), preprocessing=ArrayPreprocessing()).channels == 2
    model.preprocessing = replace(said, axes=1)
    assert model.channels == 5, "whenever it is said"


def test_means_of_another_number_of_channels_are_refused() -> None:
    said = ArrayPreprocessing(mean=(0.5, 0.5, 0.5), std=(2.0,) * 3, axes=1)
    model = Model(seeded(lambda: signal_classifier(channels=5)), preprocessing=said)
    with pytest.raises(UsageError, match=r"3 means, and Sequential takes signals \[N, 5, L\]"):
        model.prepare(np.ones((5, 200), np.float32))


def test_the_first_convolution_need_not_have_the_channels_of_the_input() -> None:
    class Weighed(nn.Module):
        """Makes one channel of three before its first convolution."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(1, 4, 3)
            self.mix = nn.Parameter(torch.ones(3, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv((x * self.mix).sum(1, keepdim=True)).mean(2)

    said = ArrayPreprocessing(mean=(1.0, 2.0, 3.0), std=(1.0,) * 3, axes=1)
    assert Model(seeded(Weighed), preprocessing=said).preprocessing == said
