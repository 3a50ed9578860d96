"""Scores from patches against the same network on whole images with the squares painted in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from cnnviz.heatmaps.occlusion import Grid, Sweep
from cnnviz.introspection.hooks import preserve_state
from cnnviz.models import Model
from cnnviz.models.outputs import scores_of
from tests.helpers.architectures import OF_OTHER_BLOCKS, shallow, small_input
from tests.helpers.each_case import each_case
from tests.helpers.random_networks import Randomly


def seeded(network: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for values in network.parameters():
        values.data.uniform_(-0.5, 0.5, generator=generator)
    return network.eval()


def image(side: int = 32, channels: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, side, side, generator=generator, dtype=torch.double)


def painted(grid: Grid, x: torch.Tensor, baseline: torch.Tensor) -> torch.Tensor:
    """Return one whole image for each square, written here without the engine."""
    found = []
    for row, column in grid.positions:
        top, left = row * grid.stride, column * grid.stride
        one = x[0].clone()
        part = (slice(None), slice(top, top + grid.window), slice(left, left + grid.window))
        one[part] = baseline[0][part]
        found.append(one)
    return torch.stack(found)


def swept(
    module: nn.Module, x: torch.Tensor, grid: Grid, cap: float | None = None, most: int = 64
) -> tuple[torch.Tensor, torch.Tensor, Sweep]:
    """Return our scores of all classes and the wanted ones for every square, in their order."""
    baseline = torch.zeros_like(x) + x.mean()
    with torch.no_grad(), preserve_state(module):
        sweep = Sweep(
            module, x, baseline, grid, lambda output: scores_of(Model(module), output), cap
        )
        found = {}
        for group in grid.groups(most):
            found.update(zip(group, sweep.scores(group), strict=True))
        wanted = scores_of(Model(module), module(painted(grid, x, baseline)))
    return torch.stack([found[position] for position in grid.positions]), wanted, sweep


@given(st.integers(0, 1 << 30), st.sampled_from([(25, 31), (32, 32), (40, 27)]), st.integers(2, 9))
@settings(deadline=None, max_examples=16)
def test_random_networks_give_the_dense_scores(
    seed: int, size: tuple[int, int], window: int
) -> None:
    module = seeded(Randomly(seed), seed)
    x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed)).double()
    # A step of three pixels begins squares at every place of a layer of stride 2 and of 4, too.
    found, wanted, sweep = swept(module, x, Grid(*size, window, max(3, window - 1)))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    assert (sweep.dense_from, sweep.whole_images) == (None, None), module.plan


@pytest.mark.parametrize("name", OF_OTHER_BLOCKS)
def test_every_architecture_gives_the_dense_scores(name: str) -> None:
    module, x = shallow(name).module, small_input(name)
    side = x.shape[-1]
    found, wanted, sweep = swept(module, x, Grid(side, side, side // 4, side // 3))
    # Random networks have scores from 1e-3 to 1e8; the error is that of single precision. Classes
    # are compared one by one, for in a sum of a thousand scores most cancel, and no error does.
    scale = float(wanted.abs().max())
    with torch.no_grad(), preserve_state(module):
        scale = max(scale, float(scores_of(Model(module), module(x)).abs().max()))
    torch.testing.assert_close(found / scale, wanted / scale, rtol=0, atol=1e-5)
    assert sweep.whole_images is None
    assert sweep.dense_from == ("permute" if name == "convnext_tiny" else None)


@each_case("constant", [(2, 2), (2, 1), (1, 2), (1, 1)])
def test_a_constant_of_two_pixels_a_side_is_cut_as_a_larger_one(constant: tuple[int, int]) -> None:
    class Learned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 4, 4, stride=4)
            self.places = nn.Parameter(torch.empty(4, *constant))
            self.last = nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last((self.first(x) + self.places).flatten(1))

    module = seeded(Learned().double())
    found, wanted, sweep = swept(module, image(8), Grid(8, 8, 4, 4))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    assert sweep.whole_images is None


class _Pixels(TorchDispatchMode):
    """Adds up the outputs of convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.convolution.default and type(found) is torch.Tensor:
            self.count += found.numel()
        return found


