"""How pictures are written: ranges, sizes, colours, and what each parametrisation promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnviz.units.visualization.colour_statistics import measure
from cnnviz.units.visualization.colours import MEAN, mixing
from cnnviz.units.visualization.parametrisations import (
    METHODS,
    Phases,
    Waves,
    parametrisation,
    radii,
)
from tests.helpers.each_case import each_case


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@each_case("channels", [1, 3, 4, 7])
@each_case("size", [(32, 32), (24, 33)])
@each_case("method", METHODS)
def test_pictures_have_their_size_and_stay_between_0_and_1(method, size, channels: int) -> None:
    canvas = parametrisation(method, channels, *size)
    values = torch.stack([canvas.noise(seeded(0)), 1e3 * canvas.noise(seeded(1))])
    pictures = canvas.picture(values)
    assert pictures.shape == (2, channels, *size)
    assert bool(((pictures >= 0) & (pictures <= 1)).all())
    assert not torch.equal(pictures[0], pictures[1])


@pytest.mark.parametrize("method", ["fourier", "pixel"])
def test_a_given_picture_comes_back(method) -> None:
    wanted = 0.1 + 0.8 * torch.rand(3, 24, 20, generator=seeded())
    canvas = parametrisation(method, 3, 24, 20)
    found = canvas.picture(canvas.values_of(wanted)[None])[0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [32, 224])
def test_noise_starts_with_the_same_contrast_at_every_size(side: int) -> None:
    canvas = Waves(1, side, side)
    logits = canvas.picture(canvas.noise(seeded())[None]).logit()
    assert 0.003 < float(logits.std()) < 0.007


def test_fine_waves_start_fainter_than_coarse_ones() -> None:
    canvas = Waves(1, 64, 64)
    spectrum = torch.fft.rfft2(canvas.picture(canvas.noise(seeded())[None]).logit()[0, 0]).abs()
    distance = radii(64, 64)
    coarse, fine = spectrum[(distance > 0.02) & (distance < 0.08)], spectrum[distance > 0.4]
    assert float(coarse.mean() / fine.mean()) > 5.0


def test_what_moves_blur_starts_far_fainter() -> None:
    """Far more than the share of two that the frequencies alone would give."""
    canvas = Waves(1, 64, 64)
    spectrum = torch.fft.rfft2(canvas.picture(canvas.noise(seeded())[None]).logit()[0, 0]).abs()
    distance = radii(64, 64)
    seen, blurred = spectrum[(distance > 0.18) & (distance < 0.24)], spectrum[distance > 0.45]
    assert float(seen.mean() / blurred.mean()) > 6.0


def test_a_coarser_picture_is_the_same_picture() -> None:
    canvas = Waves(3, 64, 64)
    values = torch.zeros(1, 3, 64, 33, 2)
    values[..., :6, :6, :] = torch.randn(1, 3, 6, 6, 2, generator=seeded())
    whole, half = canvas.picture(values), canvas.picture(values, (32, 32))
    torch.testing.assert_close(half, whole[..., ::2, ::2], atol=1e-5, rtol=0)


def test_maco_changes_phases_only() -> None:
    """The magnitudes are those of the power law, whatever the phases (Fel et al. 2023)."""
    canvas = Phases(1, 32, 32)
    values = canvas.noise(seeded())[None]
    unmixed = canvas.picture(values).double().logit() * 3**0.5
    spectrum = torch.fft.rfft2(unmixed, norm="ortho")[0].abs()
    # A real image has no phase of its own in the first and the last column.
    torch.testing.assert_close(
        spectrum[:, :, 1:-1], canvas.magnitudes()[:, :, 1:-1].double(), atol=1e-3, rtol=1e-3
    )


def test_the_mean_of_maco_is_the_mean_colour_of_photos() -> None:
    canvas = Phases(3, 32, 32)
    logits = canvas.picture(canvas.noise(seeded())[None]).logit().mean((0, 2, 3))
    lowest = canvas.magnitudes()[:, 0, 0].max() / 32
    assert float((logits - torch.tensor(MEAN).logit()).abs().max()) < 3 * float(lowest)


def test_measuring_finds_the_colours_it_is_given() -> None:
    random = np.random.default_rng(0)
    grey = random.integers(60, 190, (224, 224, 1))
    photo = np.repeat(grey, 3, 2).astype(np.uint8)
    found = measure([photo, photo[::-1].copy()])
    assert found.photos == 2
    np.testing.assert_allclose(found.mean, photo.mean() / 255, atol=1e-3)
    np.testing.assert_allclose(found.directions[:, 0], photo.std() / 255, atol=1e-3)
    np.testing.assert_allclose(found.directions[:, 1:], 0, atol=1e-6)
    assert abs(found.decay[0]) < 0.05, "white noise does not fall off"


def test_the_colours_in_the_code_are_those_of_the_photos(shared_photos) -> None:
    from cnnviz.units.visualization import colours

    found = measure(shared_photos)
    np.testing.assert_allclose(found.mean, colours.MEAN, atol=1e-3)
    np.testing.assert_allclose(found.directions, colours.DIRECTIONS, atol=1e-3)
    np.testing.assert_allclose(found.decay, colours.DECAY, atol=1e-3)


def test_only_rgb_is_mixed() -> None:
    assert torch.equal(mixing(2) != 0, torch.eye(2, dtype=torch.bool))
    four = mixing(4)
    assert torch.equal(four[3, :3], torch.zeros(3))
    assert torch.equal(four[:3, :3], mixing(3))
