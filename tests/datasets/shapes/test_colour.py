from __future__ import annotations

import pytest

from cnnviz.datasets.shapes.colour import oklch


def test_published_colours():
    """Oklch of the sRGB primaries as in CSS Color 4."""
    assert oklch(1.0, 0.0, 0.0) == pytest.approx((1.0, 1.0, 1.0), abs=1e-3)
    assert oklch(0.62796, 0.25768, 29.234) == pytest.approx((1.0, 0.0, 0.0), abs=0.02)
    assert oklch(0.86644, 0.29483, 142.495) == pytest.approx((0.0, 1.0, 0.0), abs=0.02)
    assert oklch(0.45201, 0.31321, 264.052) == pytest.approx((0.0, 0.0, 1.0), abs=0.02)
    assert oklch(0.59987, 0.0, 0.0) == pytest.approx((0.50196,) * 3, abs=1e-3)


def test_a_colour_that_no_screen_shows_is_made_paler():
    red, green, blue = oklch(0.7, 0.5, 30.0)
    assert max(red, green, blue) <= 1.0
    assert min(red, green, blue) >= 0.0
    assert red > green
    assert red > blue
