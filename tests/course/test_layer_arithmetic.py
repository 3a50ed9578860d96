"""The arithmetic of layers: every formula gives what PyTorch gives, or says that it does not."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, example, given, settings
from hypothesis import strategies as some
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnnviz.course.layer_arithmetic import LayerArithmetic, layer_arithmetic
from cnnviz.introspection.tracing import trace
from tests.helpers.each_case import each_case

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MAXIMA = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
MEANS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def explain(module: nn.Module, *shape: int) -> tuple[LayerArithmetic, ...]:
    return layer_arithmetic(trace(module.eval(), shape))


def measure(layer: nn.Module, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Return the output's size by running the layer, and its MACs as PyTorch counts FLOPs."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = layer.eval()(torch.zeros(1, *shape))
    return tuple(output.shape[2:]), counter.get_total_flops() // 2


@some.composite
def windows(draw: Any) -> dict[str, Any]:
    axes = draw(some.integers(1, 3))

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(some.integers(low, high)) for _ in range(axes))

    kernel = each(1, 4)
    return {
        "axes": axes,
        "kernel_size": kernel,
        "stride": each(1, 3),
        "dilation": each(1, 2),
        "padding": tuple(draw(some.integers(0, one // 2)) for one in kernel),
        "size": each(7, 11),
    }


def taken(drawn: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: drawn[name] for name in ("kernel_size", "stride", "padding", *names)}


def check_sizes(found: LayerArithmetic, measured: tuple[int, ...], drawn: dict[str, Any]) -> None:
    assert tuple(one.output for one in found.size_terms) == measured
    for axis, one in enumerate(found.size_terms):
        assert (one.size, one.kernel) == (drawn["size"][axis], drawn["kernel_size"][axis])
        assert one.stride == drawn["stride"][axis]
        # Counted from the windows themselves: where each begins and the last one ends.
        reach = one.dilation * (one.kernel - 1) + 1
        places = set()
        for window in range(one.output):
            places |= set(range(window * one.stride, window * one.stride + reach))
        end = max(places)
        padded = one.size + one.padding
        assert one.overhang == max(0, end + 1 - padded)
        assert one.remainder == max(0, padded - end - 1)
        pad = one.padding // 2
        inside = [place for place in range(end + 1, padded) if pad <= place < pad + one.size]
        assert one.dropped == len(inside)
    assert found.fits == all(not (one.remainder or one.overhang) for one in found.size_terms)
    assert bool(found.left_over) == (not found.fits)


ONE_ROW = {
    "axes": 2,
    "kernel_size": (4, 1),
    "stride": (3, 1),
    "dilation": (2, 1),
    "padding": (1, 0),
    "size": (7, 7),
}
"""Of the window 7 rows high, 5 lie in the image: it is 7 all the same, as where there are more."""


@given(windows(), some.integers(1, 3), some.integers(1, 2), some.integers(1, 2), some.booleans())
@example(ONE_ROW, 1, 1, 1, True)
@settings(max_examples=60, deadline=None)
def test_a_convolution(
    drawn: dict[str, Any], groups: int, read: int, made: int, bias: bool
) -> None:
    layer = CONVOLUTIONS[drawn["axes"] - 1](
        groups * read, groups * made, groups=groups, bias=bias, **taken(drawn, "dilation")
    )
    shape = (groups * read, *drawn["size"])
    measured, macs = measure(layer, shape)
    (found,) = explain(layer, *shape)
    check_sizes(found, measured, drawn)
    assert found.parameter_terms is not None
    assert found.parameter_terms.total == sum(one.numel() for one in layer.parameters())
    assert ("no bias" in found.parameters) == (not bias)
    assert found.mac_terms is not None
    assert found.mac_terms.total == macs
    reach = [d * (k - 1) + 1 for d, k in zip(drawn["dilation"], drawn["kernel_size"], strict=True)]
    assert [one.after for one in found.field_terms] == reach


@given(windows(), some.booleans(), some.booleans())
@settings(max_examples=60, deadline=None)
def test_pooling(drawn: dict[str, Any], ceil_mode: bool, largest: bool) -> None:
    further = ("dilation",) if largest else ()
    if not largest:
        drawn["dilation"] = (1,) * drawn["axes"]
    kinds = MAXIMA if largest else MEANS
    layer = kinds[drawn["axes"] - 1](ceil_mode=ceil_mode, **taken(drawn, *further))
    shape = (2, *drawn["size"])
    measured, _ = measure(layer, shape)
    (found,) = explain(layer, *shape)
    check_sizes(found, measured, drawn)
    assert (found.parameters, found.macs) == ("", "")


@given(windows(), some.integers(1, 2), some.integers(1, 2), some.booleans(), some.booleans())
@settings(max_examples=60, deadline=None)
def test_a_transposed_convolution(
    drawn: dict[str, Any], groups: int, made: int, bias: bool, further: bool
) -> None:
    added = tuple(
        int(further and max(one, other) > 1)
        for one, other in zip(drawn["stride"], drawn["dilation"], strict=True)
    )
    layer = TRANSPOSED[drawn["axes"] - 1](
        2 * groups,
        groups * made,
        groups=groups,
        bias=bias,
        output_padding=added,
        **taken(drawn, "dilation"),
    )
    shape = (2 * groups, *drawn["size"])
    measured, macs = measure(layer, shape)
    assume(min(measured) > 0)
    (found,) = explain(layer, *shape)
    assert tuple(one.output for one in found.size_terms) == measured
    assert found.parameter_terms is not None
    assert found.parameter_terms.total == sum(one.numel() for one in layer.parameters())
    assert found.mac_terms is not None
    assert found.mac_terms.total == macs


@given(some.integers(1, 40), some.integers(1, 40), some.booleans())
@settings(max_examples=20, deadline=None)
def test_a_linear_layer(inside: int, outside: int, bias: bool) -> None:
    layer = nn.Sequential(nn.Flatten(), nn.Linear(inside, outside, bias=bias))
    found = explain(layer, 1, 1, inside)[1]
    assert found.parameter_terms is not None
    assert found.parameter_terms.total == sum(one.numel() for one in layer.parameters())
    assert found.mac_terms is not None
    assert found.mac_terms.total == measure(layer, (1, 1, inside))[1]


@each_case("axes", [1, 2, 3])
def test_batch_norm(axes: int) -> None:
    layer = NORMS[axes - 1](5)
    (found,) = explain(layer, 5, *(4,) * axes)
    assert found.parameters == "2·5 = 10"
    assert found.size == "unchanged: element by element"
    (bare,) = explain(NORMS[axes - 1](5, affine=False), 5, *(4,) * axes)
    assert bare.parameters == ""


def test_the_lines_of_alexnet_are_those_of_the_lecture() -> None:
    layer = nn.Conv2d(3, 96, 11, stride=4)
    (found,) = explain(layer, 3, 227, 227)
    assert found.size == "(227 − 11)/4 + 1 = 55"
    assert found.parameters == "(11·11·3)·96 + 96 = 34,944"
    assert found.macs == "55·55·96·(11·11·3) = 105,415,200"
    assert found.field == "1 + (11 − 1)·1 = 11"
    assert found.fits
    (small,) = explain(layer, 3, 224, 224)
    assert small.size == "(224 − 11)/4 + 1 = 54.25, rounded down: 54"
    assert small.left_over.startswith("the last row and the last column of the input dropped")


@pytest.mark.parametrize(
    ("stack", "side"),
    [
        (
            [nn.Conv2d(1, 1, 3, 2), nn.Conv2d(1, 1, 5, 1), nn.AvgPool2d(2, 2), nn.Conv2d(1, 1, 3)],
            61,
        ),
        ([nn.Conv2d(1, 1, 3, dilation=3), nn.AvgPool2d(3, 2), nn.Conv2d(1, 1, 2, 2)], 41),
    ],
)
def test_the_field_is_where_a_gradient_comes_back_to(stack: list[nn.Module], side: int) -> None:
    """Measured by the gradient of one position, with every weight one and no ReLU between."""
    for layer in stack:
        for one in layer.parameters():
            nn.init.ones_(one)
    for depth in range(1, len(stack) + 1):
        part = nn.Sequential(*stack[:depth])
        image = torch.zeros(1, 1, side, side, requires_grad=True)
        output = part(image)
        middle = output.shape[-1] // 2
        (gradient,) = torch.autograd.grad(output[0, 0, middle, middle], image)
        rows = gradient[0, 0].abs().sum(1).nonzero()
        found = explain(part, 1, side, side)[-1]
        assert [one.after for one in found.field_terms] == [int(rows.max() - rows.min()) + 1] * 2


def test_padding_that_is_not_the_same_on_both_sides_is_told_as_it_is() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (found,) = explain(nn.Conv2d(2, 4, 4, padding="same"), 2, 9, 9)
    assert found.size == "(9 − 4 + 1 + 2)/1 + 1 = 9"
    assert [(one.padding_before, one.padding_after) for one in found.size_terms] == [(1, 2)] * 2
    (wrapped,) = explain(nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), 2, 9, 9)
    assert wrapped.size == "(9 − 3 + 2·1)/1 + 1 = 9"
    (mirrored,) = explain(nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), 2, 9, 9)
    assert mirrored.size == "(9 − 3 + 2·1)/1 + 1 = 9"


def test_a_layer_of_padding_tells_what_it_adds_and_cuts_off() -> None:
    layers = (
        nn.ZeroPad2d((1, 0, 2, 3)),
        nn.ReplicationPad2d(2),
        nn.CircularPad2d((0, 1, 1, 1)),
        nn.ConstantPad2d((-1, -2, 0, 0), 0.5),
    )
    found = [explain(layer, 2, 9, 8)[0] for layer in layers]
    assert [one.kind for one in found] == ["pad"] * 4
    assert [one.size for one in found] == [
        "height 9 + 2 + 3 = 14; width 8 + 1 = 9",
        "height 9 + 2 + 2 = 13; width 8 + 2 + 2 = 12",
        "height 9 + 1 + 1 = 11; width 8 + 1 = 9",
        "height 9 = 9; width 8 − 1 − 2 = 5",
    ]


class Ring(nn.Module):
    """A convolution around a ring, as somebody writes it: one layer, which pads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 2, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), self.weight)


