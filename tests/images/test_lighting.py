"""Light, blur and what is in the way, against the formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cnnviz.images.lighting import blurred, contrasted, exposed, hidden, lit_from_left
from tests.helpers.each_case import each_case


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((3, 20, 30), np.float32)


@each_case("stops", [-3.0, -0.5, 0.0, 1.0])
def test_an_exposure_multiplies_light_and_not_values(stops: float) -> None:
    values, found = image(), exposed(image(), stops)
    for place in np.ndindex(3, 4, 5):
        v = float(values[place])
        light = v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
        light = min(light * 2**stops, 1.0)
        wanted = light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
        assert found[place] == pytest.approx(wanted, abs=1e-5)


def test_contrast_is_about_mid_grey_and_light_falls_from_the_left() -> None:
    values = image()
    np.testing.assert_allclose(contrasted(values, 0.3), 0.5 + 0.3 * (values - 0.5), atol=1e-6)
    assert contrasted(values, 4.0).max() == 1.0
    np.testing.assert_array_equal(contrasted(values, 1.0), values)
    lit = lit_from_left(values * 0.5, 0.4)
    np.testing.assert_allclose(lit[:, :, 0], values[:, :, 0] * 0.5 * 1.4, rtol=1e-5)
    np.testing.assert_allclose(lit[:, :, -1], values[:, :, -1] * 0.5 * 0.6, rtol=1e-5)


def test_the_blur_is_gaussian() -> None:
    values = image()
    wanted = gaussian_filter(values.astype(np.float64), (0.0, 2.0, 2.0), mode="mirror")
    np.testing.assert_allclose(blurred(values, 2.0), wanted, atol=5e-3)
    assert blurred(values, 0.0) is values


@each_case("share", [0.0, 0.1, 0.25, 0.7])
def test_a_share_of_the_image_is_hidden(share: float) -> None:
    values, found = image(), hidden(image(), share)
    covered = (found != values).any(0)
    assert covered.mean() == pytest.approx(share, abs=0.03)
    if covered.any():
        rows, columns = np.nonzero(covered)
        assert abs((rows.min() + rows.max()) - 19) <= 1
        assert abs((columns.min() + columns.max()) - 29) <= 1
        np.testing.assert_allclose(found[:, covered].mean(1), values.mean((1, 2)), rtol=1e-5)