def test_only_what_changes_is_computed() -> None:
    module = seeded(nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(3)))).double()
    x, grid = image(64), Grid(64, 64, 8, 8)
    with torch.no_grad():
        sweep = Sweep(module, x, x * 0, grid, lambda output: output.sum((1, 2, 3)))
        group = next(iter(grid.groups(4)))
        sweep.scores(group)  # The clean run is computed here, once.
        with _Pixels() as pixels:
            sweep.scores(group)
    assert pixels.count <= 4 * 3 * (10**2 + 12**2 + 14**2)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_groups_of_any_size_give_the_same(most: int) -> None:
    module = seeded(Randomly(3))
    found, wanted, _ = swept(module, image(), Grid(32, 32, 12, 10), most=most)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


class _Custom(nn.Module):
    """Runs a function between two convolutions."""

    def __init__(self, function) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 3)
        self.function = function
        seeded(self.double())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.function(self.first(x))).flatten(1)


def _write_through_a_view(x: torch.Tensor) -> torch.Tensor:
    x[:, :2].relu_()
    return x


def _write_after_a_view(x: torch.Tensor) -> torch.Tensor:
    flat = x.view(len(x), 2, 2, *x.shape[2:])
    x.mul_(2)
    return x + flat.sum(2).repeat(1, 2, 1, 1)


def _write_through_an_unknown_view(x: torch.Tensor) -> torch.Tensor:
    x.permute(0, 2, 3, 1).relu_()
    return x


def _write_into_a_plain_tensor(x: torch.Tensor) -> torch.Tensor:
    found = torch.zeros_like(x)
    found += x
    return found


def _write_out(x: torch.Tensor) -> torch.Tensor:
    found = torch.zeros_like(x)
    torch.add(x, 1.0, out=found)
    return found


