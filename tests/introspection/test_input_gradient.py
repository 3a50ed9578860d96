"""The gradient at the input of a convolution is torch's own, for every form of one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cnnviz.introspection.fast_copy import input_gradient
from cnnviz.introspection.fast_copy.input_gradient import InputGradient
from cnnviz.introspection.fast_copy.packed import packs
from tests.helpers.each_case import each_case

pytestmark = pytest.mark.skipif(not packs(), reason="this processor or torch packs no weights")

FORMS: list[tuple[tuple[int, int, int], dict[str, object]]] = [
    *[((6, 8, 3), {"padding": margin}) for margin in (0, 1, 2)],
    ((6, 8, 1), {"stride": 2}),
    ((6, 8, 3), {"stride": 2, "padding": 1}),
    ((6, 8, 3), {"stride": (3, 1), "dilation": (1, 2)}),
    ((6, 6, 3), {"groups": 6, "padding": 1}),
    ((6, 8, 5), {"groups": 2, "stride": 2}),
    ((3, 8, 7), {"stride": 2, "padding": 3}),
    *[((3, 8, side), {"stride": 2}) for side in (2, 3, 4, 7)],
    *[((3, 8, 3), {"stride": 2, "padding": margin}) for margin in (1, 2)],
    ((3, 8, 11), {"stride": 4, "padding": 2}),
    ((1, 8, 4), {"stride": 4}),
    ((4, 8, 5), {"stride": 3, "padding": 1}),
]


def pair(sizes: tuple[int, int, int], named: dict[str, object]) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(*sizes, **named).requires_grad_(False)  # type: ignore[arg-type]


def reference(layer: nn.Conv2d, inputs: torch.Tensor, back: torch.Tensor) -> torch.Tensor:
    leaf = inputs.double().requires_grad_()
    double = nn.Conv2d.forward(_double(layer), leaf)
    return torch.autograd.grad(double, leaf, back.double())[0].float()


def _double(layer: nn.Conv2d) -> nn.Conv2d:
    other = nn.Conv2d(
        *(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride),  # type: ignore[arg-type]
        *(layer.padding, layer.dilation, layer.groups),  # type: ignore[arg-type]
    )
    other.load_state_dict(layer.state_dict())
    return other.double().requires_grad_(False)


@each_case(("sizes", "named"), FORMS)
@each_case("order", [torch.contiguous_format, torch.channels_last])
def test_it_is_that_of_double_precision(sizes, named, order) -> None:
    layer = pair(sizes, named)
    found = InputGradient()
    for height, width in ((20, 20), (20, 20), (21, 25), (22, 19)):
        inputs = torch.randn(2, sizes[0], height, width)
        back = torch.randn_like(layer(inputs)).contiguous(memory_format=order)
        expected = reference(layer, inputs, back)
        torch.testing.assert_close(
            found(back, inputs.shape, lambda: layer), expected, atol=2e-5, rtol=0
        )
    assert found.bytes > 0, "it was not computed on packed weights"


def test_torch_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, found, inputs = pair((6, 8, 3), {}), InputGradient(), torch.randn(2, 6, 12, 12)
    back = torch.randn_like(layer(inputs))
    expected = found(back, inputs.shape, lambda: layer)
    monkeypatch.delattr(input_gradient, "_by_torch")
    again = found(back, inputs.shape, lambda: layer)
    torch.testing.assert_close(again, expected, atol=2e-5, rtol=0)


def test_a_gradient_of_zero_or_nan_tells_nothing() -> None:
    layer = pair((6, 8, 3), {})
    found = InputGradient()
    for value in (0.0, float("nan")):
        back = torch.full((1, 8, 4, 4), value)
        assert torch.equal(
            found(back, torch.Size((1, 6, 6, 6)), lambda: layer).isnan(),
            torch.full((1, 6, 6, 6), value).isnan(),
        )
        assert found.bytes == 0
    back = torch.randn(1, 8, 4, 4)
    expected = reference(layer, torch.zeros(1, 6, 6, 6), back)
    torch.testing.assert_close(found(back, torch.Size((1, 6, 6, 6)), lambda: layer), expected)
    assert found.bytes > 0


def test_one_that_is_apart_from_torchs_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    transposed = input_gradient._Transposed.__call__
    monkeypatch.setattr(
        input_gradient._Transposed, "__call__", lambda *given: transposed(*given) * 1.001
    )
    layer = pair((6, 8, 3), {})
    found, back = InputGradient(), torch.randn(1, 8, 4, 4)
    for _ in range(2):
        expected = reference(layer, torch.zeros(1, 6, 6, 6), back)
        torch.testing.assert_close(found(back, torch.Size((1, 6, 6, 6)), lambda: layer), expected)
    assert found.bytes == 0


def test_a_first_layer_with_a_stride_is_taken_phase_by_phase() -> None:
    found, layer = InputGradient(), pair((3, 8, 7), {"stride": 2, "padding": 3})
    found(torch.randn(1, 8, 10, 10), torch.Size((1, 3, 20, 20)), lambda: layer)
    assert isinstance(found._fast, input_gradient._Phases)
