"""Effective fields against Jacobians written out and against the theory of random networks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from cnnviz.errors import LayerError, UsageError
from cnnviz.images import Preprocessing
from cnnviz.introspection.random_draws import own_generator
from cnnviz.introspection.receptive_fields import PixelBox
from cnnviz.introspection.tracing import trace
from cnnviz.models import Model
from cnnviz.results.drawing import new_figure
from cnnviz.results.legibility import crowded
from cnnviz.views.pictures.receptive_field import heat_of
from cnnviz.views.receptive_field import SAMPLES, receptive_field
from tests.helpers.architectures import (
    build,
    lasting_network,
    shallow,
    small_input,
    tiny_network,
)
from tests.helpers.each_case import each_case
from tests.helpers.state import state


def images(count: int = 1, side: int = 24, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1))


def chain(depth: int, width: int, kernel: int = 3) -> nn.Sequential:
    """Return convolutions with normal weights and no rectifier."""
    generator = torch.Generator().manual_seed(0)
    layers = [
        nn.Conv2d(3 if place == 0 else width, width, kernel, padding=kernel // 2, bias=False)
        for place in range(depth)
    ]
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator))
    return nn.Sequential(*layers).eval()


@pytest.mark.parametrize(("depth", "kernel"), [(2, 3), (5, 3), (3, 5)])
def test_random_networks_have_the_spread_of_the_theory(depth: int, kernel: int) -> None:
    """Luo et al. 2016, section 2: n layers of kernel k have the variance n (k**2 - 1) / 12."""
    network = chain(depth, 24, kernel)
    found = receptive_field(network, images(side=41), str(depth - 1), draws=24)
    wanted = 4 * math.sqrt(depth * (kernel**2 - 1) / 12)
    size = depth * (kernel - 1) + 1
    assert found.sizes.tolist() == [[size, size]]
    assert found.effective[0] == pytest.approx([min(wanted, size)] * 2, rel=0.08)
    assert found.centres[0] == pytest.approx([20.5, 20.5], abs=0.3)


def test_the_energy_is_the_squared_jacobian() -> None:
    module, x = tiny_network(), images(2)
    found = receptive_field(module, x, "5", draws=600)
    jacobian = torch.zeros(24, 24)
    for image in x:
        leaf = image[None].clone().requires_grad_()
        unit = module[:6](leaf.clone())[0, :, 6, 6]
        for channel in unit:
            (gradient,) = torch.autograd.grad(channel, leaf, retain_graph=True)
            jacobian += gradient[0].square().sum(0) / 2
    assert found.positions.tolist() == [[6, 6]]
    np.testing.assert_allclose(found.energy[0], jacobian, atol=0.1 * float(jacobian.max()))
    assert found.energy[0].sum() == pytest.approx(float(jacobian.sum()), rel=0.05)


def test_one_channel_needs_no_chance() -> None:
    network, x = chain(3, 1), images(3, 20)
    one, other = (receptive_field(network, x, "2", draws=3, seed=seed) for seed in (0, 5))
    np.testing.assert_array_equal(one.energy, other.energy)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(leaf)[:, 0, 10, 10].sum(), leaf)
    wanted = gradient.square().sum(1).mean(0)
    np.testing.assert_allclose(one.energy[0], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("made", "name"),
    # With fewer channels a layer of the second is dead.
    [(shallow, "googlenet"), (build, "mobilenet_v3_small"), (shallow, "shufflenet_v2_x1_0")],
)
def test_no_energy_lies_outside_the_theoretical_field(made, name: str) -> None:
    model, x = made(name), small_input(name)
    found = receptive_field(model, x, draws=2)
    traced = trace(model.module, tuple(x.shape[1:]))
    for place, layer in enumerate(found.layers):
        field = traced.find(layer).receptive_field
        assert field is not None
        assert tuple(found.sizes[place]) == field.local.size
        assert found.windows[place] == field.local.box(*found.positions[place])
        if field.gateless is None:
            assert found.outside[place] == 0
    assert ("Behind global gates" in found.caption()) == (name == "mobilenet_v3_small")
    assert (found.effective <= [[w.height, w.width] for w in found.windows]).all()


def test_shares_are_of_the_energy() -> None:
    found = receptive_field(lasting_network(), images(), "5")
    energy = found.energy[0].astype(np.float64)
    rows, columns = np.arange(24) + 0.5, np.arange(24) + 0.5
    shares = energy / energy.sum()
    centre = [shares.sum(1) @ rows, shares.sum(0) @ columns]
    assert found.centres[0] == pytest.approx(centre, abs=1e-4)
    spread = np.sqrt(
        [shares.sum(1) @ (rows - centre[0]) ** 2, shares.sum(0) @ (columns - centre[1]) ** 2]
    )
    assert found.effective[0] == pytest.approx(np.minimum(4 * spread, 8), abs=1e-3)
    down, across = found.effective[0] / 2
    near = (abs(rows - centre[0]) <= down)[:, None] & (abs(columns - centre[1]) <= across)
    assert found.inside[0] == pytest.approx(shares[near].sum(), abs=1e-5)


def test_a_layer_without_gradient_is_told() -> None:
    module = tiny_network()
    with torch.no_grad():
        module[0].bias.fill_(-100.0)
    found = receptive_field(module, images(), "1,0")
    assert np.isnan(found.effective[found.layers.index("1")]).all()
    assert np.isfinite(found.effective[found.layers.index("0")]).all()
    assert "No gradient reaches the image from 1." in found.caption()
    found.figure().draw_without_rendering()
    dead = receptive_field(module, images(), "1")
    assert "no gradient reaches the image" in dead.summary()
    dead.to_json()


def of_32_px() -> Model:
    return Model(
        lasting_network(), preprocessing=Preprocessing(None, (32, 32), (0.5,) * 3, (1.0,) * 3)
    )


def test_without_images_there_is_noise() -> None:
    one, again = (receptive_field(of_32_px(), layers="3", draws=1) for _ in range(2))
    assert (one.images, one.noise, one.provenance.seed) == (SAMPLES, True, 0)
    np.testing.assert_array_equal(one.energy, again.energy)
    other = receptive_field(of_32_px(), layers="3", draws=1, seed=1)
    assert not np.array_equal(one.energy, other.energy)
    assert "8 images of normal noise" in one.caption()


def test_a_layer_is_measured_as_if_it_were_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    alone = receptive_field(tiny_network(), shown, layers="3", draws=6).energy[0]
    together = receptive_field(tiny_network(), shown, layers=["0", "1", "3"], draws=6)
    np.testing.assert_array_equal(together.energy[together.layers.index("3")], alone)
    monkeypatch.setattr("cnnviz.views._measured_field.rows_at_once", lambda *_: 1)
    one_by_one = receptive_field(tiny_network(), shown, layers="3", draws=6).energy[0]
    np.testing.assert_allclose(one_by_one, alone, rtol=1e-5)
    first, second = (own_generator(0, layer, 0).initial_seed() for layer in ("0", "3"))
    assert first != second


def test_every_text_can_be_read_where_the_title_takes_two_lines() -> None:
    for layers in ("3", ["0", "3"]):
        found = receptive_field(lasting_network(), images(), layers=layers, draws=1)
        figure = found.figure()
        assert crowded(figure) == ""
        figure = replace(found, layers=tuple(f"a.longer.name.{name}" for name in layers)).figure()
        assert "\n" in figure.get_suptitle()
        assert crowded(figure) == ""


@pytest.mark.parametrize("layers", [["3"], ["0", "1", "3"], ["0", "1", "3", "4"], list("01234")])
def test_panels_fill_a_slide(layers) -> None:
    found = receptive_field(lasting_network(), images(), layers=layers, draws=1)
    figure = found.figure(figure=new_figure(12.0, 6.75))
    assert crowded(figure) == ""
    panels = [axes.bbox for axes in figure.axes if axes.get_aspect() != "auto"]
    assert len(panels) == 1 + len(layers)
    # The image comes first, no smaller than the others; four panels in a row fill a third.
    assert panels[0].width >= 0.99 * max(panel.width for panel in panels)
    # Those of layers are no smaller than their rows allow, and stand right beside the image.
    assert all(panel.width > 0.25 * panels[0].width for panel in panels)
    assert panels[1].x0 - panels[0].x1 < 0.1 * figure.bbox.width
    share = sum(panel.width * panel.height for panel in panels)
    assert share > 0.5 * figure.bbox.width * figure.bbox.height


def test_draws_are_shared_among_the_images() -> None:
    assert receptive_field(lasting_network(), images(3), "3", draws=7).draws == 3
    assert receptive_field(lasting_network(), images(1), "3", draws=7).draws == 7


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(torch.relu_(self.body(x)))


def test_calls_of_one_layer_are_told_apart() -> None:
    found = receptive_field(Twice().eval(), images(), ["body#0", "body#1"], draws=2)
    assert found.sizes.tolist() == [[3, 3], [5, 5]]
    assert found.windows[0] == PixelBox(11, 11, 14, 14)
    with pytest.raises(LayerError, match="was called 2 times"):
        receptive_field(Twice().eval(), images(), "body", draws=2)


def test_colours_are_the_root_as_a_share() -> None:
    energy = np.array([[4.0, 1.0], [0.0, 4e-6]], np.float32)
    np.testing.assert_allclose(heat_of(energy, "linear"), [[1, 0.5], [0, 1e-3]], atol=1e-6)
    np.testing.assert_allclose(
        heat_of(energy, "log"), [[1, 1 - math.log(0.5) / math.log(0.01)], [0, 0]], atol=1e-6
    )
    assert not heat_of(np.zeros((2, 2), np.float32), "log").any()


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_picture_names_its_scale_and_its_layers(scale) -> None:
    found = receptive_field(lasting_network(), images(), scale=scale, draws=2)
    figure = found.figure()
    words = {text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text"))}
    assert any("theoretical" in text and "effective" in text for text in words)
    assert any("root mean square gradient" in text for text in words)
    assert ("≤ 0.01" in words) == (scale == "log")
    assert ("logarithmic" in found.caption()) == (scale == "log")


def test_the_picture_says_which_frame_is_which() -> None:
    figure = receptive_field(lasting_network(), images(), draws=2).figure()
    figure.draw_without_rendering()
    key = figure.axes[0].get_title(loc="left")
    assert key.startswith("the input, ")
    assert key.endswith("\nblue: theoretical field\norange: effective field")
    several = receptive_field(tiny_network(), images(3), draws=3).figure()
    assert several.axes[0].get_title(loc="left").startswith("the first input, ")
    assert figure.axes[0].get_tightbbox().y0 >= 0


def test_nothing_is_changed_and_a_surrounding_no_grad_does_not_reach_in() -> None:
    module, x = tiny_network(5).train(), images(2, 20, 5)
    before, kept = state(module), x.clone()
    with torch.inference_mode():
        found = receptive_field(module, x, draws=2)
    assert state(module) == before
    assert torch.equal(x, kept)
    assert found.energy.any()


@each_case(
    ("arguments", "error", "message"),
    [
        ({"draws": 0}, UsageError, "draws cannot be 0"),
        ({"scale": "cubic"}, UsageError, "There is no scale 'cubic'"),
        ({"layers": "third"}, LayerError, "no layer 'third'"),
    ],
)
def test_bad_arguments_are_sentences(arguments, error, message: str) -> None:
    with pytest.raises(error, match=message):
        receptive_field(lasting_network(), images(), **arguments)


def test_a_network_without_maps_is_a_sentence() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 5)).eval()
    with pytest.raises(LayerError, match="no layer that is known to hold a map"):
        receptive_field(module, images(side=8))
