"""Every view of the table on signals, volumes and clips: a picture that fits, or a sentence."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
import torch
from matplotlib.text import Text

from cnnviz.errors import CnnvizError, TargetError
from cnnviz.models import Model
from cnnviz.models.spaces import ONLY_IMAGES
from cnnviz.passes.captures import capture
from cnnviz.results.result import Result
from cnnviz.views import VIEWS, View
from tests.helpers.array_networks import build

OF_ARRAYS = tuple(view for view in VIEWS if view.needs in ("model", "capture"))
QUICK: dict[str, dict[str, Any]] = {
    "feature_visualization": {"units": "{last}:0", "steps": 2},
    "loss_landscape": {"points": 3, "labels": [0]},
    "explanations": {"methods": ("gradcam",), "checks": ()},
    "faithfulness": {"steps": 2, "stages": 1},
    "attribute": {"method": "saliency"},
    "gradient_flow": {"remedies": False},
    "invariance": {"steps": 3},
    "receptive_field": {"draws": 1},
}
OTHERWISE = ("cam", "deconvnet", "skip_connections", "softmax", "pooling")
"""Views that meet gates and skips, an answer at every sample, or slices, in ways of their own."""
LAST = {"signal": "3", "wavenet": "last", "volume": "3", "parted": "time"}


def run(view: View, model: Model, x: torch.Tensor, kind: str) -> Result:
    given = dict(QUICK.get(view.name, {}))
    if "units" in given:
        given["units"] = given["units"].format(last=LAST[kind])
    function = view.function()
    if view.needs == "capture":
        found = function(capture(model, x, layers=view.layers, gradients=view.gradients), **given)
    else:
        if view.images != "none":
            given["images" if view.images == "photos" else "data"] = x
        found = function(model, **given)
    assert isinstance(found, Result)
    return found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *itertools.product((view.name for view in OF_ARRAYS), ("signal", "parted")),
        *itertools.product(OTHERWISE, ("wavenet", "volume")),
    ],
)
def test_a_view_gives_a_picture_or_a_sentence(name: str, kind: str) -> None:
    (view,) = (one for one in OF_ARRAYS if one.name == name)
    network, x = build(kind)
    model = Model(network)
    if view.name in ONLY_IMAGES:
        with pytest.raises(CnnvizError, match=f"takes {model.space.noun}s"):
            run(view, model, x[:1], kind)
        return
    if (view.name, kind) == ("softmax", "wavenet"):
        # A class at every sample has no one answer.
        with pytest.raises(TargetError, match="map of classes"):
            run(view, model, x[:1], kind)
        return
    found = run(view, model, x[:1], kind)
    figure = found.figure()
    if kind == "signal" or name in OTHERWISE:  # Panels are as many, whatever lies in them.
        figure.draw_without_rendering()
    drawn = " ".join(text.get_text() for text in figure.findobj(Text))
    told = " ".join((drawn, found.summary(), found.caption()))
    # Nothing in it is about photos.
    assert not re.search(r"\b(pixels?|photos?|px)\b", told), told
