"""Grad-CAM: equal to captum and to a double-precision reference, and right where peers are not."""

from __future__ import annotations

import copy

import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional as F

from cnnviz.errors import LayerError, UsageError
from cnnviz.heatmaps.map_places import summed
from cnnviz.heatmaps.stretching import stretch_over_box
from cnnviz.images import PhotoBox, Preprocessing
from cnnviz.models import Model
from cnnviz.passes.captures import Capture, capture
from cnnviz.results.text import number
from cnnviz.views.cam import cam
from tests.helpers.architectures import lasting_network, small_input, thin, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def in_double(module: nn.Module, images: torch.Tensor, split: int, target: int) -> np.ndarray:
    """Compute Grad-CAM of layer `split` of a Sequential by hand, in double precision."""
    module = module.double().eval()
    values = images.double()
    for layer in module[: split + 1]:
        values = layer(values)
    kept = values.detach().requires_grad_()
    values = kept.clone()
    for layer in module[split + 1 :]:
        values = layer(values)
    (gradient,) = torch.autograd.grad(values[:, target].sum(), kept)
    weights = gradient.mean((2, 3), keepdim=True)
    return (weights * kept).sum(1).detach().numpy()


@pytest.mark.parametrize("layer", [0, 1, 3, 5])
def test_values_equal_a_double_precision_reference(layer: int) -> None:
    images = torch.randn(3, 3, 12, 10, generator=torch.Generator().manual_seed(3))
    held = capture(lasting_network(), images, layers=["0", "1", "3", "5"], target=2)
    found = cam(held, str(layer))
    # Layer 0 is overwritten by the in-place ReLU behind it; the map is that of the layer itself.
    expected = in_double(tiny_network(), images, layer, 2)
    np.testing.assert_allclose(found.maps[0], expected, atol=1e-6)
    assert (found.maps[0] < 0).any(), "both signs are kept"


def by_hand(method: str, activations: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Write out each paper's sums for one image [C, h, w], place by place in double precision."""
    channels, height, width = activations.shape
    found = np.zeros((height, width))
    places = [(i, j) for i in range(height) for j in range(width)]
    for k in range(channels):
        a, g = activations[k].astype(float), gradients[k].astype(float)
        if method == "hirescam":
            found += g * a
        elif method == "layercam":
            found += np.maximum(g, 0) * a
        elif method == "xgradcam":
            found += sum(a[p] / a.sum() * g[p] for p in places) * a if a.sum() else 0
        elif method == "gradcam++":
            weight = 0.0
            for p in places:
                below = 2 * g[p] ** 2 + sum(a[q] for q in places) * g[p] ** 3
                weight += (g[p] ** 2 / below if below else 0.0) * max(g[p], 0.0)
            found += weight * a
        else:
            found += g.mean() * a
    return found


@pytest.fixture(scope="module")
def held_in_double() -> Capture:
    """Return three layers of the tiny network in double precision, for two images."""
    images = torch.randn(
        2, 3, 8, 10, generator=torch.Generator().manual_seed(5), dtype=torch.double
    )
    return capture(tiny_network().double(), images, layers=["1", "3", "5"], target=[0, 3])


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam"])
@each_case("layer", ["1", "3", "5"])
def test_every_method_equals_its_paper_written_out(
    held_in_double: Capture, method: str, layer: str
) -> None:
    held = held_in_double
    found = cam(held, layer, method)
    for image in range(2):
        a, g = (store[layer][image].numpy() for store in (held.activations, held.gradients))
        expected = by_hand(method, a, g)
        reach = np.abs(expected).max()
        np.testing.assert_allclose(found.maps[0][image] / reach, expected / reach, atol=1e-4)
        assert reach > 0


def test_eigencam_is_the_first_principal_direction() -> None:
    images = torch.randn(2, 3, 8, 10, generator=torch.Generator().manual_seed(5))
    held = capture(tiny_network(), images, layers="5", gradients=False)
    found = cam(held, method="eigencam")
    for image in range(2):
        places = held.activations["5"][image].double().flatten(1).T.numpy()
        values, vectors = np.linalg.eigh(places.T @ places)
        expected = (places @ vectors[:, -1]).reshape(4, 5)
        expected = expected * np.sign(expected.sum())
        np.testing.assert_allclose(found.maps[0][image], expected, atol=1e-5)
        assert values[-1] > values[-2]
    assert found.targets == ("every class", "every class")


def without_dead(activations: torch.Tensor) -> list[int]:
    return [k for k, each in enumerate(activations) if each.max() > each.min()]


@pytest.mark.parametrize("layer", ["1", "3"])
def test_scorecam_tries_every_channel_as_a_mask(layer: str) -> None:
    images = torch.randn(2, 3, 8, 10, generator=torch.Generator().manual_seed(5))
    held = capture(lasting_network(), images, layers=["1", "3"], target=[0, 3])
    found = cam(held, layer, "scorecam")
    module = tiny_network().eval()
    for image, target in enumerate((0, 3)):
        maps = held.activations[layer][image]
        scores = {}
        for k in without_dead(maps):
            mask = cv2.resize(maps[k].numpy(), (10, 8), interpolation=cv2.INTER_LINEAR)
            low, high = maps[k].min().item(), maps[k].max().item()
            seen = images[image] * torch.from_numpy((mask - low) / (high - low))
            with torch.no_grad():
                scores[k] = module(seen[None])[0, target].item()
        top = max(scores.values())
        shares = {k: np.exp(value - top) for k, value in scores.items()}
        expected = sum(shares[k] * maps[k].numpy() for k in shares) / sum(shares.values())
        np.testing.assert_allclose(found.maps[0][image], expected, atol=1e-5)


@pytest.mark.parametrize("layer", ["1", "3", "5"])
def test_ablationcam_takes_every_channel_away(layer: str) -> None:
    images = torch.randn(2, 3, 8, 10, generator=torch.Generator().manual_seed(5))
    held = capture(tiny_network(), images, layers=["1", "3", "5"], target=[0, 3])
    steps: list[tuple[int, int]] = []
    found = cam(
        held, layer, "ablationcam", progress=lambda done, all_, _: steps.append((done, all_))
    )
    module = tiny_network().eval()
    for image, target in enumerate((0, 3)):
        maps = held.activations[layer][image]
        whole = held.logits[image, target].item()
        expected = np.zeros(maps.shape[1:])
        for k in range(len(maps)):
            values = maps.clone()
            values[k] = 0
            with torch.no_grad():
                score = module[int(layer) + 1 :](values[None])[0, target].item()
            expected += (whole - score) / abs(whole) * maps[k].numpy()
        np.testing.assert_allclose(found.maps[0][image], expected, atol=1e-5)
    assert steps[0][0] == 0
    assert steps[-1][0] == steps[-1][1] > 0


def test_ablationcam_takes_away_a_channel_that_has_one_value_everywhere() -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)).eval()
    images = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(5))
    held = capture(module, images, layers="0", target=1)
    with torch.no_grad():
        falls = module[2].weight[1] * held.activations["0"].flatten() / held.scores.abs()
        expected = (falls * held.activations["0"].flatten()).sum()
    torch.testing.assert_close(
        torch.from_numpy(cam(held, "0", "ablationcam").maps[0]).sum(), expected
    )


