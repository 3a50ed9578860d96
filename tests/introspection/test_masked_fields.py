"""Receptive fields behind masks and zeros, against the support of the gradient at every place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn
from torch.nn.utils import prune

from cnnviz.introspection.receptive_fields import PixelBox
from cnnviz.introspection.tracing import trace
from cnnviz.introspection.tracing.fields import NOTHING
from cnnviz.introspection.tracing.kernel_taps import sliding
from cnnviz.introspection.tracing.masked_windows import _windowed
from tests.helpers.each_case import each_case

HEIGHT, WIDTH = 6, 7
MASK = torch.zeros(HEIGHT, WIDTH)
MASK[1:4, 2:5] = 1
KERNEL = torch.zeros(2, 2, 3, 3)
KERNEL[0, 0, 0] = KERNEL[0, 1, 1, :2] = KERNEL[1, 1, 1, 0] = 1
BAND = torch.eye(WIDTH)[:, 2:5] + torch.eye(WIDTH)[:, 3:6]
NEAR = (torch.arange(HEIGHT * WIDTH)[:, None] - torch.arange(HEIGHT * WIDTH)).abs() < 3


class Masked(nn.Module):
    """A function of a map, a free weight of its own, between two convolutions."""

    def __init__(self, function: Callable[..., torch.Tensor], *weight: int) -> None:
        super().__init__()
        self.function = function
        self.first, self.last = nn.Conv2d(1, 2, 2), nn.Conv2d(2, 2, (2, 1))
        self.weight = nn.Parameter(torch.rand(weight) + 0.5) if weight else None
        self.register_buffer("mask", MASK)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given = (self.mask,) if self.weight is None else (self.weight,)
        return self.last(self.function(self.first(x), *given))


def over_tokens(x: torch.Tensor, attend: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    return attend(x.flatten(2).mT).mT.reshape(x.shape)


def masked_softmax(t: torch.Tensor) -> torch.Tensor:
    return (t @ t.mT).masked_fill(~NEAR, -torch.inf).softmax(-1) @ t


def fused_attention(t: torch.Tensor) -> torch.Tensor:
    t = t[:, None]
    return F.scaled_dot_product_attention(t, t, t, attn_mask=NEAR)[:, 0]


def causal(t: torch.Tensor) -> torch.Tensor:
    single = t[:, None].float()
    return F.scaled_dot_product_attention(single, single, single, is_causal=True)[:, 0].to(t)


def in_one_call(t: torch.Tensor) -> torch.Tensor:
    t = t[:, None].contiguous()
    added = torch.zeros(NEAR.shape).to(t).masked_fill(~NEAR, -torch.inf)
    seen = F.scaled_dot_product_attention(t, t, t, attn_mask=NEAR.tril())
    both = F.scaled_dot_product_attention(t, t, t, attn_mask=added)
    return (seen + both)[:, 0]


def causal_in_one_call(t: torch.Tensor) -> torch.Tensor:
    t = t[:, None].contiguous()
    return F.scaled_dot_product_attention(t, t, t, is_causal=True)[:, 0]


def vectors(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    masked, matrix = weight[0] * BAND[:, 0], weight[:HEIGHT] * BAND[:, 0]
    rows = [torch.mv(one, masked) + torch.mv(matrix, one[0]) for one in x[0]]
    return torch.stack(rows)[None, ..., None] + torch.dot(x[0, 0, 1], masked)


def written(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    kernel = torch.zeros(2, 2, 3, 3, dtype=x.dtype)
    kernel[:, :, 0, 1] = weight
    return F.conv2d(x, kernel, padding=1)


def overwritten(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[..., torch.tensor([0, 1, 5])] = 0.0
    return x


def rewritten(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    matrix = weight * BAND.to(x)
    matrix[3] += weight[0]
    matrix[0], matrix[1, 2] = weight[1], weight[0, 0]
    matrix[4:] = 0.0
    return x @ matrix


def shifted(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    y, wide = torch.zeros_like(x), F.conv2d(x, torch.ones(2, 2, 1, 2).to(x), padding=(0, 1))
    y[..., -2:] = wide[..., :2]  # Both stand for the first column.
    return y


def told_by_one_value(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    y = torch.ones_like(x)
    y[:, :, 1:3] = x[0, 0, 2, 3]
    y[:, :, 4] = mask[0, 0]
    return y


def normed(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    mean, variance = torch.zeros(2).to(x), torch.ones(2).to(x)
    shifted = F.batch_norm(x * MASK.to(x), mean, variance, bias=weight)
    return x.flip(2) * shifted


def blanked_in_place(t: torch.Tensor) -> torch.Tensor:
    scores = t @ t.mT
    scores[..., 3:] = -torch.inf
    return scores.softmax(-1) @ t


CASES: dict[str, Callable[[], Masked]] = {
    "where": lambda: Masked(lambda x, m: torch.where(m > 0, x, x.flip(3))),
    "product": lambda: Masked(lambda x, m: x * m + x.flip(2) * (1 - m)),
    "in place": lambda: Masked(lambda x, m: x.mul_(m)),
    "literal": lambda: Masked(lambda x, m: x * (torch.arange(WIDTH) < 3)),
    "one channel": lambda: Masked(lambda x, m: x * torch.tensor([0.0, 1]).view(2, 1, 1)),
    "filled": lambda: Masked(lambda x, m: x.masked_fill(m == 0, 0.5)),
    "pooled": lambda: Masked(lambda x, m: (x + 1) * F.adaptive_avg_pool2d(x * m, 1)),
    "triangle": lambda: Masked(lambda x, m: x.tril()),
    "overwritten": lambda: Masked(overwritten),
    "scattered": lambda: Masked(
        lambda x, m: x.scatter(3, torch.ones(x.shape, dtype=torch.long), 0.0)
    ),
    "quotient": lambda: Masked(lambda x, m: m / (x + 9)),
    "matrix": lambda: Masked(lambda x, m: x @ BAND.to(x)),
    "masked matrix": lambda: Masked(lambda x, w: x @ (w * BAND), WIDTH, 3),
    "triangular matrix": lambda: Masked(lambda x, w: x @ w.tril(), WIDTH, WIDTH),
    "softmax": lambda: Masked(lambda x, m: over_tokens(x, masked_softmax)),
    "attention": lambda: Masked(lambda x, m: over_tokens(x, fused_attention)),
    "causal": lambda: Masked(lambda x, m: over_tokens(x, causal)),
    "attention in one call": lambda: Masked(lambda x, m: over_tokens(x, in_one_call)),
    "causal in one call": lambda: Masked(lambda x, m: over_tokens(x, causal_in_one_call)),
    "vectors": lambda: Masked(vectors, WIDTH, WIDTH),
    "between": lambda: Masked(lambda x, m: x.lerp(x.flip(2), m)),
    "not between": lambda: Masked(lambda x, m: x.lerp(x.flip(2), 1.0 - m / 2.0)),
    "filled kernel": lambda: Masked(
        lambda x, w: F.conv2d(x, w.index_fill(2, torch.tensor([0]), 0.0)), 2, 2, 2, 1
    ),
    "scattered kernel": lambda: Masked(
        lambda x, w: F.conv2d(x, w.scatter(2, torch.zeros(2, 2, 1, 1, dtype=torch.long), 0.0)),
        *(2, 2, 2, 1),
    ),
    "empty kernel": lambda: Masked(
        lambda x, w: F.conv2d(x, w.masked_fill(torch.tensor(True), 0.0)), 2, 2, 1, 1
    ),
    "joined kernel": lambda: Masked(
        lambda x, w: F.conv2d(x, torch.cat([w, torch.zeros(2, 2, 1, 2).to(w)], 3)), 2, 2, 1, 1
    ),
    "wide groups": lambda: Masked(
        lambda x, w: F.conv2d(
            torch.cat([x, x.flip(3)], 1), w * KERNEL.repeat(2, 1, 1, 1), groups=2
        )[:, 1:3],
        *(4, 2, 3, 3),
    ),
    "turned groups": lambda: Masked(
        lambda x, w: F.conv_transpose2d(
            torch.cat([x, x.flip(3)], 1), w * KERNEL.repeat(2, 1, 1, 1), groups=2
        )[:, 1:3],
        *(4, 2, 3, 3),
    ),
    "masked kernel": lambda: Masked(lambda x, w: F.conv2d(x, w * KERNEL), 2, 2, 3, 3),
    "turned kernel": lambda: Masked(lambda x, w: F.conv_transpose2d(x, w * KERNEL), 2, 2, 3, 3),
    "groups": lambda: Masked(
        lambda x, w: F.conv2d(x, w * KERNEL[:, :1], padding=1, stride=2, groups=2), 2, 1, 3, 3
    ),
    "biased convolution": lambda: Masked(
        lambda x, w: x.flip(2) * F.conv2d(x * MASK.to(x), w[:, None, None, None], w, groups=2), 2
    ),
    "rewritten matrix": lambda: Masked(rewritten, WIDTH, 3),
    "shifted": lambda: Masked(shifted),
    "one value written": lambda: Masked(told_by_one_value),
    "norm": lambda: Masked(normed, 2),
    "blanked in place": lambda: Masked(lambda x, m: over_tokens(x, blanked_in_place)),
    "written kernel": lambda: Masked(written, 2, 2),
}


@each_case("name", CASES)
def test_what_a_mask_shuts_out_is_in_no_field(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        check(CASES[name]().double().eval())


def test_pruned_kernels_see_what_is_left_of_them() -> None:
    layer = nn.Conv2d(2, 2, 3, padding=1).double()
    prune.custom_from_mask(layer, "weight", KERNEL)
    check(nn.Sequential(nn.Conv2d(1, 2, 2).double(), layer).eval())


def test_size_stride_and_start_are_those_of_the_taps_that_are_left() -> None:
    first = nn.Conv2d(1, 1, 3, stride=2, padding=1)
    second = nn.Conv2d(1, 1, 2, padding=1)
    kept = torch.zeros(1, 1, 3, 3)
    kept[..., :2, 2] = 1.0  # Rows 2 r - 1 and 2 r, column 2 c + 1.
    prune.custom_from_mask(first, "weight", kept)
    prune.custom_from_mask(second, "weight", torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]]))
    found = trace(nn.Sequential(first, second).eval(), (1, 11, 12))
    for name, size, start in (("0", (2, 1), (-1, 1)), ("1", (4, 1), (-3, -1))):
        field = found.find(name).receptive_field
        assert field is not None
        assert (field.size, field.stride, field.start) == (size, (2, 2), start)


def test_a_parameter_that_is_zero_shuts_nothing_out() -> None:
    network = Masked(lambda x, w: x * w, 2, 1, 1).double().eval()
    assert network.weight is not None
    network.weight.data.zero_()
    seen = trace(network, (1, HEIGHT + 1, WIDTH + 1)).find("").output_field
    network.weight.data.fill_(1.0)
    check(network)
    assert seen is not None
    assert seen.size == (3, 2)


def test_a_mask_that_is_made_of_parameters_shuts_nothing_out() -> None:
    made: tuple[Callable[..., torch.Tensor], ...] = (
        lambda x, w: x @ torch.where(w > 0, w, 0.0),
        lambda x, w: x @ w.masked_fill(w < 0, 0.0),
        lambda x, w: x * (x * MASK + w[:HEIGHT]),
    )
    for function in made:
        network = Masked(function, WIDTH, WIDTH).eval()
        assert network.weight is not None
        network.weight.data.zero_()
        field = trace(network, (1, HEIGHT + 1, WIDTH + 1)).find("").output_field
        network.weight.data.fill_(1.0)
        check(network.double())
        whole = trace(network, (1, HEIGHT + 1, WIDTH + 1)).find("").output_field
        assert field is not None
        assert whole is not None
        for mine, other in zip(field.axes, whole.axes, strict=True):
            assert (mine.first == other.first).all()
            assert (mine.last == other.last).all()


def test_a_mask_that_is_drawn_anew_shuts_nothing_out() -> None:
    drawn: tuple[Callable[..., torch.Tensor], ...] = (
        lambda x, m: x * (torch.rand_like(x) > 0.9),
        lambda x, m: x * torch.zeros_like(x).bernoulli_(0.1),
        lambda x, m: torch.bernoulli(x.sigmoid()),
    )
    for function in drawn:
        field = trace(Masked(function).eval(), (1, 7, 8)).find("").output_field
        assert field is not None
        assert field.inside(0, 0) == PixelBox(0, 0, 2, 3)
        assert field.size == (3, 2)


def test_a_mask_that_was_made_of_the_image_outside_torch_shuts_nothing_out() -> None:
    made = (
        lambda x, m: x * torch.tensor(x.detach().numpy() > 9),
        lambda x, m: x * torch.tensor(float(x.sum().item() > 1e9)),
    )
    for function in made:
        field = trace(Masked(function).eval(), (1, 7, 8)).find("").output_field
        assert field is not None
        assert field.size == (3, 2)


def check(network: nn.Module) -> None:
    image = torch.rand(1, 1, HEIGHT + 1, WIDTH + 1, dtype=torch.float64, requires_grad=True)
    found = trace(network, tuple(image.shape[1:]))
    field = found.find("").output_field
    assert field is not None, found.unknown
    output = network(image)
    assert field.positions == output.shape[2:]
    factors = torch.linspace(0.5, 1.5, output.shape[1], dtype=torch.float64)
    for row in range(0, output.shape[2], 2):
        for column in range(output.shape[3]):
            score = (output[0, :, row, column] * factors).sum()
            (gradient,) = torch.autograd.grad(score, image, retain_graph=True)
            reached = gradient[0, 0].nonzero()
            seen = field.inside(row, column)
            if len(reached):
                starts, ends = reached.amin(0).tolist(), (reached.amax(0) + 1).tolist()
                assert (seen.starts, seen.ends) == (tuple(starts), tuple(ends)), (row, column)
            else:
                assert 0 in seen.sizes, (row, column)


def test_channels_that_are_alike_are_looked_for_once_and_not_at_every_tap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = np.random.default_rng(0).random((6, 4, 3, 3)) < 0.5
    taps = [sliding(9, 9, 3, 1, 1, 1)] * 2
    ends = np.random.default_rng(1).integers(0, 3, (1, 4, 9, 9)).astype(np.int32)
    ends[:, 3] = ends[:, 0]
    padded = np.pad(ends, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=NOTHING)
    windows = sliding_window_view(padded, (3, 3), (2, 3))[:, None]
    wanted = np.where(kept[None, :, :, None, None], windows, NOTHING).min((2, 5, 6))
    looked, unique = [], np.unique
    monkeypatch.setattr(np, "unique", lambda *a, **k: looked.append(1) or unique(*a, **k))
    np.testing.assert_array_equal(_windowed(ends, kept, taps, 1), wanted)
    assert len(looked) == 1