def test_a_layer_of_somebodys_own_that_wraps_is_explained_as_torchs_is() -> None:
    (found,) = explain(Ring(), 2, 9, 9)
    assert (found.kind, found.size) == ("conv", "(9 − 3 + 2·1)/1 + 1 = 9")


def test_where_no_formula_applies_it_is_said() -> None:
    pooled, single = (explain(nn.AdaptiveAvgPool2d(size), 2, 9, 9)[0] for size in ((4, 4), (1, 1)))
    assert (pooled.size_terms, pooled.fits) == ((), None)
    assert "does not apply; here they differ in size" in pooled.size
    assert single.size == "the whole 9 x 9 becomes one value for each channel, whatever its size"
    (even,) = explain(nn.AdaptiveMaxPool2d(3), 2, 9, 9)
    assert even.size.endswith("here each has 3 x 3")


def test_a_weight_that_is_computed_from_others_has_no_formula_of_its_own() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 4, 3))
    found = next(one for one in explain(layer, 2, 9, 9) if one.size_terms)
    total = sum(one.numel() for one in layer.parameters())
    assert found.parameter_terms is None
    assert found.parameters == f"{total}, as counted"


def test_branches_are_put_side_by_side_and_added() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat([self.one(x), self.other(x)], 1) + 1 * self.other(x).sum(1, True)

    found = {one.kind: one for one in explain(Branches(), 3, 8, 8)}
    assert found["cat"].size == "4 + 5 = 9 channels, side by side"
    assert found["add"].size == "added element by element"
    shared = explain(Branches(), 3, 8, 8)[3]
    assert shared.layer == "other#1"
    assert shared.parameters.endswith("= 140 (shared: counted at their first use)")


def test_what_no_formula_gives_is_said_in_words() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.AdaptiveAvgPool2d((4, 4)),
        nn.AdaptiveMaxPool2d(4),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    _, fitted, kept, whole, flat, linear = explain(network, 3, 8, 8)
    assert fitted.size.endswith("does not apply; here each has 2 x 2")
    assert kept.size.endswith("does not apply; here each has 1 x 1")
    assert whole.size == "the whole 4 x 4 becomes one value for each channel, whatever its size"
    assert flat.size == "4·1·1 = 4 values in a row"
    assert linear.size == "one number for each of the 3 outputs"
    assert [one.field for one in (fitted, kept)] == ["4 x 4, measured", "4 x 4, as before"]
    assert [one.field for one in (whole, flat, linear)] == [
        "whole image, measured",
        *["whole image, as before"] * 2,
    ]
