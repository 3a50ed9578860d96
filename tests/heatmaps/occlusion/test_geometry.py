"""The intervals against masks that torch itself slides its windows over."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from cnnviz.heatmaps.occlusion.geometry import SlidingWindow, reached, span, united, whole
from tests.helpers.each_case import each_case

windows = st.builds(
    SlidingWindow,
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
)


def outputs_that_read(mask: torch.Tensor, window: SlidingWindow) -> torch.Tensor:
    """Return for each output whether its window holds a changed position."""
    kernel = torch.ones(1, 1, window.kernel)
    steps = (window.stride, window.padding, window.dilation)
    return functional.conv1d(mask[None, None], kernel, None, *steps)[0, 0] > 0


@given(windows, st.integers(1, 30), st.data())
@settings(deadline=None, max_examples=100)
def test_outputs_are_those_that_read_what_changed(window: SlidingWindow, length: int, data) -> None:
    if length + 2 * window.padding < window.extent:
        return
    lows = [data.draw(st.integers(0, length - 1)) for _ in range(3)]
    highs = [data.draw(st.integers(low + 1, length)) for low in lows]
    marks = torch.stack(
        [
            (torch.arange(length) >= a) & (torch.arange(length) < b)
            for a, b in zip(lows, highs, strict=True)
        ]
    )
    wanted = [outputs_that_read(mark.float(), window) for mark in marks]
    found = reached(span(lows, highs, length), window, len(wanted[0]))
    for row, mark in enumerate(wanted):
        places = mark.nonzero()[:, 0].tolist()
        assert all(found.lows[row] <= place < found.highs[row] for place in places)
        # With gaps in the window the outputs between may read nothing that changed.
        if window.dilation == 1 and window.stride <= window.kernel:
            assert found.highs[row] - found.lows[row] == len(places)


@given(st.integers(1, 20), st.data())
@settings(deadline=None)
def test_what_is_stored_holds_what_changed_and_lies_inside(length: int, data) -> None:
    lows = [data.draw(st.integers(0, length - 1)) for _ in range(4)]
    highs = [data.draw(st.integers(low + 1, length)) for low in lows]
    found = span(lows, highs, length)
    assert found.size == max(high - low for low, high in zip(lows, highs, strict=True))
    for start, low, high in zip(found.starts, lows, highs, strict=True):
        assert 0 <= start <= low
        assert high <= start + found.size <= length


def test_a_union_holds_all_parts() -> None:
    found = united([span([2, 5], [4, 6], 10), span([3, 1], [7, 2], 10)])
    assert (found.lows, found.highs, found.size) == ((2, 1), (7, 6), 5)
    assert found.starts == (2, 1)


def test_a_whole_map_is_full() -> None:
    assert whole(3, 7).full
    assert not span([0], [6], 7).full


@each_case(("cap", "wanted"), [(None, (2, 10)), (0.5, (3, 9)), (0.1, (4, 8))])
def test_a_cap_keeps_the_middle_but_never_less_than_came_in(cap, wanted) -> None:
    found = reached(span([4], [8], 12), SlidingWindow(5, padding=2), 12, cap)
    assert (found.lows[0], found.highs[0]) == wanted


@each_case(("kernel", "stride", "padding", "dilation"), [
    (3, 1, 1, 1), (3, 1, 0, 1), (5, 2, 2, 1), (3, 2, 1, 2), (2, 3, 0, 1), (7, 2, 3, 1),
])  # fmt: skip
@each_case("length", [9, 10, 11, 12])
def test_a_window_reaches_past_the_end_as_far_as_its_last_place(
    kernel: int, stride: int, padding: int, dilation: int, length: int
) -> None:
    window = SlidingWindow(kernel, stride, padding, dilation)
    outputs = window.outputs(length)
    last = max(
        place * stride + within * dilation - padding
        for place in range(outputs)
        for within in range(kernel)
    )
    assert window.beyond(length, outputs) == max(0, last + 1 - length)
