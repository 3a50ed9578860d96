"""A network is tried on inputs without its convolutions being computed, unless that matters."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from cnnviz import Model, Preprocessing
from cnnviz.errors import ModelError
from cnnviz.models import trial_time
from cnnviz.models.input_trials import find_input, gave_up
from tests.helpers.each_case import each_case

SEEN: list[float] = []


class Noting(nn.Module):
    """Notes the largest value behind its convolution, whose bias is 1, in every pass."""

    def __init__(self, *, draws: bool = False, side: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        nn.init.ones_(self.conv.bias)
        self.head = nn.Linear(2 * side * side if side else 2, 4)
        self.draws, self.side = draws, side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.conv(x)
        SEEN.append(float(maps.max()))
        if self.draws:
            torch.multinomial(maps.flatten(2)[0, 0, :100], 1)
        return self.head(maps.flatten(1) if self.side else maps.mean((2, 3)))


def tried(network: nn.Module) -> tuple[int, int | None, list[float]]:
    SEEN.clear()
    found = find_input(network.eval())
    assert found is not None
    return found.side, found.outputs, list(SEEN)


def test_convolutions_are_not_computed() -> None:
    assert tried(Noting()) == (224, 4, [0.0])


def test_a_network_that_takes_no_zeros_is_run_as_it_is() -> None:
    # There is nothing to draw where all are equally impossible.
    assert tried(Noting(draws=True)) == (224, 4, [0.0, 1.0])


def test_what_does_not_fit_is_not_tried_twice() -> None:
    side, outputs, seen = tried(Noting(side=32))
    assert (side, outputs) == (32, 4)
    assert set(seen) == {0.0}


def test_the_size_of_a_graph_of_operations_is_found() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 26**2, 4))
    found = find_input(torch.fx.symbolic_trace(network.eval()))
    assert found is not None
    assert (found.channels, found.side, found.outputs) == (3, 28, 4)


def test_an_exported_program_takes_the_size_it_was_exported_for() -> None:
    network = nn.Sequential(nn.Conv2d(5, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    found = find_input(torch.export.export(network, (torch.rand(1, 5, 44, 44),)).module())
    assert found is not None
    assert (found.channels, found.side, found.outputs) == (5, 44, 2)


class Failing(Noting):
    """Fails at the end of every pass."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        SEEN.append(float(x.shape[-1]))
        self.conv(x)
        raise LookupError("no table")


def test_a_network_that_fails_whatever_it_is_given_is_not_tried_at_ever_more_sides() -> None:
    SEEN.clear()
    assert find_input(Failing().eval()) is None
    assert len(SEEN) < 100
    larger = {side for side in SEEN if side > 512}
    assert larger == {1024}, "tells whether all others are too small"


class Demanding(Noting):
    """Takes images from a side on, of which it tells nothing, and may need values."""

    def __init__(self, least: int, *, values: bool, exact: bool = False) -> None:
        super().__init__()
        self.least, self.values, self.exact = least, values, exact

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side = x.shape[-1]
        if side < self.least or (self.exact and side != self.least):
            raise ValueError("not of this size")
        maps = self.conv(x).mean((2, 3))
        return self.head(maps.clamp(max=maps.max().item()) if self.values else maps)


@each_case(
    "least, values, exact, found",
    [
        (299, True, True, 299),
        (600, False, False, 768),
    ],
)
def test_a_network_that_fails_alike_at_all_small_sides_may_take_a_large_one(
    least: int, values: bool, exact: bool, found: int
) -> None:
    network = Demanding(least, values=values, exact=exact).eval()
    taken = find_input(network)
    assert taken is not None
    assert (taken.channels, taken.side) == (3, found)


class Pooled(Noting):
    """Halves its maps twice, so that no layer tells its side; needs values, unlike shapes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        SEEN.append(float(x.max()))
        return self.head(nn.functional.max_pool2d(self.conv(x), 4).flatten(1))


def test_the_side_that_values_are_needed_for_is_found_between_those_tried_before() -> None:
    # 200 px lie between 128, of which is known how it failed, and 256.
    side, outputs, seen = tried(Pooled(side=50))
    assert (200 <= side < 204, outputs) == (True, 4)
    assert len(seen) < 60


def test_a_layer_that_stands_twice_in_a_network_stands_twice_in_its_copy() -> None:
    conv = nn.Conv2d(3, 3, 3, padding=1)
    head = nn.Linear(3 * 32 * 32, 4)
    found = find_input(nn.Sequential(conv, nn.ReLU(), conv, nn.Flatten(), head).eval())
    assert found is not None
    assert (found.side, found.outputs) == (32, 4)


def test_what_shrinks_the_image_little_is_deep_and_gives_scores() -> None:
    def small(*tail: nn.Module, depth: int, stride: int) -> bool:
        convolutions = [nn.Conv2d(3, 3, 3, padding=1) for _ in range(depth - 1)]
        found = find_input(nn.Sequential(nn.Conv2d(3, 3, stride, stride), *convolutions, *tail))
        assert found is not None
        assert (found.mapped is None) == bool(tail or stride > 1)
        return found.of_small_images

    scores = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert small(*scores, depth=5, stride=4)
    assert not small(*scores, depth=4, stride=4)
    assert not small(*scores, depth=5, stride=5)
    assert not small(depth=5, stride=1)


class Slow(nn.Module):
    """Fails late on all sides but one."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.conv, self.side = nn.Conv2d(3, 4, 3), side

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        if x.shape[-1] != self.side:
            time.sleep(0.001)
            raise ValueError("of another size")
        return y.mean((2, 3))


def test_a_search_ends_when_failing_takes_long_and_the_error_says_so(monkeypatch) -> None:
    """A network that refused all sizes slowly was tried for half a minute, without a word."""
    monkeypatch.setattr(trial_time, "LONGEST", 0.004)
    network = Slow(side=7)
    assert find_input(network) is None
    assert gave_up(network)
    stated = Preprocessing(resize=None, crop=None, mean=(0.0,) * 3, std=(1.0,) * 3)
    with pytest.raises(ModelError, match=r"Not all usual sizes were tried: .* own passes\."):
        Model(network, preprocessing=stated).forward(torch.zeros(1, 3, 50, 50))
    with pytest.raises(ModelError, match=r"Not all usual sizes were tried: .* own passes\."):
        Model(network).forward(torch.zeros(1, 3, 50, 50))
    monkeypatch.undo()
    assert find_input(Slow(side=28)).side == 28
    assert not gave_up(Slow(side=28))
