"""A layer whose name is a number is called "layer 12" wherever the number alone would be read."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache

import pytest
from matplotlib.text import Text
from torch import nn

from cnnviz.results.result import Result
from cnnviz.testing import Trial, small_network
from cnnviz.testing.trial import images
from cnnviz.views import VIEWS, View
from tests.helpers.brief_views import BRIEF

BARE = re.compile(r"900\d(?!\d|:\d)")
"""The name of a layer, but for that of a unit, as 9004:1."""
SAID = re.compile(r"layers? ([\d, ]*(and )?)?$")


@cache
def numbered() -> nn.Sequential:
    """Return the small network with numbers as names that stand nowhere else, once for all views.

    Views leave it as it is, which is a law, and what was found out of it serves again.
    """
    layers = enumerate(small_network(), 9001)
    return nn.Sequential(OrderedDict((str(number), layer) for number, layer in layers)).eval()


def texts(found: Result) -> Iterator[str]:
    """Yield what is said of a result and in its picture."""
    yield found.summary()
    yield found.caption()
    yield from (text.get_text() for text in found.figure().findobj(Text))


def bare_names(text: str) -> Iterator[str]:
    """Yield where a number stands for a layer in a text that is more than the number."""
    # The mark of an axis of layers, or a cell of its own, is not read as anything else.
    if BARE.fullmatch(text):
        return
    for match in BARE.finditer(text):
        if not SAID.search(text[: match.start()]):
            yield text[max(0, match.start() - 30) : match.end() + 20]


@pytest.mark.parametrize(
    "view", [view for view in VIEWS if view.needs not in ("nothing", "photo")], ids=lambda v: v.name
)
def test_no_number_stands_for_a_layer_without_saying_so(view: View) -> None:
    given = BRIEF.get(view.name, {})
    if view.name == "feature_visualization":
        given = {**given, "units": "9004:0,1"}
    found = Trial(view, given).run(numbered(), images())
    assert [bare for text in texts(found) for bare in bare_names(text)] == []
