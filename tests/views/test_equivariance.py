"""Equivariance of networks of which it is known beforehand."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from cnnviz.errors import LayerError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.models import Model, load
from cnnviz.results import drawing
from cnnviz.views.equivariance import equivariance
from tests.helpers.architectures import lasting_network, tiny_network
from tests.helpers.each_case import each_case
from tests.helpers.state import state
from tests.helpers.undrawn import undrawn


def images(count: int = 1, side: int = 24) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def seeded(*layers: nn.Module) -> nn.Sequential:
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return module.eval()


def circular(stride: int = 1) -> nn.Sequential:
    first = nn.Conv2d(3, 8, 3, padding=1, stride=stride, padding_mode="circular")
    return seeded(first, nn.ReLU(), nn.Conv2d(8, 8, 5, padding=2, padding_mode="circular"))


@pytest.mark.parametrize("direction", ["right", "down"])
def test_circular_convolutions_of_stride_one_follow_every_shift_to_rounding(direction) -> None:
    module = circular()
    found = equivariance(module, images(), "conv", shift=24 - 1, direction=direction, edge="wrap")
    assert found.everywhere.max() < 1e-5
    np.testing.assert_array_equal(found.moved[:, 0], [range(24), range(24)])
    np.testing.assert_allclose(found.answers, found.answers[0, 0], atol=1e-6)
    assert found.consistency == 1.0
    assert np.isnan(found.between_strides).all()


def test_a_stride_of_two_follows_even_shifts_and_no_odd_one() -> None:
    found = equivariance(circular(stride=2), images(), "conv", shift=8, edge="wrap")
    assert found.strides.tolist() == [2, 2]
    assert found.everywhere[:, 0, ::2].max() < 1e-5
    assert found.everywhere[:, 0, 1::2].min() > 0.3
    assert found.at_strides.max() < 1e-5 < 0.3 < found.between_strides.min()


def test_the_interior_is_exact_where_padding_is_not() -> None:
    module = seeded(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    for edge in ("photo", "wrap"):
        found = equivariance(module, images(), "conv", shift=5, edge=edge)
        assert found.compared.min() > 0
        assert found.inside.max() < 1e-5
        assert found.everywhere[:, 0, 1:].min() > 0.05, "the edges take part"
    first = found.compared[0]
    # Padding reaches the outermost position on either side, and what enters one more each px.
    np.testing.assert_array_equal(first, [22 - shift for shift in range(6)])


def test_the_mismatch_is_that_of_maps_written_out() -> None:
    module, x = seeded(nn.Conv2d(3, 8, 4, stride=4)), images(side=32)
    found = equivariance(module, x, "0", shift=6, edge="photo")
    mirrored = F.pad(x, (6, 0, 0, 0), mode="reflect")
    with torch.no_grad():
        here = module[0](x)[0].double()
        for shift in (2, 4, 6):
            there = module[0](mirrored[..., 6 - shift : 38 - shift])[0].double()
            share = shift / 4 - shift // 4
            moved = torch.full_like(here, torch.nan)
            for at in range(8):
                low = at - shift // 4
                if low - (share > 0) >= 0:
                    before = here[..., low - 1] if share else 0.0
                    moved[..., at] = (1 - share) * here[..., low] + share * before
            known = torch.isfinite(moved[0, 0])
            a, b = moved[..., known], there[..., known]
            wanted = (a - b).norm() / (b - b.mean((1, 2), keepdim=True)).norm()
            assert found.inside[0, 0, shift] == pytest.approx(float(wanted), rel=1e-5)
            wanted = float(module(mirrored[..., 6 - shift : 38 - shift]).softmax(1)[0].max())
            assert found.answers[0, shift] == pytest.approx(wanted, abs=1e-5)


class Blur(nn.Module):
    """Zhang's BlurPool of the binomial filter [1, 2, 1] and a stride of two."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        line = torch.tensor([1.0, 2.0, 1.0]) / 4.0
        kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(
            F.pad(x, (1, 1, 1, 1), mode="circular"), kernel, stride=2, groups=x.shape[1]
        )


class MaxPool(nn.Module):
    """A maximum over 2 x 2 at every position, round the edge."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(F.pad(x, (0, 1, 0, 1), mode="circular"), 2, stride=1)


def test_blurring_before_the_stride_follows_better_than_pooling_alone() -> None:
    conv = nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular")
    pooled = seeded(conv, nn.ReLU(), nn.MaxPool2d(2))
    blurred = seeded(conv, nn.ReLU(), MaxPool(), Blur())
    plain = equivariance(pooled, images(), "2", shift=7, edge="wrap")
    better = equivariance(blurred, images(), "3", shift=7, edge="wrap")
    assert plain.strides.tolist() == better.strides.tolist() == [2]
    assert plain.everywhere[0, 0, ::2].max() < 1e-5
    assert better.everywhere[0, 0, ::2].max() < 1e-5
    assert better.between_strides[0] < 0.6 * plain.between_strides[0]


def test_what_enters_comes_from_the_photo() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    network = Model(circular(), preprocessing=Preprocessing(None, (24, 24), (0.5,) * 3, (0.2,) * 3))
    assert not equivariance(network, photo, shift=6).beyond.any()
    found = equivariance(network, photo[:24, :24], shift=6)
    assert found.beyond[0].tolist() == pytest.approx([shift / 24 for shift in range(7)])
    assert "at most 25% of the pixels" in found.caption()


def test_layers_with_a_stride_and_the_ends_of_stages_are_the_default() -> None:
    found = equivariance(lasting_network(), images(), shift=4)
    assert found.layers == ("1", "2", "5")
    assert found.strides.tolist() == [1, 2, 2]
    assert found.example_layer == "5"
    assert found.example_shifts == (1, 2)
    table = found.table()
    assert [row[0] for row in table.rows] == ["1", "2", "5"]


class Gated(nn.Module):
    """A gate that sees the whole image, as squeeze-and-excitation has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x.mean((2, 3), keepdim=True).sigmoid()


