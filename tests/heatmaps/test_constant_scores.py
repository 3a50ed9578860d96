"""Of an answer that is the same for every image a map tells nothing, and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from torch import nn

from cnnviz.heatmaps.doubts import CONSTANT as CONSTANT_MARK
from cnnviz.heatmaps.doubts import NOT_EVIDENCE
from cnnviz.images import Preprocessing
from cnnviz.models import Model
from cnnviz.passes.captures import capture
from cnnviz.views.attribute import attribute
from cnnviz.views.cam import cam
from cnnviz.views.explanations import explanations
from cnnviz.views.occlusion import occlusion
from tests.helpers.each_case import each_case

_CONSTANT = " with noise, "


class _Squashed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).softmax(2).reshape(x.shape)


def _network(*middle: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        *middle,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ).eval()


def _dead() -> nn.Module:
    network = _network(nn.ReLU())
    nn.init.constant_(network[0].bias, -100.0)
    return network


def _dead_further_up() -> nn.Module:
    network = _network(
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1),
    )
    nn.init.constant_(network[3].bias, -100.0)
    return network


def _weightless() -> nn.Module:
    network = _network(nn.ReLU())
    nn.init.zeros_(network[-1].weight)
    return network


def _drowned() -> nn.Module:
    network = _network(nn.ReLU(), nn.BatchNorm2d(4))
    network[2].running_var.fill_(1e20)
    return network


def _normed() -> nn.Module:
    return _network(nn.ReLU(), nn.InstanceNorm2d(4))


def _spread() -> nn.Module:
    return _network(_Squashed())


def _of_one_class() -> nn.Module:
    return nn.Sequential(_network(nn.ReLU()), nn.Linear(3, 1), nn.Softmax(1)).eval()


class _Sum(nn.Module):
    """A sum of what a layer norm leaves, which is zero but for rounding."""

    def __init__(self, times: float, more: float) -> None:
        super().__init__()
        self.times, self.more = times, more

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = self.times * nn.functional.layer_norm(x, x.shape[1:]).sum(1)
        return torch.stack([total + self.more, total - self.more], 1)


class _SumAtEachPlace(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = nn.functional.layer_norm(x.movedim(1, 3), (x.shape[1],))
        return (normed.sum(3, keepdim=True) * torch.tensor([1.0, -1.0, 2.0])).movedim(3, 1)


def _rounded_zero() -> nn.Module:
    return nn.Sequential(_network(nn.ReLU()), nn.Linear(3, 64), _Sum(1.0, 0.0)).eval()


def _of_many_roundings() -> nn.Module:
    return nn.Sequential(_network(nn.ReLU()), nn.Linear(3, 256), _Sum(100.0, 5.0)).eval()


ROUNDED = (_rounded_zero, _of_many_roundings)
CONSTANT = (*ROUNDED, _dead, _weightless, _drowned, _normed, _spread, _of_one_class)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, 12, 10, generator=torch.Generator().manual_seed(1))


def _told(image: torch.Tensor, network: nn.Module) -> dict[str, tuple[str, ...]]:
    told: dict[str, tuple[str, ...]] = {}
    for method in ("saliency", "integrated_gradients", "smoothgrad", "deeplift"):
        told[method] = attribute(network, image, method, steps=4).doubts  # type: ignore[arg-type]
    for of_trials in ("scorecam", "ablationcam"):
        told[of_trials] = cam(capture(network, image, layers="stages"), method=of_trials).doubts  # type: ignore[arg-type]
    return told


@each_case("make", CONSTANT)
def test_a_map_of_an_answer_that_never_changes_says_so(
    make: Callable[[], nn.Module], image: torch.Tensor
) -> None:
    for method, notes in _told(image, make()).items():
        assert any(_CONSTANT in note for note in notes), method


@each_case("make", [*ROUNDED, _dead, _dead_further_up, _weightless, _drowned, _of_one_class])
def test_so_does_a_map_of_gradients_at_a_layer(
    make: Callable[[], nn.Module], image: torch.Tensor
) -> None:
    network = make()
    held = capture(network, image, layers="stages")
    for method in ("gradcam", "hirescam", "layercam"):
        notes = cam(held, method=method).doubts  # type: ignore[arg-type]
        assert any(_CONSTANT in note for note in notes), method


def test_so_does_a_map_by_another_backward_rule_or_of_differences(image: torch.Tensor) -> None:
    alive = _network(nn.ReLU())
    for network, constant in ((_rounded_zero(), True), (_dead(), True), (alive, False)):
        for method in ("guided_backprop", "deconvnet"):
            notes = attribute(network, image, method).doubts  # type: ignore[arg-type]
            assert any(_CONSTANT in note for note in notes) == constant, method
        hidden = occlusion(network, image, 6, 6)
        assert any(_CONSTANT in note for note in hidden.doubts) == constant
        assert any(hidden.marks[0]) == (_CONSTANT in hidden.caption()) == constant


def test_so_does_a_map_of_a_region_that_adds_up_the_rounding_of_many_places(
    image: torch.Tensor,
) -> None:
    network = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), _SumAtEachPlace()).eval()
    model = Model(network, output="class-map")
    assert any(occlusion(model, image, 6, 6, target=2).marks[0])
    assert any(attribute(model, image, "deconvnet", 2).marks[0])


def test_so_does_a_map_of_a_layer_behind_the_lost_image(image: torch.Tensor) -> None:
    found = cam(capture(_dead_further_up(), image, layers=["5"]))
    assert found.maps[0].any()
    assert any(_CONSTANT in note for note in found.doubts)
    assert not cam(capture(_network(nn.ReLU()), image, layers=["0"])).doubts
    # Without a gradient at the input, as in a report, what is left of the image is looked at.
    behind = capture(_dead_further_up(), image, layers=["5"], gradients="layers")
    assert any(_CONSTANT in note for note in cam(behind).doubts)


def test_the_picture_alone_says_it_of_the_image_and_layer_that_it_is_true_of(
    image: torch.Tensor,
) -> None:
    found = cam(capture(_dead(), torch.cat([image, image.flip(3)]), layers="stages"))
    assert found.marks == ((CONSTANT_MARK, CONSTANT_MARK),)
    half = replace(found, marks=((CONSTANT_MARK, ""),))
    for shown, times in ((found, 2), (half, 1), (half.of_images(slice(1, 2)), 0)):
        words = " ".join(text.get_text() for text in shown.figure().findobj(Text))
        assert words.count(f"{NOT_EVIDENCE}:") == times
    narrow = found.of_images(slice(0, 1)).figure(figure=Figure(figsize=(2.2, 2.0)))
    assert any(text.get_text().split() == NOT_EVIDENCE.split() for text in narrow.findobj(Text))
    sheet = cam(capture(_dead(), image.expand(5, -1, -1, -1), layers="stages"))
    said = [text.get_text() for text in sheet.sheets()[0].figure().findobj(Text)]
    assert said.count(CONSTANT_MARK) == 5


@each_case("scale", [1e-6, 1.0, 1e6])
def test_of_an_answer_that_changes_nothing_is_said(scale: float, image: torch.Tensor) -> None:
    network = _network(nn.ReLU())
    for parameter in network[-1].parameters():
        parameter.data *= scale
    for method, notes in _told(image, network).items():
        assert not any(_CONSTANT in note for note in notes), method


class _WithDeadBranch(nn.Module):
    """A network of two branches, one of which is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.dead, self.alive = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.off, self.on = nn.ReLU(), nn.ReLU()
        nn.init.constant_(self.dead.bias, -100.0)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.on(self.alive(x)) + self.off(self.dead(x))).mean((2, 3))