def _leave_torch(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(x.numpy() * 2)


def _gate(x: torch.Tensor) -> torch.Tensor:
    return x * functional.adaptive_avg_pool2d(x, 1).sigmoid()


@pytest.mark.parametrize(
    "function",
    [
        _write_through_a_view,
        _write_after_a_view,
        _write_through_an_unknown_view,
        _write_into_a_plain_tensor,
        _write_out,
        _leave_torch,
        _gate,
        lambda x: x.flip(3),
        lambda x: functional.interpolate(x, scale_factor=2.0, mode="bilinear"),
        lambda x: functional.pad(x, (1, 1, 1, 1), mode="reflect"),
        lambda x: functional.adaptive_avg_pool2d(x, 16),
        lambda x: functional.adaptive_avg_pool2d(x, 7),
        lambda x: torch.nn.functional.layer_norm(x, x.shape[1:]),
        lambda x: x.softmax(1) + x[:, 1:2] + x[:, :, :, :],
        lambda x: torch.cat([x, x.amax(1, keepdim=True), torch.ones_like(x)], 1)[:, 1:5],
        lambda x: torch.where(x > 0, x, x.exp() - 1),
        lambda x: x.unsqueeze(1).squeeze(1) if len(x) > 1 else x.clone(),
        lambda x: x.transpose(2, 3),
        lambda x: x.view(len(x), -1).view_as(x),
        lambda x: functional.max_pool2d(x, 3, 1, 1, return_indices=True)[0],
        lambda x: x + functional.max_pool2d(x, 3, 1, 1, return_indices=True)[1],
        lambda x: functional.conv_transpose2d(x, torch.ones(4, 4, 2, 2).to(x), stride=2),
        lambda x: functional.group_norm(x, 2),
        lambda x: x - x.mean((1, 2, 3), keepdim=True),
        lambda x: x / x.norm(dim=1, keepdim=True),
    ],
)
def test_whatever_happens_inside_the_scores_are_the_dense_ones(function) -> None:
    found, wanted, _ = swept(_Custom(function), image(24), Grid(24, 24, 6, 5))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


@each_case(
    ("function", "name"),
    [
        (lambda x: x.flip(3), "flip"),
        (lambda x: x.cumsum(2), "cumsum"),
        (lambda x: x.view(torch.int64).view(torch.double), "view"),
        (torch.relu, None),
        # What torch 2.6 makes of a colon in an index.
        (lambda x: torch.ops.aten.slice(x, 0, 0, 2**63 - 1).relu(), None),
        (lambda x: torch.ops.aten.slice(x, -1, 0, 99).relu(), None),
        (lambda x: torch.ops.aten.slice(x, -1, 0, 99, 2).relu(), "slice"),
    ],
)
def test_the_first_operation_without_a_rule_is_named(function, name: str | None) -> None:
    *_, sweep = swept(_Custom(function), image(24), Grid(24, 24, 6, 6))
    assert (sweep.dense_from, sweep.whole_images) == (name, None)


@pytest.mark.parametrize(
    ("function", "reason"),
    [(_write_through_a_view, "writes to memory"), (_leave_torch, "numpy")],
)
def test_a_network_that_cannot_run_on_patches_runs_on_images(function, reason: str) -> None:
    *_, sweep = swept(_Custom(function), image(24), Grid(24, 24, 6, 6))
    assert reason in (sweep.whole_images or "")


@dataclass
class _Named:
    logits: torch.Tensor
    kept: tuple[int, ...] = ()


@each_case(
    "packed",
    [
        lambda x: {"out": x, "aux": [x]},
        lambda x: OrderedDict(logits=x),
        lambda x: _Named(x),
        lambda x: (x, None),
        lambda x: x.flatten(1),
    ],
)
def test_maps_come_out_whole_in_whatever_holds_them(packed) -> None:
    module = _Custom(torch.relu)
    module.forward = lambda x: packed(module.second(module.first(x)))
    x, grid = image(16), Grid(16, 16, 4, 4)
    with torch.no_grad():
        score = lambda output: scores_of(Model(module), output).flatten(1).sum(1)  # noqa: E731
        sweep = Sweep(module, x, x * 0, grid, score)
        found = sweep.scores(grid.positions)
        wanted = score(module(painted(grid, x, x * 0)))
    torch.testing.assert_close(found, wanted)
    assert sweep.whole_images is None


def test_a_network_that_changes_its_mind_is_followed() -> None:
    module, x, grid = _Custom(torch.relu), image(16), Grid(16, 16, 4, 4)
    with torch.no_grad():
        sweep = Sweep(module, x, x * 0, grid, lambda output: output.sum(1))
        for function in (torch.relu, torch.tanh, lambda y: y * 2, lambda y: y * 3, torch.relu):
            module.function = function
            wanted = module(painted(grid, x, x * 0)).sum(1)
            torch.testing.assert_close(sweep.scores(grid.positions), wanted)


def test_padding_makes_a_map_of_its_own() -> None:
    def write_to_the_copy(x: torch.Tensor) -> torch.Tensor:
        copy = functional.pad(x, (1, 1))
        copy.index_fill_(1, torch.tensor([0]), 3.0)
        return x + copy[:, :, :, 1:-1]

    found, wanted, sweep = swept(_Custom(write_to_the_copy), image(24), Grid(24, 24, 6, 6))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)
    assert (sweep.dense_from, sweep.whole_images) == ("index_fill", None)


def test_a_cap_gives_other_scores_for_less_work() -> None:
    module = seeded(nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(6))))
    module = nn.Sequential(module, nn.Flatten()).double()
    grid = Grid(48, 48, 8, 8)
    near, wanted, _ = swept(module, image(48), grid, cap=0.25)
    far, *_ = swept(module, image(48), grid, cap=0.05)
    exact, *_ = swept(module, image(48), grid, cap=1.0)
    errors = [float((found - wanted).abs().mean()) for found in (exact, near, far)]
    assert errors[0] < 1e-9 < errors[1] < errors[2]


def test_other_dtypes() -> None:
    module = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())).bfloat16()
    found, wanted, sweep = swept(module, image(16).bfloat16(), Grid(16, 16, 4, 4))
    torch.testing.assert_close(found, wanted, rtol=0.05, atol=0.5)
    assert sweep.whole_images is None
