"""Each attribution by itself: beside captum called directly, and beside references by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn
from torch.nn import functional as F

from cnnviz.heatmaps import attribution_methods as methods
from cnnviz.heatmaps.attribution_methods import AttributionRequest
from cnnviz.images import IMAGENET
from cnnviz.images.baselines import baseline_images
from cnnviz.introspection.backward_rules import Rule
from cnnviz.models import Model
from cnnviz.passes.captures import capture

TARGETS = (2, 0)
STEPS = 20


class Chain(nn.Module):
    """Two convolutions with ReLUs, the second in place, in double precision."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU()
        self.second = nn.Conv2d(4, 5, 3, stride=2)
        self.last = nn.ReLU(inplace=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.first(x))
        return self.head(self.last(self.second(x)).mean((2, 3)))


class Square(nn.Module):
    """The scores are squares of weighted sums of the pixels, whose gradients are known."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        values = torch.randn(3, 3, 12, 11, generator=generator, dtype=torch.float64)
        self.weights = nn.Parameter(values)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,kchw->nk", x, self.weights).square()


@pytest.fixture
def chain() -> Chain:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Chain().double().eval()


@pytest.fixture
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 12, 11, generator=generator, dtype=torch.float64)


def request(
    module: nn.Module, images: torch.Tensor, rule: Rule = "gradient", steps: int = STEPS
) -> AttributionRequest:
    """Ask for one class of each image."""
    model = Model(module, preprocessing=IMAGENET)
    held = capture(model, images, layers=(), target=list(TARGETS), rule=rule)
    return AttributionRequest(model, model, held, baseline="noise", steps=steps, seed=5)


def baselines(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return baseline_images(IMAGENET, images, "noise", 5)


def gradients(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the chosen class of each image, [2, C, H, W]."""
    x = images.clone().requires_grad_()
    module(x)[torch.arange(2), list(TARGETS)].sum().backward()
    module.zero_grad()
    assert x.grad is not None
    return x.grad