def test_of_a_map_that_is_zero_while_the_score_moves_nothing_is_said(image: torch.Tensor) -> None:
    dark = torch.full((1, 3, 8, 8), -5.0)
    flat = nn.Sequential(
        nn.ReLU(), nn.Conv2d(3, 2, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    found = attribute(flat, dark, "saliency", 0)
    assert not found.maps[0].any()
    assert not found.doubts
    branch = cam(capture(_WithDeadBranch().eval(), image, layers=["off"]))
    assert not branch.maps[0].any()
    assert not branch.doubts


def test_what_is_the_image_itself_is_none_that_was_tried() -> None:
    network = nn.Sequential(nn.Conv1d(2, 4, 3), nn.Tanh(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    nn.init.zeros_(network[0].bias)  # type: ignore[arg-type]
    for method in ("saliency", "input_x_gradient"):
        assert not attribute(network.eval(), torch.zeros(1, 2, 64), method, 0).doubts


class _OfBlack(nn.Module):
    """A network that tells black from all else, and nothing else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        lit = (x.amax((1, 2, 3)) > 0.0).to(x)[:, None]
        return torch.cat([lit, 2.0 - lit], 1) + 0.0 * x.mean((1, 2, 3))[:, None]


def test_another_image_is_tried_where_the_first_one_changes_nothing(image: torch.Tensor) -> None:
    model = Model(_OfBlack(), preprocessing=Preprocessing(None, None, (0.0,) * 3, (1.0,) * 3))
    assert not attribute(model, image, "saliency", 0).doubts


def test_it_says_by_how_much_the_score_moves_or_that_it_does_not(image: torch.Tensor) -> None:
    (still,) = attribute(_dead(), image, "saliency", 0).doubts
    (moving,) = attribute(_normed(), image, "saliency").doubts
    assert ", does not change with noise, " in still
    assert ", changes by " in moving
    assert " at most, which may be its rounding, with noise, " in moving


def test_a_target_of_all_images_together_is_asked_for_all(image: torch.Tensor) -> None:
    def apart(output: Any) -> torch.Tensor:
        return output[:, 0] - output[:, 0].mean()

    network = _dead()
    notes = attribute(network, torch.cat([image, image.flip(3)]), "saliency", apart).doubts
    assert sum(_CONSTANT in note for note in notes) == 2


def test_completeness_is_not_measured_against_the_rounding_of_a_score(image: torch.Tensor) -> None:
    for make in (_dead, _normed):
        caption = attribute(make(), image, "integrated_gradients", steps=4).caption()
        assert (
            "(rounding) of the score over the baseline's: how complete they are is not known"
            in caption
        )


def test_explanations_say_it_once_and_not_in_their_summary(image: torch.Tensor) -> None:
    found = explanations(_dead(), image, ["gradcam", "saliency"], 0, checks=())
    assert found.summary() == "2 explanations of 'class 0' in image 0"
    (doubt,) = (one for one in found.remarks() if _CONSTANT in one)
    assert found.caption().count(doubt) == 1
