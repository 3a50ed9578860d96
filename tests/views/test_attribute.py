"""Attribution: equal to captum and to plain gradients, complete where it says so, seeded."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnviz.errors import CnnvizError, ModelError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.images.baselines import BASELINES, baseline_images
from cnnviz.introspection.saved_state import SavedState
from cnnviz.models import Model, as_model
from cnnviz.passes.captures import capture
from cnnviz.passes.targets import Contrast
from cnnviz.views.attribute import attribute
from cnnviz.views.cam import cam
from tests.helpers.architectures import lasting_network, small_input, thin, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state

METHODS = (
    "integrated_gradients",
    "saliency",
    "input_x_gradient",
    "smoothgrad",
    "gradient_shap",
    "deeplift",
    "guided_backprop",
    "guided_gradcam",
    "deconvnet",
)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 16, 14, generator=torch.Generator().manual_seed(0))


class Functional(nn.Module):
    """A network whose only ReLU is a function."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.conv(x)).mean((2, 3))


class _Rectify(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        ctx.save_for_backward(values)
        return values.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0] > 0)


class OwnDerivative(Functional):
    """A network whose only ReLU brings its derivative itself."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _Rectify.apply(self.conv(x)).mean((2, 3))


class Branching(Functional):
    """A network that rectifies twice where an image has contrast."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        twice = x.std() > 0.5
        x = self.conv(x).relu()
        return (F.relu(x - 0.1) if twice else x).mean((2, 3))


class Pooled(Functional):
    """A network with an activation that captum does not know, and windows that overlap."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(F.gelu(self.conv(x)), 3, 2).relu().mean((2, 3))


class Reused(Functional):
    """A network that calls one ReLU twice."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.relu(self.conv(x)) - 0.1).mean((2, 3))


class WithLayer(Functional):
    """A network whose only ReLU is a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.conv(x)).mean((2, 3))


class AmongOthers(WithLayer):
    """A network that takes half of the mean of the batch away from each image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x - 0.5 * x.mean(0, keepdim=True))


class Drawing(WithLayer):
    """A network whose images meet other random numbers in a batch than alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.dropout(x, 0.5, True))


class OneByOne(WithLayer):
    """A network that goes through the images of a batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([super(OneByOne, self).forward(one[None]) for one in x])


