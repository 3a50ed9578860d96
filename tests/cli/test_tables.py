"""Results as tables of the terminal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import cnnviz
from cnnviz.course.network_measures import NetworkMeasures
from cnnviz.models import Model
from cnnviz.views import famous_networks
from cnnviz_cli.tables import below_table, table_of
from tests.helpers.architectures import tiny_network
from tests.helpers.detectors import Pyramid, photos


def boxes(count: int) -> cnnviz.views.predictions.Predictions:
    model = Model(Pyramid(), categories=("none", "cat", "dog", "owl"))
    return cnnviz.predictions(cnnviz.capture(model, photos(count), gradients=False), 3)


def test_boxes_are_rows_with_their_corners_in_whole_pixels() -> None:
    found = boxes(1)
    columns, rows = table_of(found)
    assert columns == ["class", "score", "box"]
    assert len(rows) == found.shown_of(0)
    for rank, (name, said, corners) in enumerate(rows):
        assert (name, said) == (found.names[0][rank], found.said(0, rank))
        edges = ", ".join(f"{edge:.0f}" for edge in found.boxes[0, rank])
        assert corners == edges.replace("-", "−")


def test_boxes_of_several_photos_say_of_which_they_are() -> None:
    found = boxes(2)
    columns, rows = table_of(found)
    assert columns == ["photo", "class", "score", "box"]
    wanted = [name for place, name in enumerate(found.images) for _ in range(found.shown_of(place))]
    assert [row[0] for row in rows] == wanted


@pytest.mark.parametrize("several", [False, True])
def test_classes_are_rows_with_probability_and_logit(several: bool) -> None:
    images = photos(1 + several, 8, 8)
    found = cnnviz.predictions(cnnviz.capture(tiny_network(), images, gradients=False), 2)
    columns, rows = table_of(found)
    assert columns == ["photo"] * several + ["class", "probability", "logit"]
    assert len(rows) == 2 * len(images)
    assert rows[0][several] == found.names[0][0]


def test_numbers_below_zero_have_a_minus_sign_and_a_rounded_zero_none() -> None:
    capture = cnnviz.capture(tiny_network(), photos(1, 8, 8), gradients=False)
    found = replace(cnnviz.predictions(capture, 3), logits=np.array([[0.5, -0.004, -1.25]]))
    _, rows = table_of(found)
    assert [row[-1] for row in rows] == ["0.50", "0.00", "−1.25"]
    held = boxes(1)
    held.boxes[0, 0] = (-3.2, -0.2, 4.0, 5.0)
    assert table_of(held)[1][0][-1] == "−3, 0, 4, 5"


def test_other_results_have_none() -> None:
    assert table_of(cnnviz.filters(tiny_network())) is None


def test_many_networks_are_rows_and_few_have_their_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cards of all were 300 lines."""
    counted = NetworkMeasures(60000, 415680, 4, 8, (1, 32, 32))
    monkeypatch.setattr(famous_networks, "measure", lambda name: counted)
    found = cnnviz.famous_networks("LeNet-5, AlexNet, VGG-16, GoogLeNet")
    columns, rows = table_of(found)
    assert columns[-4:] == ["layers with weights", "parameters", "MACs", "top-5 error"]
    assert rows[0] == ["LeNet-5", "lenet5-1998", 1998, 4, "60,000", "415,680", "not given"]
    assert [row[-1] for row in rows[1:]] == ["18.2%", "7.2%", "10.07%"]
    assert "cnnviz networks NAME" in below_table(found)
    few = cnnviz.famous_networks("LeNet-5, AlexNet")
    assert table_of(few) is None
    assert "section II-B" in str(few)
