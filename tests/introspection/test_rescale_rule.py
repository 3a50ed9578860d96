"""DeepLIFT's rule, beside its formulas written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.introspection.rescale_rule import rescale_rule, without_rule
from tests.helpers.each_case import each_case

Call = Callable[[torch.Tensor], Any]

ACTIVATIONS: dict[str, tuple[Call, Call]] = {
    # Each as a network may write it, and its formula.
    "ReLU layer": (nn.ReLU(), torch.relu),
    "ReLU in place": (lambda x: F.relu(x * 1.0, inplace=True), torch.relu),
    "ReLU method": (lambda x: (x * 1.0).relu_(), torch.relu),
    "ReLU as maximum": (lambda x: torch.maximum(x, torch.zeros(())), torch.relu),
    "ReLU as mask": (lambda x: x * (x > 0), torch.relu),
    "ReLU as mean": (lambda x: (x + x.abs()) / 2, torch.relu),
    "ReLU6": (nn.ReLU6(), lambda x: x.clamp(0.0, 6.0)),
    "leaky": (nn.LeakyReLU(0.2), lambda x: torch.where(x > 0, x, 0.2 * x)),
    "PReLU": (
        lambda x: F.prelu(x, torch.tensor([0.3], dtype=x.dtype)),
        lambda x: torch.where(x > 0, x, 0.3 * x),
    ),
    "GELU": (nn.GELU(), lambda x: x * 0.5 * (1.0 + torch.erf(x / 2.0**0.5))),
    "SiLU in place": (lambda x: F.silu(x * 1.0, inplace=True), lambda x: x / (1.0 + (-x).exp())),
    "Hardswish": (nn.Hardswish(), lambda x: x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
    "ELU": (nn.ELU(), lambda x: torch.where(x > 0, x, x.exp() - 1.0)),
    "tanh": (torch.tanh, lambda x: 1.0 - 2.0 / ((2.0 * x).exp() + 1.0)),
    "sigmoid in place": (lambda x: (x * 1.0).sigmoid_(), lambda x: 1.0 / (1.0 + (-x).exp())),
    "softplus": (nn.Softplus(), lambda x: (1.0 + x.exp()).log()),
    "square": (lambda x: x**2, lambda x: x * x),
    "operator": (torch.ops.aten.gelu, F.gelu),
}  # fmt: skip


def multiplier(call: Call, image: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    image, start = image.clone().requires_grad_(), start.clone().requires_grad_()
    with rescale_rule() as baseline:
        call(start)
    with rescale_rule(baseline) as rule:
        output = call(image)
    assert rule.ended_alike
    assert not without_rule(output)
    torch.testing.assert_close(output.detach(), call(image.detach()))
    weights = torch.arange(1.0, output.numel() + 1.0, dtype=image.dtype).reshape(output.shape)
    return torch.autograd.grad((weights * output).sum(), image)[0]


def values(*shape: int, seed: int) -> torch.Tensor:
    return 3.0 * torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


@each_case("name", ACTIVATIONS)
def test_an_activation_sends_back_the_quotient_of_differences(name: str) -> None:
    call, formula = ACTIVATIONS[name]
    image, start = values(2, 3, 4, seed=0), values(2, 3, 4, seed=1)
    start[0] = image[0]
    found = multiplier(call, image, start)
    weights = torch.arange(1.0, 25.0, dtype=torch.float64).reshape(2, 3, 4)
    wanted = weights * (formula(image) - formula(start)) / (image - start)
    torch.testing.assert_close(found[1], wanted[1])
    # Where nothing changes it is the slope.
    slope = weights * (formula(image + 1e-6) - formula(image - 1e-6)) / 2e-6
    torch.testing.assert_close(found[0], slope[0], rtol=1e-4, atol=1e-6)


MAXIMA: dict[str, tuple[Call, Callable[[int, int], list[list[tuple[int, int]]]]]] = {
    # Each call, and the places [rows, columns] of its windows.
    "apart": (nn.MaxPool2d(2), lambda h, w: _windows(h, w, 2, 2, 0)),
    "overlapping": (nn.MaxPool2d(3, 2), lambda h, w: _windows(h, w, 3, 2, 0)),
    "function, padded": (lambda x: F.max_pool2d(x, 3, 1, 1), lambda h, w: _windows(h, w, 3, 1, 1)),
    "with indices": (
        lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
        lambda h, w: _windows(h, w, 2, 2, 0),
    ),
    "adaptive": (nn.AdaptiveMaxPool2d(1), lambda h, w: [_all(h, w)]),
    "amax": (lambda x: x.amax((2, 3)), lambda h, w: [_all(h, w)]),
    "amax kept": (lambda x: torch.amax(x, (-1, -2), keepdim=True), lambda h, w: [_all(h, w)]),
    "max of rows": (
        lambda x: x.max(-1).values,
        lambda h, w: [[(i, j) for j in range(w)] for i in range(h)],
    ),
    "max of columns": (
        lambda x: torch.max(x, 2, keepdim=True)[0],
        lambda h, w: [[(i, j) for i in range(h)] for j in range(w)],
    ),
}  # fmt: skip


def _all(h: int, w: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(h) for j in range(w)]


def _windows(h: int, w: int, size: int, step: int, pad: int) -> list[list[tuple[int, int]]]:
    return [
        [
            (i, j)
            for i in range(a, a + size)
            for j in range(b, b + size)
            if 0 <= i < h and 0 <= j < w
        ]
        for a in range(-pad, h + pad - size + 1, step)
        for b in range(-pad, w + pad - size + 1, step)
    ]


@each_case("name", MAXIMA)
def test_the_change_of_a_maximum_goes_to_the_larger_of_the_two(name: str) -> None:
    call, windows = MAXIMA[name]
    image, start = values(1, 2, 6, 5, seed=2), values(1, 2, 6, 5, seed=3)
    wanted = torch.zeros_like(image)
    weight = 0.0
    for channel in range(2):
        for window in windows(6, 5):
            weight += 1.0
            of_image, of_start = (
                {p: float(x[0, channel][p]) for p in window} for x in (image, start)
            )
            at, before = (
                max(of_image, key=of_image.__getitem__),
                max(of_start, key=of_start.__getitem__),
            )
            rise = of_image[at] - of_start[before]
            place = at if rise > 0 else before
            wanted[0, channel][place] += weight * rise
    found = multiplier(call, image, start) * (image - start)
    torch.testing.assert_close(found, wanted)


def _same_shape(seed: int) -> torch.Tensor:
    return values(2, 4, 3, 3, seed=seed)


SEVERAL: dict[str, Call] = {
    "layer norm": lambda x: F.layer_norm(x, (3, 3), _same_shape(8)[0, 0], _same_shape(9)[0, 0]),
    "group norm": lambda x: F.group_norm(x, 2, *_same_shape(8)[:, :, 0, 0]),
    "instance norm": lambda x: F.instance_norm(x),
    "rms norm": lambda x: F.rms_norm(x, (3,)),
    "normalize": lambda x: F.normalize(x, dim=1),
    "cosine": lambda x: F.cosine_similarity(x, _same_shape(8), dim=1),
    "cosine of two": lambda x: F.cosine_similarity(x[:, :2], x[:, 2:], dim=1),
    "norm": lambda x: x.norm(dim=(1, 2)),
    "vector norm": lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True),
    "softmax": lambda x: F.softmax(x, 1),
    "log softmax": lambda x: x.log_softmax(1),
    "attention": lambda x: F.scaled_dot_product_attention(x, 0.1 * x.flip(1), x.mT),
    "gated": lambda x: F.glu(x, 1),
    "quotient": lambda x: 2.0 / (1.0 + x.abs()) / (3.0 + x[:, :1].abs()),
    "product": lambda x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    "product in place": lambda x: (x + 1.0).mul_(x[:, :1].tanh()),
    "matrices": lambda x: x @ x.mT,
}  # fmt: skip


@each_case("name", SEVERAL)
def test_what_is_made_of_products_adds_up_too(name: str) -> None:
    call, image, start = SEVERAL[name], _same_shape(4), _same_shape(5)
    found = multiplier(call, image, start) * (image - start)
    rise = call(image) - call(start)
    weights = torch.arange(1.0, rise.numel() + 1.0, dtype=rise.dtype).reshape(rise.shape)
    torch.testing.assert_close(found.sum(), (weights * rise).sum())


def test_each_factor_of_a_product_gets_its_change_times_the_mean_of_the_other() -> None:
    image, start = values(1, 2, 5, seed=6), values(1, 2, 5, seed=7)
    found = multiplier(lambda x: x[:, 0] * x[:, 1], image, start)
    weights, mean = torch.arange(1.0, 6.0, dtype=torch.float64), (image + start) / 2
    torch.testing.assert_close(found, (weights * mean).flip(1))


def test_all_signals_are_there_through_every_kind_of_layer() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.GELU(), nn.MaxPool2d(3, 2), nn.Conv2d(8, 8, 3),
        nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1), nn.Flatten(), nn.Linear(32, 1, bias=False),
    ).double().eval()  # fmt: skip
    image, start = values(1, 3, 15, 15, seed=4), values(1, 3, 15, 15, seed=5)
    found = multiplier(network, image, start) * (image - start)
    torch.testing.assert_close(found.sum(), (network(image) - network(start)).sum())


def test_what_has_no_rule_is_counted() -> None:
    image = values(1, 4, 3, seed=6).requires_grad_()
    with rescale_rule():
        output = image.tanh().logsumexp(1)
    assert without_rule(output) == {"log-sum-exp": 1}


def test_passes_in_other_steps_are_noticed() -> None:
    image = values(1, 4, 3, seed=7).requires_grad_()
    with rescale_rule() as baseline:
        F.max_pool1d(image.relu(), 2)
    for call in (lambda: image.relu(), lambda: image.relu().relu(), lambda: image[:, :2].relu()):
        with rescale_rule(baseline) as rule:
            call()
        assert not rule.ended_alike
