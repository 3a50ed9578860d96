"""A network that gives NaN or infinities: views refuse it in a sentence, the diagnosis names it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import cnnviz
from cnnviz.errors import NotFiniteError

IMAGES = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.two(self.one(x).relu()).relu().mean((2, 3)))


def weight() -> nn.Module:
    network = Base()
    network.two.weight.data[1, 0, 0, 0] = float("nan")
    return network.eval()


def overflow() -> nn.Module:
    network = Base()
    network.one.weight.data.mul_(1e30)
    network.two.weight.data.mul_(1e30)
    return network.eval()


class Logarithm(Base):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.two(self.one(x).log()).mean((2, 3)))


class Square(Base):
    """Divides nothing by nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.two(self.one(x).relu()).relu().mean((2, 3))
        return self.head(found) / (found * 0).sum(1, keepdim=True)


def buffers() -> nn.Module:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), Pooled())
    network[1].running_var[:] = float("nan")
    return network.eval()


class Pooled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "a weight": weight,
    "overflow": overflow,
    "a logarithm": lambda: Logarithm().eval(),
    "a division": lambda: Square().eval(),
    "a buffer": buffers,
}

VIEWS: dict[str, Callable[[nn.Module], object]] = {
    "capture": lambda m: cnnviz.capture(m, IMAGES),
    "predictions": lambda m: cnnviz.predictions(cnnviz.capture(m, IMAGES, gradients=False)),
    "a class": lambda m: cnnviz.capture(m, IMAGES, target=1),
    "attribute": lambda m: cnnviz.attribute(m, IMAGES, "integrated_gradients"),
    "occlusion": lambda m: cnnviz.occlusion(m, IMAGES, 6, 6),
    "invariance": lambda m: cnnviz.invariance(m, IMAGES),
    "loss_landscape": lambda m: cnnviz.loss_landscape(m, IMAGES, [0, 1], dimensions=1, points=3),
    "report": lambda m: cnnviz.report(m, IMAGES),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("network", NETWORKS)
def test_answers_that_are_not_finite_are_refused(network: str, view: str) -> None:
    with pytest.raises(NotFiniteError, match=r"not finite: \d+ of \d+ are NaN or infinite"):
        VIEWS[view](NETWORKS[network]())


@pytest.mark.parametrize("network", NETWORKS)
def test_the_diagnosis_names_where_it_begins(network: str) -> None:
    found = cnnviz.gradient_flow(NETWORKS[network](), IMAGES)
    assert "not finite" in found.summary()


@pytest.mark.parametrize(
    "view",
    [
        lambda m: cnnviz.feature_maps(cnnviz.capture(m, IMAGES, gradients=False), "two"),
        lambda m: cnnviz.deconvnet(m, IMAGES, "two"),
        lambda m: cnnviz.top_activations(m, IMAGES, "two", top=1),
        lambda m: cnnviz.receptive_field(m, IMAGES, "two"),
        lambda m: cnnviz.filters(m, "two"),
    ],
)
def test_layers_that_are_not_finite_are_refused(view: Callable[[nn.Module], object]) -> None:
    with pytest.raises(NotFiniteError, match="of layer 'two' are not finite"):
        view(weight())


class Masking(nn.Module):
    """Minus infinity in a corner, as a mask leaves it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        corner = torch.zeros(x.shape[2:], dtype=torch.bool)
        corner[:3, :3] = True
        return x.masked_fill(corner, float("-inf"))


class Root(nn.Module):
    """The slope of a square root is infinite at the zeros that a rectifier leaves."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu().sqrt()


def ending(part: nn.Module) -> nn.Module:
    network = Base()
    layers = {"one": network.one, "part": part, "pool": nn.MaxPool2d(6), "end": nn.Flatten()}
    return nn.Sequential(OrderedDict(layers)).eval()


def test_a_mask_is_no_fault_of_the_network_and_the_error_says_what_to_choose() -> None:
    held = cnnviz.capture(ending(Masking()), IMAGES, layers=["part"])
    for view in (cnnviz.cam, cnnviz.feature_maps):
        with pytest.raises(NotFiniteError, match="are minus infinity, by which") as told:
            view(held, "part")
        assert told.value.remedy.startswith("Choose what the network does not mask: the layer")


def test_minus_infinity_masks_positions_and_the_others_are_sent_back() -> None:
    network = ending(Masking())
    found = cnnviz.deconvnet(network, IMAGES, "part", rule="gradient")
    values = network.one(IMAGES).detach()
    values[:, :, :3, :3] = -torch.inf
    for place, channel in enumerate(found.channels):
        assert found.activations[place] == pytest.approx(values[:, channel].amax((1, 2)).numpy())
        for image, (window,) in enumerate(zip(found.windows[place], strict=True)):
            inside = found.signals[place, image][:, max(-window.top, 0) :, max(-window.left, 0) :]
            kernel = network.one.weight[channel].detach().numpy()
            assert inside == pytest.approx(kernel[:, : inside.shape[1], : inside.shape[2]])
    strongest = cnnviz.top_activations(network, IMAGES, "part", top=4, k=1)
    assert strongest.values == pytest.approx(values.amax((2, 3)).amax(0).numpy()[:, None])


def test_what_is_not_finite_on_the_way_back_is_no_projection() -> None:
    """NaN was a projection with 0% outside its window, and a grey picture, which means nothing."""
    network = ending(Root())
    with pytest.raises(NotFiniteError, match=r"of layer 'pool' send back .* 8 of 8"):
        cnnviz.deconvnet(network, IMAGES, "pool")
    found = cnnviz.top_activations(network, IMAGES, "pool", k=2)
    assert "what 8 patches sent back is not finite" in " ".join(found.provenance.notes)


@pytest.mark.parametrize("method", ["gradcam", "eigencam", "scorecam", "layercam"])
def test_a_map_at_a_layer_that_is_not_finite_is_refused(method: str) -> None:
    held = cnnviz.capture(
        weight(), IMAGES, layers="two", target=lambda output: output.nan_to_num().sum(1)
    )
    with pytest.raises(NotFiniteError, match="of layer 'two' are not finite"):
        cnnviz.cam(held, "two", method)


@pytest.mark.parametrize("unit", ["two:1", "head:0"])
def test_a_unit_that_is_not_finite_has_no_picture(unit: str) -> None:
    with pytest.raises(NotFiniteError, match="The scores of the units are not finite"):
        cnnviz.feature_visualization(weight(), [unit], steps=2)


def test_the_layers_before_it_are_drawn(tmp_path: Path) -> None:
    held = cnnviz.capture(weight(), IMAGES, gradients=False)
    cnnviz.feature_maps(held, "one").save(tmp_path / "one.png")
    assert cnnviz.filters(weight(), "one").dead.sum() == 0


def test_a_class_that_is_ruled_out_leaves_the_answer() -> None:
    class Masked(Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            ruled_out = torch.tensor([False, True, False])
            return super().forward(x).masked_fill(ruled_out, float("-inf"))

    found = cnnviz.predictions(cnnviz.capture(Masked().eval(), IMAGES, layers="one"))
    assert 1 not in found.classes[:, 0]
    assert found.probabilities[0].sum() == pytest.approx(1.0)
