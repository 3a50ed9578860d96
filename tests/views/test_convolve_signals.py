"""Signals that slide over one another, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from cnnviz.course.signals import LONGEST
from cnnviz.errors import UsageError
from cnnviz.views.convolve_signals import convolve_signals
from tests.helpers.each_case import each_case


@each_case("lengths", [(1, 1), (9, 4), (3, 8), (12, 12)])
def test_the_result_is_that_of_numpy_and_scipy(lengths: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, h = (rng.normal(size=length) for length in lengths)
    found = convolve_signals(x, h)
    np.testing.assert_allclose(found.result, np.convolve(x, h), atol=1e-12)
    plain = convolve_signals(x, h, flip=False)
    np.testing.assert_allclose(plain.result, signal.correlate(x, h), atol=1e-12)
    for at in range(len(found.result)):
        assert (x * found.slid(at)).sum() == pytest.approx(found.result[at])
        assert (x * plain.slid(at)).sum() == pytest.approx(plain.result[at])


def test_a_single_impulse_becomes_the_response() -> None:
    found = convolve_signals([0, 0, 1, 0], [3, -2, 0.5])
    assert found.result.tolist() == [0, 0, 3, -2, 0.5, 0]
    assert (found.at, found.total) == (2, 3)
    assert "impulse response" in found.caption()
    assert "Cross-correlation" in convolve_signals(flip=False).caption()


def test_every_position_is_a_frame() -> None:
    found = convolve_signals([1, 2, 3], [1, -1])
    titles = [frame.canvas.axes[-1].get_title(loc="right") for frame in found.frames()]
    assert titles[0] == "y[0] = 1 = 1"
    assert titles[1] == "y[1] = −1 + 2 = 1"
    assert len(titles) == 5
    assert found.total == -3.0
    assert titles[-1] == f"y[{found.at}] = −3 = −3"
    heights = [bar.get_height() for bar in found.figure().axes[2].patches]
    assert heights == found.products.tolist()


def test_what_is_no_signal_is_a_sentence() -> None:
    for wrong in ([], [np.nan], [[1.0]], ["a"]):
        with pytest.raises(UsageError, match="no sequence of finite numbers"):
            convolve_signals(wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no position 17"):
        convolve_signals(at=17)
    with pytest.raises(UsageError, match="too long to be seen sliding"):
        convolve_signals(np.zeros(LONGEST + 1))
