"""What is computed on a GPU is what the processor computes: `make test-gpu`.

Every view is held to the laws there, and compared with itself on the processor.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import cnnviz
from cnnviz.heatmaps.attribution_methods import ATTRIBUTION_METHODS
from cnnviz.heatmaps.cam_methods import CAM_METHODS
from cnnviz.testing import LAWS, Trial, small_network
from cnnviz.views import VIEWS
from tests.helpers.brief_views import BRIEF

GPUS = [
    name
    for name, here in (
        ("cuda", torch.cuda.is_available()),
        ("mps", torch.backends.mps.is_available()),
    )
    if here
]
if not GPUS:
    pytest.skip("make test-gpu runs these where there is a GPU", allow_module_level=True)
CLOSE = 2e-4
"""Of the largest value of an array."""
UNREPEATABLE = ("feature_visualization", "the_same_input_gives_the_same_result")
"""A view and a law: on CUDA, enlarging adds up its gradient in any order."""
CLIMBED = {"feature_visualization", "transfer_learning", "overfitting", "challenges"}
"""Views of many steps, each of which starts from the rounding of the one before."""
COMPUTING = [view for view in VIEWS if view.needs != "nothing"]
WHEREVER = {"its_line_agrees_with_its_function", "it_is_listed_without_heavy_imports"}
"""Laws that ask nothing of what computes."""


@pytest.fixture(scope="module", params=GPUS)
def device(request: pytest.FixtureRequest) -> str:
    """Return the kind of a GPU that is here."""
    return request.param


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """Have convolutions round single precision to 23 bits, as the processor does, and not to 10."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module", params=COMPUTING, ids=lambda view: view.name)
def trial(request: pytest.FixtureRequest, device: str) -> Trial:
    """Return a view with small networks on the GPU."""
    return Trial(request.param, BRIEF.get(request.param.name, {}), device)


@pytest.mark.parametrize(
    "law", [law for law in LAWS if law.__name__ not in WHEREVER], ids=lambda law: law.__name__
)
def test_every_view_keeps_every_law(trial: Trial, law) -> None:
    if (trial.view.name, law.__name__) != UNREPEATABLE:
        law(trial)


def apart(there: NDArray[np.generic], here: NDArray[np.generic]) -> float:
    """Return how far two arrays lie apart, as a share of the largest value."""
    if there.shape != here.shape or there.dtype != here.dtype:
        return np.inf
    if here.dtype.kind not in "fc":
        return float((there != here).mean()) if here.size else 0.0
    finite = np.isfinite(here)
    if not np.array_equal(finite, np.isfinite(there)) or not finite.any():
        return 0.0 if np.array_equal(there, here, equal_nan=True) else np.inf
    size = max(float(np.abs(here[finite]).max()), 1e-12)
    return float(np.abs(there[finite] - here[finite]).max()) / size


def test_every_view_gives_what_it_gives_on_the_processor(trial: Trial) -> None:
    if trial.view.name in CLIMBED:
        return
    here = Trial(trial.view, trial.arguments).result.arrays()
    found = trial.result.arrays()
    assert found.keys() == here.keys()
    far = {name: apart(found[name], here[name]) for name in here}
    assert {name: share for name, share in far.items() if not share <= CLOSE} == {}


@pytest.fixture
def pair(device: str) -> tuple[cnnviz.Model, cnnviz.Model]:
    """Return the same network on the GPU and on the processor."""
    module = small_network()
    return cnnviz.Model(copy.deepcopy(module).to(device)), cnnviz.Model(module)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_a_capture_holds_the_same_of_more_images_than_go_through_at_once(
    pair: tuple[cnnviz.Model, cnnviz.Model],
) -> None:
    there, here = (cnnviz.capture(each, images(80), layers="5", target=1) for each in pair)
    for one, two in (
        (there.logits, here.logits),
        (there.activations["5"], here.activations["5"]),
        (there.input_gradient, here.input_gradient),
    ):
        assert (one.cpu() - two).abs().max() <= CLOSE * two.abs().max()


def test_an_ascent_raises_the_channel_as_far(pair: tuple[cnnviz.Model, cnnviz.Model]) -> None:
    # Not the same picture: an ascent goes another way from the first rounding on.
    there, here = (cnnviz.feature_visualization(each, ["5:0"], steps=20) for each in pair)
    assert there.pictures[0].shape == here.pictures[0].shape
    assert (there.end > there.start).all()
    np.testing.assert_allclose(there.end, here.end, rtol=0.2)


@pytest.mark.parametrize("method", ATTRIBUTION_METHODS)
def test_attributions_are_the_same(pair: tuple[cnnviz.Model, cnnviz.Model], method: str) -> None:
    there, here = (cnnviz.attribute(each, images(2), method, 1, steps=5).maps[0] for each in pair)
    assert np.abs(there - here).max() <= CLOSE * np.abs(here).max()


@pytest.mark.parametrize("method", CAM_METHODS)
def test_maps_are_the_same(pair: tuple[cnnviz.Model, cnnviz.Model], method: str) -> None:
    there, here = (
        cnnviz.cam(cnnviz.capture(each, images(2), layers="5", target=1), "5", method).maps[0]
        for each in pair
    )
    assert np.abs(there - here).max() <= CLOSE * np.abs(here).max()


def test_the_weights_have_the_same_digest(pair: tuple[cnnviz.Model, cnnviz.Model]) -> None:
    there, here = pair
    assert there.sha256 == here.sha256
    large = nn.Linear(2000, 2000)
    assert cnnviz.Model(large).sha256 == cnnviz.Model(copy.deepcopy(large).to(there.device)).sha256


def test_a_generator_of_the_networks_own_is_put_back(device: str) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.own = nn.Conv2d(3, 2, 3), torch.Generator(device)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            drawn = torch.rand(1, 2, generator=self.own, device=x.device)
            return self.conv(x).mean((2, 3)) * drawn

    network = Own().to(device)
    before = network.own.get_state()
    first, again = (cnnviz.capture(network, images(2)).logits for _ in range(2))
    assert torch.equal(network.own.get_state(), before)
    assert torch.equal(first, again)


def test_where_memory_is_short_fewer_images_go_through_at_once(device: str) -> None:
    if device != "cuda":
        pytest.skip("only CUDA lets a process have less")
    network, shown = small_network().to(device), torch.rand(64, 3, 256, 256)
    whole = cnnviz.capture(network, shown, layers="5", target=1, gradients=False)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    # Without a graph, one image takes 2 MB and all of them 100.
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 64e6) / total)
    try:
        found = cnnviz.capture(network, shown, layers=(), target=1, gradients=False)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert (found.logits - whole.logits).abs().max() <= CLOSE * whole.logits.abs().max()


def test_images_may_lie_on_the_gpu_already(device: str) -> None:
    module = small_network().to(device)
    there = cnnviz.capture(module, images(2).to(device), layers="5", target=1)
    here = cnnviz.capture(module, images(2), layers="5", target=1)
    assert torch.equal(there.logits, here.logits)