@pytest.mark.parametrize("method", ["scorecam", "ablationcam"])
def test_trying_channels_out_leaves_the_network_alone(method: str) -> None:
    module = tiny_network().train()
    images = torch.rand(1, 3, 8, 8)
    held = capture(module, images, layers="3")
    before = state(module)
    cam(held, "3", method)
    assert state(module) == before


def test_fusing_joins_the_sharpened_maps_of_all_layers() -> None:
    images = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    held = capture(lasting_network(), images, layers=["1", "5"], target=1)
    found = cam(held, method="layercam", fuse=True)
    parts = []
    for layer in ("1", "5"):
        values = np.maximum(cam(held, layer, "layercam").maps[0][0], 0)
        sharp = np.tanh(2 * values / values.max())
        parts.append(cv2.resize(sharp, (8, 8), interpolation=cv2.INTER_LINEAR))
    np.testing.assert_allclose(found.maps[0][0], np.maximum(*parts), atol=1e-5)
    assert found.layers == ("1 | 5",)
    assert repr(found).startswith("<Heatmap: Fused LayerCAM for 'class 1' at 1 | 5")


METHODS = (
    "gradcam", "gradcam++", "xgradcam", "hirescam", "layercam", "scorecam", "ablationcam"
)  # fmt: skip


@pytest.fixture(scope="module")
def silent() -> Capture:
    """Return what is held of a network whose second layer gives nothing."""
    network = tiny_network()
    nn.init.constant_(network[3].weight, 0.0)
    nn.init.constant_(network[4].bias, -1.0)
    nn.init.constant_(network[4].weight, 0.0)
    return capture(network, torch.rand(1, 3, 8, 8), layers="5")


@each_case("method", METHODS)
def test_silent_layers_give_no_evidence_and_no_division_by_zero(
    silent: Capture, method: str
) -> None:
    assert (cam(silent, "5", method).maps[0] == 0).all()


