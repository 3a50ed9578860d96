"""What pictures of the course show: legends, limits, labels, and that they fill a slide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from torch import nn

import cnnviz
from cnnviz.course.card_text import rate_said
from cnnviz.course.network_cards import CARDS, ONE_CROP
from cnnviz.course.network_measures import NetworkMeasures
from cnnviz.images import PhotoBox, Preprocessing
from cnnviz.models import Model
from cnnviz.results.drawing import SLIDE, new_figure
from cnnviz.results.legibility import crowded
from cnnviz.results.text import fine_percent
from cnnviz.views.challenges import Challenges, challenges
from cnnviz.views.equivariance import equivariance
from cnnviz.views.famous_networks import FamousNetworks
from cnnviz.views.pictures.famous_networks import _Bubble, name_places
from tests.helpers.architectures import tiny_network

PLAIN = Preprocessing(None, (32, 32), (0.0,) * 3, (1.0,) * 3)


def photo(height: int = 40, width: int = 44) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def swept() -> Challenges:
    return challenges(Model(tiny_network(), preprocessing=PLAIN), photo(), steps=3)


def test_challenges_fit_a_slide_and_nothing_is_lost(swept: Challenges) -> None:
    figure = swept.figure()
    width, height = figure.get_size_inches()
    assert width < 14.0
    assert width / height == pytest.approx(SLIDE, rel=0.06)
    assert crowded(figure) == ""
    (axes,) = figure.axes
    said = [text.get_text() for text in axes.texts]
    for sweep, challenge, unit in zip(swept.sweeps, swept.challenges, swept.units, strict=True):
        assert any(text.startswith(f"{sweep} ({challenge})") for text in said)
        assert any(text.endswith(unit) for text in said)
    assert len(axes.images) == len(swept.sweeps)
    assert sum(text.get_fontsize() < 6.5 for text in axes.texts) == 0
    curves = [line for line in axes.lines if line.get_linewidth() == 2.0]
    assert len(curves) == len(swept.sweeps)
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    for place, line in enumerate(curves):
        across, up = line.get_xdata(), line.get_ydata()
        assert left <= across.min() < across.max() <= right
        assert top <= up.min() <= up.max() <= bottom
        image = axes.images[place].get_extent()
        low, high = max(image[2:]), min(image[2:])
        np.testing.assert_allclose((low - up) / (low - high), swept.answers[place], atol=1e-6)


@pytest.mark.parametrize("name", ["losses", "optimizers"])
def test_what_needs_no_network_fills_a_slide_by_itself(name: str) -> None:
    given = {"steps": 4} if name == "optimizers" else {}
    figure = getattr(cnnviz, name)(**given).figure()
    width, height = figure.get_size_inches()
    assert width / height == pytest.approx(SLIDE, rel=0.02)
    assert crowded(figure) == ""


def test_challenges_take_the_columns_that_fill_a_canvas(swept: Challenges) -> None:
    def columns(width: float, height: float) -> int:
        canvas = new_figure(width, height)
        lefts = {
            round(image.get_extent()[0], 3) for image in swept.figure(figure=canvas).axes[0].images
        }
        return len(lefts)

    assert columns(6.0, 14.0) == 1
    assert columns(13.0, 7.3) == 2
    assert columns(19.0, 5.0) == 3


def test_every_line_of_equivariance_has_its_layer_in_a_legend() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3)
    ).eval()
    pixels = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    found = equivariance(Model(module), pixels, ["0", "2", "3"], shift=4)
    figure = found.figure()
    assert crowded(figure) == ""
    legend = next(axes.get_legend() for axes in figure.axes[1:2])
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [
        f"layer {layer}, stride {stride}"
        for layer, stride in zip(found.layers, found.strides, strict=True)
    ]
    mismatch = figure.axes[3]
    drawn = [line for line in mismatch.lines if len(line.get_xdata()) == len(found.shifts)]
    for place, (line, handle) in enumerate(zip(drawn, legend.get_lines(), strict=True)):
        np.testing.assert_array_equal(line.get_ydata(), found.errors(place))
        assert to_rgb(line.get_color()) == to_rgb(handle.get_color())


def test_a_sure_softmax_has_bars_for_all_classes_and_digits() -> None:
    class Sure(nn.Module):
        def __init__(self, first: float) -> None:
            super().__init__()
            self.conv, self.first = nn.Conv2d(3, 1, 1), first

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows = torch.tensor([self.first, 9.0, 8.0, 2.0, 0.0], dtype=torch.float64)
            return rows.expand(len(x), -1)

    def found(first: float):
        model = Model(Sure(first), output="classes")
        held = cnnviz.capture(model, torch.zeros(1, 3, 4, 4), gradients=False, layers="")
        return cnnviz.softmax(held, 3)

    sure = found(22.0)
    assert sure.sure(0)
    _, exponentials, shares, *_ = sure.figure().axes
    for axes, values in ((exponentials, sure.exponentials[0]), (shares, sure.probabilities[0])):
        assert axes.get_xscale() == "log"
        low = axes.get_xlim()[0]
        ends = [bar.get_x() + bar.get_width() for bar in axes.patches[:3]]
        np.testing.assert_allclose(ends, values, rtol=1e-9)
        # Each is at least a tenth as long as the axis.
        assert all(value > 9.9 * low for value in values)
    said = [text.get_text() for text in shares.texts]
    assert said[:3] == [fine_percent(share) for share in sure.probabilities[0]]
    assert not any(text.startswith(("<", ">")) for text in said)
    total = sure.total_of(0)
    assert total != "1"
    assert float(total) == pytest.approx(sure.totals[0], abs=1e-7)
    assert f"exponential / {total} (log. axis)" in shares.get_title("left")
    assert "logarithmic axis" in sure.caption()
    assert crowded(sure.figure()) == ""
    unsure = found(9.5)
    assert not unsure.sure(0)
    assert unsure.figure().axes[2].get_xscale() == "linear"
    assert "logarithmic axis" not in unsure.caption()


def test_no_name_of_a_network_lies_on_anything_or_on_a_line() -> None:
    counted = tuple(
        NetworkMeasures(int(card.parameters or 3e7), 1, 1, 1, (3, 224, 224)) for card in CARDS
    )
    origin = cnnviz.losses("mse").provenance
    found = FamousNetworks(provenance=origin, cards=CARDS, measured=counted)
    figure = found.figure()
    upper = figure.axes[0]
    assert "ImageNet" in upper.get_ylabel()
    title = upper.get_title("left")
    assert "ILSVRC 2012" in title
    assert "one crop" in title
    names = {text.get_text() for text in upper.texts}
    for card in CARDS:
        if card.top5 is not None:
            plain = f"{card.title}\n{rate_said(card.top5)}"
            (name,) = [text for text in names if text.startswith(plain)]
            mark = name[len(plain) :]
            assert bool(mark) == (card.protocol != ONE_CROP)
            assert mark in title


def test_names_make_room_for_lines_and_for_one_another() -> None:
    cards = [card for card in CARDS if card.top5 is not None][:6]
    bubbles = [
        _Bubble(card, 2e7, 2.0 + 0.8 * place, 2.0 + 0.1 * place) for place, card in enumerate(cards)
    ]
    taken = [(one.x, one.y, one.radius, one.radius) for one in bubbles]
    line = (4.0, 2.6, 4.0, 0.02)
    places = name_places(bubbles, [*taken, line])
    boxes = [
        (x, y, 0.077 * max(len(one.card.title), 6) / 2, 0.16)
        for one, (x, y) in zip(bubbles, places, strict=True)
    ]
    for place, one in enumerate(boxes):
        for other in [*boxes[:place], *taken, line]:
            apart = max(
                abs(one[0] - other[0]) - one[2] - other[2],
                abs(one[1] - other[1]) - one[3] - other[3],
            )
            assert apart > -1e-9
        for leader, (x, y) in zip(bubbles, places, strict=True):
            if boxes[place][:2] != (x, y):
                points = np.linspace([x, y], [leader.x, leader.y], 50)
                inside = (np.abs(points - one[:2]) < one[2:]).all(1)
                assert not inside.any()


@pytest.mark.parametrize("boxes", [None, [PhotoBox(30, 20, 50, 40)]])
def test_a_localisation_leaves_no_empty_strip_below_its_photo(boxes) -> None:
    model = Model(tiny_network(), preprocessing=PLAIN)
    held = cnnviz.capture(model, photo(60, 80), layers="stages")
    figure = cnnviz.localisation(held, boxes=boxes).figure()
    figure.draw_without_rendering()
    low = min(axes.get_tightbbox().y0 for axes in figure.axes if axes.get_visible())
    assert low / figure.dpi < 0.3, "inches below all panels"
    slide = cnnviz.localisation(held, boxes=boxes).figure(figure=new_figure(12.8, 7.2))
    panels = [axes for axes in slide.axes if axes.images]
    assert panels[0].get_subplotspec().rowspan == range(2), "the photo is as high as the slide"
    tops = [axes.get_subplotspec().rowspan.start for axes in panels[1:3]]
    assert tops == ([0, 1] if boxes is None else [0, 0]), "beside it there is room for a curve"


def test_an_augmentation_says_once_what_is_answered() -> None:
    model = Model(tiny_network(), preprocessing=PLAIN, categories=list("abcd"))
    own = cnnviz.augmentation(model, photo(), draws=4)
    labels = [text.get_text() for text in own.figure().axes[0].texts]
    assert labels[0].splitlines() == ["as it is", labels[0].splitlines()[1]]
    for label, index in zip(labels[1:], own.classes, strict=True):
        assert label.count(f"{own.target} ") == 1
        assert label.startswith("→ ") == (index != own.target_class)
    other = (own.original_class + 1) % 4
    asked = cnnviz.augmentation(model, photo(), other, draws=2)
    label = asked.figure().axes[0].texts[0].get_text()
    assert label.splitlines()[:2] == ["as it is", f"→ {own.original_name}"]
    assert label.splitlines()[2].startswith(f"{asked.target} ")
    assert "as was asked for" in asked.caption()
    assert "the network's answer to the photo as it is" in own.caption()
    turned = replace(own, classes=np.full_like(own.classes, other), class_names=("z",) * 4)
    assert [text.get_text().splitlines()[0] for text in turned.figure().axes[0].texts][1:] == [
        "→ z"
    ] * 4
    # Long names are shortened, so that labels stand apart on a slide.
    long = replace(turned, class_names=("a class of a long name",) * 4, target="another " * 4)
    assert not crowded(long.draw(new_figure(6.2, 3.5)))


def test_kernels_and_fields_take_the_rows_that_fill_a_canvas() -> None:
    kernels = cnnviz.filters(nn.Sequential(nn.Conv2d(3, 96, 7)))

    def columns(width: float, height: float) -> int:
        shown = kernels.figure(figure=new_figure(width, height)).axes[0].texts
        return len({round(text.get_position()[0], 3) for text in shown})

    assert columns(6.0, 12.0) < columns(8.0, 8.0) < columns(12.8, 7.2)
    noise = torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    fields = cnnviz.receptive_field(tiny_network(), noise, ["conv"], draws=2)

    def rows(width: float, height: float) -> int:
        panels = fields.figure(figure=new_figure(width, height)).axes
        return len({axes.get_subplotspec().rowspan.start for axes in panels if axes.images})

    assert len(fields.layers) >= 2
    assert rows(16.0, 4.0) == 1
    assert rows(6.0, 16.0) > rows(10.0, 5.6)


def test_numbers_that_are_worked_with_give_what_is_shown() -> None:
    worked = cnnviz.convolve([[1, 0, 1], [0, 1, 0], [1, 0, 1]], [[1, 1], [0, 1]])
    texts = [text for axes in worked.figure().axes for text in axes.texts]
    cells = [text for text in texts if text.get_text() in ("0", "1", "2")]
    assert min(text.get_fontsize() for text in cells[:9]) > 14.0

    class Answer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([21.27, 18.45, 17.98, 17.96]).expand(len(x), -1)

    model = Model(Answer(), output="classes")
    held = cnnviz.capture(model, torch.zeros(1, 3, 4, 4), gradients=False, layers="")
    found = cnnviz.softmax(held, 4)
    said = [text.get_text() for text in found.figure().axes[0].texts]
    assert said[:4] == ["21.27", "18.45", "17.98", "17.96"]
    shown = np.exp(np.array(said[:4], float) - float(said[0]))
    np.testing.assert_allclose(shown, found.exponentials[0], rtol=0.01)