class SomeRows(WithLayer):
    """A network whose layer sees those images alone that hold a large value."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answers = self.conv(x).mean((2, 3))
        large = x.amax((1, 2, 3)) > 2.0
        answers[large] = super().forward(x[large])
        return answers


@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_the_network_alone_and_repeats_itself(
    method: str, images: torch.Tensor
) -> None:
    module = tiny_network().train()
    module[4].eval()
    before = state(module)
    model = Model(module, exact=True)  # a copy that comes in between rounds otherwise
    first = attribute(model, images, method, target=[1, 2], steps=3, seed=4)
    assert state(module) == before
    second = attribute(model, images, method, target=[1, 2], steps=3, seed=4)
    np.testing.assert_array_equal(first.maps[0], second.maps[0])
    assert first.maps[0].shape == (2, 16, 14)
    assert np.abs(first.maps[0]).max() > 0
    assert first.targets == ("class 1", "class 2")
    assert first.provenance.seed == 4


@pytest.mark.parametrize("method", ["smoothgrad", "gradient_shap"])
def test_another_seed_gives_other_samples(method: str, images: torch.Tensor) -> None:
    first, second = (
        attribute(lasting_network(), images, method, steps=3, seed=seed).maps[0] for seed in (0, 1)
    )
    assert not np.array_equal(first, second)


def plain_gradient(images: torch.Tensor, target: int) -> torch.Tensor:
    module = tiny_network().double()
    start = images.double().requires_grad_()
    (gradient,) = torch.autograd.grad(module(start)[:, target].sum(), start)
    return gradient


def test_saliency_is_the_largest_gradient_of_a_pixel(images: torch.Tensor) -> None:
    found = attribute(lasting_network(), images, "saliency", target=1)
    expected = plain_gradient(images, 1).abs().amax(1).numpy()
    np.testing.assert_allclose(found.maps[0], expected, atol=1e-6)
    assert "largest size" in found.caption()
    assert "the size of the gradient of the score at each pixel. Bright is large" in found.caption()
    assert "evidence" not in found.caption()
    summed = attribute(lasting_network(), images, "saliency", target=1, channels="sum")
    np.testing.assert_allclose(summed.maps[0], plain_gradient(images, 1).sum(1).numpy(), atol=1e-6)


def test_input_x_gradient(images: torch.Tensor) -> None:
    found = attribute(lasting_network(), images, "input_x_gradient", target=3)
    expected = (images.double() * plain_gradient(images, 3)).sum(1).numpy()
    np.testing.assert_allclose(found.maps[0], expected, atol=1e-6)


def test_integrated_gradients_equal_a_fine_sum_in_double_precision(images: torch.Tensor) -> None:
    start = baseline_images(as_model(lasting_network()).preprocessing, images, "mean").double()
    path = images.double() - start
    steps = 1000
    total = torch.zeros_like(path)
    for part in torch.arange(steps).split(500):
        share = (part + 0.5) / steps
        points = (start[:, None] + share[None, :, None, None, None] * path[:, None]).flatten(0, 1)
        total += plain_gradient(points, 2).reshape(2, len(part), *path.shape[1:]).sum(1)
    expected = (path * total / steps).sum(1).numpy()
    with torch.no_grad():
        module = tiny_network().double()
        rise = (module(images.double()) - module(start))[:, 2]
    for target in (2, lambda output: output[:, 2]):
        found = attribute(lasting_network(), images, target=target, baseline="mean", steps=60)
        np.testing.assert_allclose(found.maps[0], expected, atol=2e-2 * np.abs(expected).max())
        np.testing.assert_allclose(found.maps[0].sum((1, 2)), rise.numpy(), atol=2e-2)
        assert "completeness error of" in found.caption()


def test_a_linear_network_is_attributed_exactly_by_every_complete_method(
    images: torch.Tensor,
) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 14, 2))
    sized = Preprocessing(16, (16, 14), (0.5,) * 3, (0.25,) * 3)
    network = Model(module, preprocessing=sized)
    weight = module[1].weight.detach().reshape(2, 3, 16, 14)
    start = baseline_images(sized, images, "mean")
    expected = (weight[1] * (images - start)).sum(1).numpy()
    for method in ("integrated_gradients", "gradient_shap", "deeplift"):
        found = attribute(network, images, method, target=1, baseline="mean", steps=4)
        if method == "gradient_shap":
            # Its path is a random point between image and baseline; a linear slope is one anywhere.
            assert found.maps[0].shape == expected.shape
        np.testing.assert_allclose(found.maps[0], expected, atol=1e-5)
        assert re.search(r"completeness error of (0\.0|< 0\.1)%", found.caption())


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_the_rules_state_their_coverage(method: str) -> None:
    found = attribute(thin("mobilenet_v2"), small_input("mobilenet_v2"), method)
    assert "The rule was applied at 35 of 35 activation functions." in found.caption()
    plain = attribute(thin("mobilenet_v2"), small_input("mobilenet_v2"), "saliency")
    assert not np.allclose(found.maps[0], plain.maps[0])


def test_guided_gradcam_is_the_product_of_its_two_parts(images: torch.Tensor) -> None:
    module = lasting_network()
    found = attribute(module, images, "guided_gradcam", Contrast(1, 2), channels="sum")
    guided = attribute(module, images, "guided_backprop", Contrast(1, 2), channels="sum").maps[0]
    held = capture(module, images, layers="stages", target=Contrast(1, 2))
    coarse = np.maximum(cam(held).maps[0], 0)
    fine = np.stack([cv2.resize(m, (14, 16), interpolation=cv2.INTER_LINEAR) for m in coarse])
    np.testing.assert_allclose(found.maps[0], guided * fine, atol=1e-7)


def test_a_function_with_its_own_derivative_is_not_said_to_follow_the_rule(
    images: torch.Tensor,
) -> None:
    found = attribute(OwnDerivative(), images, "guided_backprop")
    assert "derivative of their own (1 _Rectify), so that it changed nothing" in found.caption()


def test_deeplift_says_which_networks_it_cannot_explain(images: torch.Tensor) -> None:
    module, branching = OwnDerivative(), Branching()
    before = state(module)
    with pytest.raises(ModelError, match=r"no rule for some of its activations \(1 _Rectify\)"):
        attribute(module, images, "deeplift")
    with pytest.raises(ModelError, match="in other steps than the image"):
        attribute(branching, images, "deeplift")
    assert state(module) == before


@each_case("network", [Functional, Pooled, Reused, AmongOthers, Drawing, OneByOne, SomeRows])
def test_deeplift_is_complete(network: type[nn.Module], images: torch.Tensor) -> None:
    module = network()
    before = state(module)
    found = attribute(module, images, "deeplift", baseline="noise")
    assert re.search(r"completeness error of (0\.0|< 0\.1)%", found.caption())
    # A copy, which many steps are worth, calls other functions.
    assert found.provenance.computed_on == "the network itself: DeepLIFT goes by its calls"
    assert state(module) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"steps": 0}, "steps cannot be 0"),
        ({"baseline": "white"}, "no baseline 'white'"),
    ],
)
def test_bad_arguments(images: torch.Tensor, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        attribute(lasting_network(), images, **options)


@pytest.mark.parametrize("method", METHODS[:-3])  # The last three are not linear in the score.
def test_a_contrast_is_the_difference_of_its_classes(method: str, images: torch.Tensor) -> None:
    options = {"channels": "sum", "steps": 3, "baseline": "mean"}

    def of(target: object) -> np.ndarray:
        return attribute(lasting_network(), images, method, target, **options).maps[0]

    found = attribute(lasting_network(), images, method, Contrast(1, 2), **options)
    assert found.targets == ("class 1 - class 2",) * 2
    if method == "deeplift":
        # Its multipliers are linear in the score as well, up to rounding.
        np.testing.assert_allclose(found.maps[0], of(1) - of(2), atol=1e-4)
    else:
        np.testing.assert_allclose(found.maps[0], of(1) - of(2), atol=1e-5)


def test_baselines_hide_what_they_say(images: torch.Tensor) -> None:
    model = as_model(lasting_network())
    found = {kind: baseline_images(model.preprocessing, images, kind) for kind in BASELINES}
    mean = torch.tensor(model.preprocessing.mean)[None, :, None, None]
    std = torch.tensor(model.preprocessing.std)[None, :, None, None]
    torch.testing.assert_close(found["black"], (-mean / std).expand_as(images))
    assert (found["mean"].std((2, 3)) < 1e-6).all()
    torch.testing.assert_close(found["mean"].mean((2, 3)), images.mean((2, 3)))
    pixels = found["noise"] * std + mean
    assert pixels.min() >= -1e-6
    assert pixels.max() <= 1 + 1e-6
    assert 0.4 < pixels.mean() < 0.6
    assert (found["blur"].std((2, 3)) < 0.5 * images.std((2, 3))).all()
    torch.testing.assert_close(
        found["noise"], baseline_images(model.preprocessing, images, "noise")
    )
    assert all(value.shape == images.shape for value in found.values())


@pytest.mark.parametrize("method", METHODS)
def test_a_network_of_another_type_gets_about_the_same_maps(method: str) -> None:
    torch.manual_seed(1)
    images = torch.randn(1, 3, 16, 16).bfloat16()
    network = tiny_network().bfloat16()
    options = {"steps": 8, "target": 1, "baseline": "mean"}
    found = attribute(network, images, method, **options).maps[0]
    exact = attribute(network.float(), images.float(), method, **options).maps[0]
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.98


def test_guided_gradcam_says_which_networks_it_cannot_explain() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    with pytest.raises(ModelError, match=r"Guided Grad-CAM cannot explain Sequential.*no layer"):
        attribute(network, torch.rand(1, 3, 4, 4), "guided_gradcam")


@pytest.mark.parametrize("method", ["integrated_gradients", "smoothgrad", "saliency"])
def test_a_network_under_no_grad_is_refused(method: str, images: torch.Tensor) -> None:
    class Frozen(nn.Sequential):
        @torch.no_grad()
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs)

    network = as_model(Frozen(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval())
    with pytest.raises(CnnvizError, match="in a differentiable way"):
        attribute(network, images, method)


@pytest.mark.parametrize(
    ("method", "passes"),
    # Behind a rule of its own another image has to tell whether the score changes.
    [("saliency", 1), ("input_x_gradient", 1), ("guided_backprop", 2), ("deconvnet", 2)],
)
def test_a_map_of_one_gradient_takes_one_look_at_the_network_for_each_pass(
    method: str, passes: int, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[nn.Module] = []
    noted = SavedState._note_module

    def note(self: SavedState, module: nn.Module) -> None:
        looks.append(module)
        noted(self, module)

    network = tiny_network().eval()
    attribute(network, images, method, 1)  # which learns what is asked of a network once
    monkeypatch.setattr(SavedState, "_note_module", note)
    attribute(network, images, method, 1)
    assert len(looks) == passes * len(list(network.modules()))


@pytest.mark.parametrize(
    ("method", "channels", "said"),
    [
        ("input_x_gradient", "auto", "evidence: gradient times input"),
        ("input_x_gradient", "largest", "size of the gradient times input"),
        ("saliency", "auto", "size of the gradient of the score"),
        ("saliency", "sum", "evidence: gradient of the score"),
    ],
)
def test_the_colour_bar_says_what_its_values_are(images, method, channels, said) -> None:
    found = attribute(lasting_network(), images[:1], method, target=1, channels=channels)
    assert found.unit == said
    (bar,) = found.figure().axes[-1].child_axes
    assert bar.get_ylabel().replace("\n", " ").startswith(said)


def test_a_map_of_sizes_that_are_all_zero_is_said_to_be_zero(images) -> None:
    network = tiny_network()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    found = attribute(network, images[:1], "saliency", target=1)
    assert found.extent(0, "input").startswith("zero everywhere, a map of")