@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet18", "layer3.1.conv2"), ("squeezenet1_0", "features.12.expand3x3")],
)
def test_values_equal_captum(name: str, layer: str) -> None:
    from captum.attr import LayerGradCam

    model = thin(name)
    images = small_input(name, count=2)
    found = cam(capture(model, images, layers=[layer], target=7), layer)
    # captum reads a layer's output after a later in-place ReLU wrote to it; so none is in-place.
    module = copy.deepcopy(model.module)
    for child in module.modules():
        if isinstance(child, nn.ReLU):
            child.inplace = False
    peer = LayerGradCam(module, module.get_submodule(layer))
    expected = peer.attribute(images, target=7).detach()
    reach = float(expected.abs().max())
    np.testing.assert_allclose(found.maps[0], expected[:, 0].numpy(), atol=1e-5 * reach, rtol=1e-4)


def test_several_layers_come_from_one_pass() -> None:
    passes: list[int] = []
    network = tiny_network()
    network.register_forward_pre_hook(lambda *_: passes.append(1))
    held = capture(network, torch.rand(2, 3, 8, 8), layers="conv, activation")
    passes.clear()
    found = cam(held, ["0", "3", "5"])
    assert passes == []
    assert found.layers == ("0", "3", "5")
    assert [maps.shape for maps in found.maps] == [(2, 8, 8), (2, 4, 4), (2, 4, 4)]
    for place, layer in enumerate(found.layers):
        np.testing.assert_array_equal(found.maps[place], cam(held, layer).maps[0])


def test_a_picture_of_several_maps_says_what_is_explained_and_what_colours_are() -> None:
    held = capture(lasting_network(), torch.rand(1, 3, 8, 8), layers=["1", "3"], target=2)
    found = cam(held, ["1", "3"])
    title = found.figure().axes[0].get_title(loc="left")
    # A target is no answer, which a bare name below that of the photo would look like.
    assert title.splitlines()[1] == "explained: class 2"
    assert found.key()[1] == "share of each map's maximum"


def test_the_default_is_the_last_layer_with_a_spatial_extent() -> None:
    held = capture(
        lasting_network(), torch.rand(1, 3, 8, 8), layers="conv, activation, pool, linear"
    )
    assert cam(held).layers == ("5",)


