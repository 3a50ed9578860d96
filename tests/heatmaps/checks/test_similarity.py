import numpy as np
import pytest

from cnnviz.heatmaps.checks.similarity import drawn, rank_correlation, ssim


def slow_ranks(values):
    flat = values.ravel()
    return np.array([(flat < v).sum() + ((flat == v).sum() + 1) / 2 for v in flat])


@pytest.mark.parametrize("levels", [3, 1000])
def test_the_rank_correlation_is_the_correlation_of_mean_ranks(levels):
    rng = np.random.default_rng(levels)
    first, second = rng.integers(0, levels, (2, 9, 11)).astype(float)
    expected = np.corrcoef(slow_ranks(first), slow_ranks(second))[0, 1]
    assert rank_correlation(first, second) == pytest.approx(expected, abs=1e-12)


def test_only_the_order_counts():
    values = np.random.default_rng(0).random((5, 5))
    assert rank_correlation(values, np.exp(7 * values)) == pytest.approx(1.0)
    assert rank_correlation(values, -values) == pytest.approx(-1.0)


def test_a_flat_map_is_like_a_flat_map_only():
    flat, other = np.zeros((4, 4)), np.arange(16.0).reshape(4, 4)
    assert rank_correlation(flat, other) == rank_correlation(other, flat) == 0.0
    assert rank_correlation(flat, flat + 2) == 1.0


def window():
    across = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    both = np.outer(across, across)
    return both / both.sum()


def slow_ssim(a, b, span):
    """Equation 13 of the paper with the weights of equation 14, window by window."""
    w, found = window(), []
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    for row in range(a.shape[0] - 10):
        for column in range(a.shape[1] - 10):
            x, y = (v[row : row + 11, column : column + 11] for v in (a, b))
            mx, my = (w * x).sum(), (w * y).sum()
            vx, vy = (w * (x - mx) ** 2).sum(), (w * (y - my) ** 2).sum()
            cov = (w * (x - mx) * (y - my)).sum()
            found.append(
                (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
            )
    return np.mean(found)


@pytest.mark.parametrize("span", [1.0, 2.0])
def test_ssim_is_that_of_the_paper(span):
    rng = np.random.default_rng(1)
    first = rng.random((20, 17))
    second = 0.6 * first + 0.4 * rng.random((20, 17))
    assert ssim(first, second, span) == pytest.approx(slow_ssim(first, second, span), abs=1e-9)
    assert ssim(first, first, span) == pytest.approx(1.0)


def test_ssim_of_a_map_smaller_than_the_window_is_finite():
    first, second = np.random.default_rng(2).random((2, 4, 3))
    assert -1.0 <= ssim(first, second, 1.0) <= 1.0


def test_maps_are_compared_as_they_are_drawn():
    maps = np.array([[[-4.0, 2.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]], np.float32)
    expected = [[[-1, 0.5], [0.25, 0]], [[0, 0], [0, 0]]]
    np.testing.assert_allclose(drawn(maps, relu=False, clip_percentile=100), expected)
    np.testing.assert_allclose(drawn(maps, relu=True, clip_percentile=100), np.maximum(expected, 0))
    assert drawn(maps, relu=True, clip_percentile=50)[0, 0, 1] == 1.0