def test_behind_a_gate_no_position_is_free_of_the_edges() -> None:
    module = seeded(nn.Conv2d(3, 8, 3, padding=1), Gated())
    found = equivariance(module, images(), ["0", "1"], shift=3)
    assert [found.free(0), found.free(1)] == [True, False]
    assert np.isnan(found.inside[1]).all()
    assert np.isfinite(found.everywhere[1]).all()
    assert "1 has no such position" in found.caption()


def test_what_has_no_single_stride_is_not_measured_and_said_so() -> None:
    module = seeded(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(5))
    found = equivariance(module, images(), ["0", "1"], shift=3)
    assert found.layers == ("0",)
    assert found.unmeasured == ("1 has positions that lie unevenly over the image",)
    assert "Not measured: 1 has positions that lie unevenly" in found.caption()


def test_an_answer_that_changes_is_counted() -> None:
    class Left(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x[:, 0, :, 0].mean(1), x[:, 0, :, -1].mean(1)], 1)

    ramp = torch.linspace(1.0, 0.0, 16).repeat(1, 3, 16, 1)
    module = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), Left()).eval()
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(3)[..., None, None])
    found = equivariance(module, ramp, "0", shift=4, edge="wrap")
    # Once the dark end has come round, the right side is the brighter one.
    assert found.classes[0].tolist() == [0, 1, 1, 1, 1]
    assert found.consistency[0] == pytest.approx(6 / 10)
    assert "stays at 0 of 4 shifts (consistency 60%)" in found.summary()


def test_a_network_that_names_no_class_is_followed_by_its_score() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 22 * 22, 1)).eval()
    network = Model(module, output="value")
    found = equivariance(network, images(), shift=3)
    assert found.unit == "score"
    assert (found.classes == -1).all()
    assert np.isnan(found.consistency).all()
    assert "the score lies between" in found.summary()
    found.figure().draw_without_rendering()


class Counted(nn.Module):
    """A network that notes how many images go through it, and through copies of it."""

    rows: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.part = tiny_network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows.append(len(x))
        return self.part(x)


def test_every_shift_goes_through_the_network_once() -> None:
    module = Counted()
    model = Model(module, exact=True)  # a copy is compared with the network in two passes more
    equivariance(model, images(2), shift=6)
    module.rows.clear()
    # What is known of the network is kept: once as they are, then each at the shifts 0 to 6.
    found = equivariance(model, images(2), shift=6)
    assert sum(module.rows) == 2 + 2 * 7
    assert (found.example_layer, found.example_shifts) == ("part.5", (1, 2))
    for shown, shift in zip(found.example_found, found.example_shifts, strict=True):
        row = F.pad(images(2)[:1], (shift, 0, 0, 0), mode="reflect")[..., :24]
        with torch.no_grad():
            there = module.part[:6](row)[0, found.example_channel]
        np.testing.assert_allclose(shown, there.numpy(), atol=1e-5)


def test_nothing_is_changed() -> None:
    module, x = tiny_network().train(), images(2)
    before, kept = state(module), x.clone()
    equivariance(module, x, shift=2)
    assert state(module) == before
    assert torch.equal(x, kept)


@each_case(
    ("arguments", "error", "message"),
    [
        ({"shift": 0}, UsageError, "shift cannot be 0"),
        ({"shift": 24}, UsageError, "24 px cannot be shifted by 24"),
        ({"direction": "up"}, UsageError, "'up'"),
        ({"edge": "black"}, UsageError, "'black'"),
        ({"layers": "third"}, LayerError, "no layer 'third'"),
        ({"layers": "6"}, LayerError, "6 has a single position along the shift"),
    ],
)
def test_bad_arguments_are_sentences(arguments, error, message: str) -> None:
    with pytest.raises(error, match=message):
        equivariance(lasting_network(), images(), **arguments)


def test_it_fits_into_the_column_of_a_paper(tmp_path) -> None:
    # Six layers, and a photo whose name takes half of a line.
    path = tmp_path / "shapes held-out 19 (star).png"
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    Image.fromarray(noise).save(path)
    found = equivariance(load("shapes-plain"), path)
    # What `width="85mm"` looks for is looked for in tests/results; so high will do.
    with undrawn():
        found.save(tmp_path / "a.png", size="85x270mm", font_size=7, title=False, dpi=72)
    canvas = drawing.new_figure(4.3, 13.6)
    found.figure(figure=canvas)
    height = drawing.shape_asked_for(canvas)
    assert height is not None
    assert height > 1.5, "the panels stand one below the other"


@each_case(("count", "width", "height", "below"), [(8, 13.2, None, 4), (12, 4.3, 15.5, 2)])
def test_the_names_of_the_lines_have_room(count, width, height, below: int) -> None:
    names = [f"block{place}_of_the_long_trunk" for place in range(count)]
    layers = {name: nn.Conv2d(3, 3, 3, padding=1) for name in names}
    layers[names[0]].stride = (2, 2)
    network = nn.Sequential(OrderedDict(layers, end=nn.Flatten())).eval()
    found = equivariance(network, images(), names, shift=2)
    figure = found.figure(figure=drawing.new_figure(width, height) if height else None)
    figure.draw_without_rendering()
    taken = figure.axes[1].get_legend().get_window_extent()
    assert taken.y0 > figure.axes[below].get_tightbbox().y1
    assert taken.x1 < figure.bbox.x1
