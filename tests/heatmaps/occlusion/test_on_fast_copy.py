"""Occlusion on the fast copy: the drops of the network itself, and fewer passes than squares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

import cnnviz
from cnnviz.heatmaps.occlusion import Grid, Sweep
from cnnviz.introspection.fast_copy import UnsoundFoldError
from cnnviz.introspection.fast_copy.packed import packs
from cnnviz.passes.fast_model import FastModel, expect_many, fast_model
from cnnviz.results.provenance import AS_IT_IS
from tests.helpers.foldable_networks import trained
from tests.helpers.state import state

WINDOW, STRIDE = 12, 8


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNVIZ_FAST", "always")


class Network(nn.Module):
    """A stem, a block given by its function, and a head."""

    def __init__(self, block: Callable[[Network, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.body, self.after = nn.Conv2d(8, 8, 3, 2, padding=1, bias=False), nn.BatchNorm2d(8)
        self.apart = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8)
        self.last = nn.Conv2d(8, 8, 1)
        self.relu, self.block, self.head = nn.ReLU(inplace=True), block, nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.block(self, x).mean((2, 3)))
        return found


def plain(net: Network, x: torch.Tensor) -> torch.Tensor:
    x = net.relu(net.norm(net.stem(x)))
    found: torch.Tensor = net.relu(net.after(net.body(x)))
    return found


def residual(net: Network, x: torch.Tensor) -> torch.Tensor:
    x = functional.relu(net.norm(net.stem(x)))
    found: torch.Tensor = net.relu(x + net.last(net.relu(net.apart(x))))
    return found


def before_and_after(net: Network, x: torch.Tensor) -> torch.Tensor:
    # What a rectifier makes of the convolution, and what the convolution itself gave.
    x = net.norm(net.stem(x))
    return torch.cat([functional.relu(x), x], 1)[:, 4:12]


def written_over(net: Network, x: torch.Tensor) -> torch.Tensor:
    x = net.stem(x)
    net.relu(x)
    found: torch.Tensor = net.last(x.add_(1.0)).sigmoid()
    return found


def other_activations(net: Network, x: torch.Tensor) -> torch.Tensor:
    x = functional.relu6(net.norm(net.stem(x)))
    x = functional.hardswish(net.after(net.body(x)))
    return functional.leaky_relu(net.apart(x))


def whole_maps(net: Network, x: torch.Tensor) -> torch.Tensor:
    x = functional.max_pool2d(net.relu(net.norm(net.stem(x))), 8)
    for _ in range(2):
        x = net.relu(net.last(net.relu(net.apart(x))))
    return x


def computed_weights(net: Network, x: torch.Tensor) -> torch.Tensor:
    weight = net.last.weight / net.last.weight.norm()
    x = functional.relu(functional.conv2d(net.norm(net.stem(x)), weight))
    return functional.relu(functional.conv2d(x, weight.abs()))


BLOCKS = [
    plain,
    residual,
    before_and_after,
    written_over,
    other_activations,
    whole_maps,
    computed_weights,
]


def network(block: Callable[[Network, torch.Tensor], torch.Tensor]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return trained(Network(block), 1)


def photos(count: int = 1, side: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(2))


def by_hand(
    module: nn.Module, images: torch.Tensor, target: int
) -> tuple[NDArray[np.float64], float]:
    """Return the drop for each square, and how far they may be off for rounding alone.

    In double precision, one whole image after the other. Drops are differences of scores, whose
    rounding in single precision is of the size of the largest output.
    """
    exact = type(module)(module.block).double().eval()  # type: ignore[call-arg, arg-type]
    exact.load_state_dict(module.state_dict())
    images, size = images.double(), images.shape[-1]
    places = range(0, size - WINDOW + STRIDE, STRIDE)
    drops = np.zeros((len(images), len(places), len(places)))
    with torch.no_grad():
        rounding = 1e-6 * float(exact(images).abs().max())
        for number, image in enumerate(images):
            score = exact(image[None])[0, target]
            for row, top in enumerate(places):
                for column, left in enumerate(places):
                    hidden = image.clone()
                    part = (slice(None), slice(top, top + WINDOW), slice(left, left + WINDOW))
                    hidden[part] = image.mean((1, 2))[:, None, None]
                    drops[number, row, column] = score - exact(hidden[None])[0, target]
    return drops, rounding


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_drops_are_those_of_double_precision(
    block: Callable[[Network, torch.Tensor], torch.Tensor],
) -> None:
    module, images = network(block), photos(2)
    before = state(module)
    found = cnnviz.occlusion(module, images, WINDOW, STRIDE, target=2)
    assert state(module) == before
    wanted, rounding = by_hand(module, images, 2)
    np.testing.assert_allclose(found.drops, wanted, rtol=0, atol=rounding)
    assert float(np.abs(wanted).max()) > 100 * rounding
    assert not found.provenance.computed_on.startswith(AS_IT_IS)
    assert not [note for note in found.notes if "hole" in note.partition(":")[0]]


def test_exact_computes_on_the_network_itself() -> None:
    module, images = network(residual), photos()
    exact = cnnviz.occlusion(cnnviz.load(module, exact=True), images, WINDOW, STRIDE, target=2)
    assert exact.provenance.computed_on.startswith(AS_IT_IS)
    wanted, rounding = by_hand(module, images, 2)
    np.testing.assert_allclose(exact.drops, wanted, rtol=0, atol=rounding)


@pytest.mark.skipif(not packs(), reason="weights are packed for x86 with AVX alone")
def test_rectifiers_are_computed_within_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    from cnnviz.heatmaps.occlusion import weights

    asked: list[str] = []
    inner = weights.convolve_packed

    def noted(*given: object) -> object:
        asked.append(str(given[-1]))
        return inner(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(weights, "convolve_packed", noted)
    cnnviz.occlusion(network(plain), photos(), WINDOW, STRIDE, target=2)
    assert asked
    assert set(asked) == {"relu"}


def test_a_norm_that_is_folded_is_not_computed() -> None:
    model, images = cnnviz.load(network(plain)), photos()
    expect_many(model, images)
    fast = fast_model(model, images, rows=1)
    grid = Grid(32, 32, WINDOW, STRIDE)
    with torch.no_grad(), torch.profiler.profile() as seen:
        sweep = Sweep(fast, images, images * 0, grid, lambda output: output[:, 2], alone=False)
        sweep.scores(next(grid.groups(4)))
    assert sweep.whole_images is None
    assert sweep.dense_from is None
    assert not [event.key for event in seen.key_averages() if "batch_norm" in event.key]


class Fickle(nn.Module):
    """Reads what a convolution gave without its norm, where a window hides the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)
        self.passes = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        given = self.stem(x)
        normed = self.norm(given)
        if x.shape[0] == 3:
            normed = normed + given
        found: torch.Tensor = self.head(normed.relu().mean((2, 3)))
        return found


def test_a_network_that_goes_another_way_runs_anew_on_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cnnviz.views import occlusion as view

    monkeypatch.setattr(view, "rows_that_fit", lambda *_: 3)
    torch.manual_seed(0)
    module, images = trained(Fickle()), photos()
    found = cnnviz.occlusion(module, images, WINDOW, STRIDE, target=2)
    exact = cnnviz.occlusion(cnnviz.load(module, exact=True), images, WINDOW, STRIDE, target=2)
    assert np.isfinite(found.drops).all()
    # The whole image was scored on the copy, before it went another way.
    np.testing.assert_allclose(found.drops, exact.drops, rtol=0, atol=1e-6)


def test_a_network_that_leaves_its_copy_midway_names_both(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(computing: object, _scores: object) -> None:
        if isinstance(computing, FastModel):
            raise UnsoundFoldError

    monkeypatch.setattr("cnnviz.views._occlusion_search.check_sound", check)
    found = cnnviz.occlusion(network(plain), photos(), WINDOW, STRIDE, target=2)
    hidden, _, whole = found.provenance.computed_on.partition("; the score of the whole input on: ")
    assert hidden.startswith(AS_IT_IS)
    assert whole.startswith("a private copy that computes the same faster: ")
