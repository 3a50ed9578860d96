"""The networks of the course: published figures with their sources, and what is counted here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from cnnviz.course import network_measures
from cnnviz.course.card_text import card_lines
from cnnviz.course.network_cards import CARDS, find_cards
from cnnviz.course.network_measures import NetworkMeasures, depth, measure
from cnnviz.errors import InstallationError, UsageError
from cnnviz.introspection.tracing import trace
from cnnviz.models import load
from cnnviz.results.legibility import crowded
from cnnviz.results.picture_style import PictureStyle
from cnnviz.views import famous_networks as view
from cnnviz.views.famous_networks import FamousNetworks, famous_networks
from tests.helpers.each_case import each_case

SMALL = "LeNet-5,AlexNet,GoogLeNet,MobileNet v1"


@pytest.fixture(scope="module")
def found() -> FamousNetworks:
    return famous_networks(SMALL)


def test_every_published_figure_has_its_source() -> None:
    for card in CARDS:
        rated = card.top1 is not None or card.top5 is not None
        assert bool(card.protocol and card.errors_source) == rated
        assert rated or not card.errors_confirmed
        assert bool(card.parameters_source) == (card.parameters is not None)
        assert bool(card.best_protocol) == (card.best_top5 is not None)
        if card.top1 is not None and card.top5 is not None:
            assert card.top5 < card.top1
        if card.top5 is not None and card.best_top5 is not None:
            assert card.best_top5 < card.top5
        assert str(card.year) in card.paper
    assert [card.year for card in CARDS] == sorted(card.year for card in CARDS)
    assert len({card.load_name for card in CARDS}) == len(CARDS)


@pytest.mark.parametrize(
    ("name", "layers"),
    [("resnet50", 50), ("densenet121", 121)],
)
def test_depth_is_counted_as_the_papers_count_it(name: str, layers: int) -> None:
    assert measure(name).depth == layers


@each_case(
    "name",
    [
        *("normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_"),
        *("xavier_normal_", "xavier_uniform_"),
    ],
)
def test_no_weight_is_drawn_to_be_counted(name: str) -> None:
    before = torch.get_rng_state()
    with network_measures._Undrawn():
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2), nn.Embedding(4, 2))
        # Memory as it comes, which may hold anything.
        weight = torch.full((3, 4), 9.0)
        assert getattr(nn.init, name)(weight) is weight
    assert torch.equal(torch.get_rng_state(), before)


def test_the_longest_way_counts_and_shortcuts_do_not_add_up() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.long = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
            self.short, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head((self.long(x) + self.short(x)).mean((2, 3)))

    assert depth(trace(Two().eval(), (3, 4, 4))) == 3


def test_what_is_counted_is_that_of_the_loaded_network() -> None:
    model = load("mobilenet_v1", "random", device="cpu")
    counted = measure("mobilenet_v1")
    assert counted.parameters == sum(one.numel() for one in model.module.parameters())
    assert counted.macs == trace(model.module, model.input_shape).macs


def test_the_result_has_cards_counts_and_a_table(found: FamousNetworks) -> None:
    assert [card.title for card in found.cards] == SMALL.split(",")
    assert found.measured[0] is not None
    assert found.measured[0].parameters == 60000
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["cards"][1]["top5"] == 18.2
    assert [one["depth"] for one in data["measured"][1:3]] == [8, 22]
    columns = [column.name for column in found.table().columns]
    row = dict(zip(columns, found.table().rows[2], strict=True))
    assert (row["depth published"], row["depth counted"]) == (22, 22)
    assert row["top-1 error"] is None
    assert "fell from 18.2% (AlexNet) to 10.07% (GoogLeNet)" in found.summary()
    assert "no top-5 error: LeNet-5 and MobileNet v1" in found.caption()
    card = str(found).split("\n\n")[0]
    assert "60.0 k (section II-B: trainable parameters)" in card
    assert "top-1 0.95%, top-5 not given (MNIST, test set; section III)" in card
    assert "compared with" in card
    assert "an account of the paper" in card
    assert data["cards"][1]["errors_confirmed"] == "a transcription of the paper's tables"
    unconfirmed = replace(found.cards[0], errors_confirmed="")
    assert ("compared with", "nothing yet") in card_lines(unconfirmed, None)


def test_all_of_them_are_drawn_legibly(monkeypatch: pytest.MonkeyPatch) -> None:
    def published(name: str) -> NetworkMeasures:
        card = next(one for one in CARDS if one.load_name == name)
        return NetworkMeasures(int(card.parameters or 3e7), 1, 1, 1, (3, 224, 224))

    monkeypatch.setattr(view, "measure", published)
    every = view.famous_networks()
    figure = every.figure()
    assert crowded(figure) == ""
    small = PictureStyle(font_size=7.0).drawn(lambda into: every.figure(figure=into))
    assert crowded(small) == "", "two names met in smaller letters"
    words = " ".join(text.get_text() for axes in figure.axes for text in axes.texts)
    for card in CARDS:
        assert card.title in " ".join(words.split())


def test_what_cannot_be_loaded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> NetworkMeasures:
        raise InstallationError("timm is not installed.", "Install it.")

    monkeypatch.setattr(view, "measure", fails)
    (card,) = find_cards(["Inception v4"])
    lonely = view.famous_networks(["Inception v4"])
    assert lonely.measured == (None,)
    assert lonely.provenance.notes == ("Inception v4 was not counted: timm is not installed.",)
    assert "Inception v4 could not be loaded here" in lonely.caption()
    assert replace(lonely, cards=(card,)).parameters == (None,)


def test_names_are_forgiving_and_misspelt_ones_are_refused() -> None:
    assert [card.title for card in find_cards(["resnet-50", "Inception_v4", "LENET5"])] == [
        *("ResNet-50", "Inception v4", "LeNet-5")
    ]
    with pytest.raises(UsageError, match="no card of a network called 'ResNet-51'") as caught:
        find_cards(["ResNet-51"])
    assert "ResNet-50" in caught.value.remedy
    with pytest.raises(UsageError, match="No network was named"):
        find_cards([])
    assert len(find_cards(["AlexNet", "alexnet"])) == 1


def test_the_error_fell_over_the_years_and_not_in_the_order_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(view, "measure", lambda name: NetworkMeasures(1, 1, 1, 1, (3, 9, 9)))
    asked = view.famous_networks("GoogLeNet,AlexNet")
    assert [card.title for card in asked.cards] == ["GoogLeNet", "AlexNet"]
    assert "fell from 18.2% (AlexNet) to 10.07% (GoogLeNet)" in asked.summary()
    latest = max((card for card in CARDS if card.top5), key=lambda card: card.top5 or 0.0)
    least = next(card for card in CARDS if card.top5 and card.year > latest.year)
    fallen = replace(asked, cards=(replace(least, year=1990), latest))
    assert "fell" not in fallen.summary()
    assert f"lowest top-5 error of one is {least.top5:g}%" in fallen.summary()