def seeded(method: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Run what draws from the global generators, and leave them as they are."""
    before = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        np.random.seed(8)  # noqa: NPY002
        try:
            return method()
        finally:
            np.random.set_state(before)  # noqa: NPY002


def one_by_one(
    images: torch.Tensor, baseline: torch.Tensor, method: Callable[..., torch.Tensor]
) -> torch.Tensor:
    """Call `method(image, baseline, target)` for each image."""
    rows = [
        method(images[k : k + 1], baseline[k : k + 1], target) for k, target in enumerate(TARGETS)
    ]
    return torch.cat(rows)


def same(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert found.dtype == torch.float64
    wanted = wanted.detach()
    assert float(wanted.abs().max()) > 0.0
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)


def test_the_gradient_equals_differences_of_the_score(chain: Chain, images: torch.Tensor) -> None:
    found = methods.gradient(request(chain, images))
    same(found, gradients(chain, images))
    step = 1e-6
    for place in [(0, 0, 3, 4), (0, 2, 7, 7), (1, 1, 5, 2)]:
        moved = torch.zeros_like(images)
        moved[place] = step
        with torch.no_grad():
            rise = (chain(images + moved) - chain(images - moved))[place[0], TARGETS[place[0]]]
        assert float(found[place]) == pytest.approx(float(rise) / (2 * step), rel=1e-6, abs=1e-9)


def test_input_x_gradient_is_the_product(chain: Chain, images: torch.Tensor) -> None:
    found = methods.input_x_gradient(request(chain, images))
    same(found, images * gradients(chain, images))
    x = images.clone().requires_grad_()
    same(found, attr.InputXGradient(chain).attribute(x, target=list(TARGETS)))


@pytest.mark.parametrize(
    ("rule", "peer"), [("guided", attr.GuidedBackprop), ("deconvnet", attr.Deconvolution)]
)
def test_the_backward_rules_equal_captums(
    chain: Chain, images: torch.Tensor, rule: Rule, peer: Callable[[nn.Module], attr.Attribution]
) -> None:
    found = methods.gradient(request(chain, images, rule))
    chain.last.inplace = False  # captum's hooks fail on it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wanted = peer(chain).attribute(images.clone(), target=list(TARGETS))
    same(found, wanted)


def test_integrated_gradients_are_gauss_and_legendres_sum(
    chain: Chain, images: torch.Tensor
) -> None:
    found = methods.integrated_gradients(request(chain, images))
    start = baselines(chain, images)
    nodes, weights = np.polynomial.legendre.leggauss(STEPS)
    total = torch.zeros_like(images)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        total += float(weight) * gradients(chain, start + float(node) * (images - start))
    wanted = (images - start) * total
    # captum weighs its steps in float32.
    torch.testing.assert_close(found, wanted, rtol=0.0, atol=1e-7 * float(wanted.abs().max()))

    def peer(image: torch.Tensor, baseline: torch.Tensor, target: int) -> torch.Tensor:
        return attr.IntegratedGradients(chain).attribute(image, baseline, target, n_steps=STEPS)

    same(found, one_by_one(images, start, peer))


def test_smoothgrad_equals_captum_given_the_same_noise(chain: Chain, images: torch.Tensor) -> None:
    found = seeded(lambda: methods.smoothgrad(request(chain, images)))

    def peer(image: torch.Tensor, _: torch.Tensor, target: int) -> torch.Tensor:
        return attr.NoiseTunnel(attr.Saliency(chain)).attribute(
            image,
            nt_type="smoothgrad",
            nt_samples=STEPS,
            stdevs=0.15 * float(image.max() - image.min()),
            target=target,
            abs=False,
        )

    same(found, seeded(lambda: one_by_one(images, images, peer)))


def test_smoothgrad_averages_over_noise_around_the_image(images: torch.Tensor) -> None:
    module, steps = Square(), 100
    found = seeded(lambda: methods.smoothgrad(request(module, images, steps=steps)))
    for k, target in enumerate(TARGETS):
        weights = module.weights[target].detach()
        # The gradient is 2 w (w . x), and the noise adds w . mean(noise) to w . x.
        factors = found[k] / (2.0 * weights)
        torch.testing.assert_close(factors, factors.mean().expand_as(factors))
        spread = 0.15 * float(images[k].max() - images[k].min()) * float(weights.norm())
        away = float(factors.mean() - (weights * images[k]).sum())
        assert 0.0 < abs(away) < 4.0 * spread / steps**0.5


def test_gradient_shap_equals_captum_given_the_same_points(
    chain: Chain, images: torch.Tensor
) -> None:
    question = request(chain, images)
    assert question.at_once >= STEPS  # otherwise the points are drawn in several lots
    found = seeded(lambda: methods.gradient_shap(question))

    def peer(image: torch.Tensor, baseline: torch.Tensor, target: int) -> torch.Tensor:
        return attr.GradientShap(chain).attribute(image, baseline, n_samples=STEPS, target=target)

    same(found, seeded(lambda: one_by_one(images, baselines(chain, images), peer)))


def test_gradient_shap_averages_over_points_on_the_way(images: torch.Tensor) -> None:
    module, steps = Square(), 100
    found = seeded(lambda: methods.gradient_shap(request(module, images, steps=steps)))
    start = baselines(module, images)
    for k, target in enumerate(TARGETS):
        weights = module.weights[target].detach()
        begin, rise = (weights * start[k]).sum(), (weights * (images[k] - start[k])).sum()
        # At the share a of the way the gradient is 2 w (w . start + a w . (image - start)).
        sums = found[k] / (2.0 * weights * (images[k] - start[k]))
        shares = (sums - begin) / rise
        # captum draws the shares as float32.
        torch.testing.assert_close(shares, shares.mean().expand_as(shares), rtol=1e-5, atol=1e-6)
        assert abs(float(shares.mean()) - 0.5) < 4.0 * (1.0 / 12.0 / steps) ** 0.5


def test_deeplift_is_the_rescale_rule(chain: Chain, images: torch.Tensor) -> None:
    found = methods.deeplift(request(chain, images))
    start = baselines(chain, images)

    def activations(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        low = F.conv2d(x, chain.first.weight, chain.first.bias)
        return low, F.conv2d(low.relu(), chain.second.weight, chain.second.bias, stride=2)

    def slope(value: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        return (value.relu() - before.relu()) / (value - before)

    with torch.no_grad():
        (low, high), (low_start, high_start) = activations(images), activations(start)
        multiplier = chain.head.weight[list(TARGETS)][:, :, None, None] / high[0, 0].numel()
        back = F.conv_transpose2d(
            multiplier * slope(high, high_start),
            chain.second.weight,
            stride=2,
            output_padding=(1, 0),
        )
        back = F.conv_transpose2d(back * slope(low, low_start), chain.first.weight)
        same(found, back * (images - start))
        rise = (chain(images) - chain(start))[torch.arange(2), list(TARGETS)]
    torch.testing.assert_close(found.sum((1, 2, 3)), rise, rtol=1e-9, atol=1e-12)
    chain.last.inplace = False

    def peer(image: torch.Tensor, baseline: torch.Tensor, target: int) -> torch.Tensor:
        return attr.DeepLift(chain).attribute(image, baseline, target)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        same(found, one_by_one(images, start, peer))


def test_guided_gradcam_equals_captums(chain: Chain, images: torch.Tensor) -> None:
    found = methods.guided_gradcam(request(chain, images, "guided"))
    chain.last.inplace = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        wanted = attr.GuidedGradCam(chain, chain.last).attribute(
            images.clone(), target=list(TARGETS), interpolate_mode="bilinear"
        )
    same(found, wanted)