class _SecondOutput(nn.Module):
    """Returns the scores of three classes, and besides them maps that these do not depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.beside = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.features(x).relu()
        return self.head(found.mean((2, 3))), self.beside(found)


def test_a_layer_that_the_target_does_not_depend_on_is_not_the_default() -> None:
    held = capture(_SecondOutput().eval(), torch.rand(1, 3, 8, 8))
    assert cam(held).layers == ("features",)
    # Where no class takes part, any layer does.
    assert cam(held, method="eigencam").layers == ("beside",)


@each_case(("height", "width"), [(7, 5), (13, 13), (1, 3)])
def test_stretching_equals_opencv_where_the_box_is_the_photo(height: int, width: int) -> None:
    values = np.random.default_rng(0).standard_normal((height, width)).astype(np.float32)
    found = stretch_over_box(values, PhotoBox(0, 0, 90, 70), 70, 90)
    expected = cv2.resize(values, (90, 70), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_stretching_keeps_to_the_box() -> None:
    values = np.arange(4, dtype=np.float32).reshape(2, 2)
    found = stretch_over_box(values, PhotoBox(10, 5, 30, 25), 40, 50)
    inside = np.isfinite(found)
    assert inside[5:25, 10:30].all()
    assert inside.sum() == 20 * 20
    corner = [found[5, 10], found[5, 29], found[24, 10], found[24, 29]]
    np.testing.assert_allclose(corner, [0, 1, 2, 3])
    beyond = stretch_over_box(values, PhotoBox(-10, -10, 60, 50), 40, 50)
    assert np.isfinite(beyond).all(), "a crop that reaches outside covers the whole photo"


def test_the_peak_lies_where_the_evidence_is() -> None:
    class Spot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 4, stride=4, bias=False)
            nn.init.ones_(self.conv.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.relu(self.conv(x)).mean((2, 3))

    images = torch.zeros(1, 3, 32, 48)
    images[..., 20:24, 36:40] = 1.0
    row, column = cam(capture(Spot(), images, target=0)).peak()
    assert 20 <= row < 24
    assert 36 <= column < 40


def test_a_map_without_evidence_is_said_to_have_none() -> None:
    class Against(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1, bias=False)
            nn.init.ones_(self.conv.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return -self.conv(x).mean((2, 3))

    held = capture(Against(), torch.rand(1, 3, 6, 6), target=0)
    found = cam(held)
    assert found.scale().constant
    titles = [axes.get_title(loc="left") for axes in found.figure().axes]
    assert any("no evidence for it" in title for title in titles)
    both = cam(held, relu=False)
    assert both.scale().low == -both.scale().high < 0
    np.testing.assert_array_equal(found.maps[0], both.maps[0])


def test_scales_and_signs_are_written_on_the_figure() -> None:
    held = capture(lasting_network(), torch.rand(1, 3, 8, 8), target=1)
    found = cam(held, relu=False)
    panels = found.figure().axes
    titles = [axes.get_title(loc="left") for axes in panels]
    scale = found.scale()
    text = f"{number(scale.low)} to {number(scale.high)}, a map of 4 x 4"
    assert any(text in title for title in titles)
    (bar,) = panels[-1].child_axes
    assert bar.get_ylim() == pytest.approx((scale.low, scale.high))
    assert bar.get_ylabel().replace("\n", " ") == "evidence: weighted sum of activations"
    assert "blue is evidence against" in found.caption()


def test_the_frame_is_explained_where_the_network_sees_a_part_of_the_photo() -> None:
    kept = Preprocessing(24, (24, 24), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    model = Model(lasting_network(), preprocessing=kept)
    for width, said in ((60, "in the frame: the part that the network sees"), (24, "")):
        found = cam(capture(model, np.full((24, width, 3), 90, np.uint8)))
        assert found.figure().axes[0].get_xlabel() == said
    column = cam(capture(model, np.full((24, 60, 3), 90, np.uint8)))
    photo, beside = column.figure(figure=Figure(figsize=(4.3, 2))).axes[:2]
    assert photo.get_xlabel() == "in the frame: the part that\nthe network sees"
    assert "…" not in beside.get_title(loc="left")


def test_long_names_stay_above_their_own_panels_and_the_bar_beside_the_first_row(tmp_path) -> None:
    paths = [tmp_path / f"{'a long name of a photo ' * 4}{place}.png" for place in range(3)]
    for path in paths:
        cv2.imwrite(str(path), np.full((20, 30, 3), 90, np.uint8))
    found = cam(capture(lasting_network(), [str(path) for path in paths]))
    figure = found.figure()
    figure.draw_without_rendering()
    panels = figure.axes
    (bar,) = (child for axes in panels for child in axes.child_axes)
    for axes in panels:
        title = next(one for one in (axes.title, axes._left_title) if one.get_text())
        others = [one.bbox for one in panels if one.bbox.x0 > axes.bbox.x0]
        assert all(title.get_window_extent().x1 < other.x0 for other in others)
    assert (bar.bbox.y0, bar.bbox.y1) == pytest.approx((panels[1].bbox.y0, panels[1].bbox.y1))
    assert bar.bbox.x0 > panels[1].bbox.x1


def test_json_holds_no_pictures() -> None:
    held = capture(lasting_network(), torch.rand(1, 3, 8, 8))
    found = cam(held).to_json()
    assert "photos" not in found
    np.testing.assert_array_equal(np.float32(found["maps"][0]), cam(held).maps[0])
    assert found["scales"] == [[[0.0, pytest.approx(cam(held).maps[0].max())]]]
    assert set(cam(held).arrays()) == {"map 3"}


def test_what_cannot_be_mapped() -> None:
    network = lasting_network()
    images = torch.rand(1, 3, 8, 8)
    with pytest.raises(UsageError, match="no method 'magic'"):
        cam(capture(network, images), method="magic")
    with pytest.raises(LayerError, match=r"\[1, 4\], not \[N, C, H, W\]"):
        cam(capture(network, images, layers="linear"), "8")
    with pytest.raises(LayerError, match="no layer with what a map needs"):
        cam(capture(network, images, layers="linear"))
    with pytest.raises(LayerError, match="not in this capture"):
        cam(capture(network, images, gradients=False), "0")


def test_levels_are_summed_at_the_resolution_of_the_one_with_most_places() -> None:
    wide, square = torch.full((1, 2, 6), 3.0), torch.full((1, 4, 4), -1.0)
    extents = [((0.0, 1.0), (0.0, 1.0))] * 2
    found = summed([wide, square], extents, relu=False)
    torch.testing.assert_close(found, torch.full((1, 4, 4), 2.0))
    against = summed([wide, square], extents, relu=True)
    torch.testing.assert_close(against, torch.full((1, 4, 4), 3.0))


def test_a_map_that_asks_for_no_class_is_no_evidence_for_one() -> None:
    held = capture(lasting_network(), torch.rand(1, 3, 8, 10), layers="5")
    found = cam(held, method="eigencam").caption()
    assert "Bright is a strong response, whatever the class" in found
    assert "evidence for the target" not in found
    assert "Bright is evidence for the target" in cam(held).caption()


def test_of_captured_layers_that_hold_no_map_the_reason_is_told() -> None:
    class Sampled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            upright = torch.eye(2, 3).expand(len(images), -1, -1)
            grid = nn.functional.affine_grid(upright, [len(images), 3, 8, 8], align_corners=False)
            smaller = nn.functional.grid_sample(images, grid, align_corners=False)
            return self.head(self.a(smaller).mean((2, 3)))

    held = capture(Sampled().eval(), torch.rand(1, 3, 16, 16), layers=["a", "head"])
    with pytest.raises(LayerError, match=r"'a' gives .*an operation whose positions are not known"):
        cam(held)
