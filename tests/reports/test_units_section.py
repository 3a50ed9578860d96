"""The section on what the units see, which is built only when it is asked for."""

import numpy as np
import torch

from cnnviz.reports import report
from cnnviz.reports.sections.units import MOST_LAYERS, _spread
from cnnviz.views.deconvnet import deconvnet
from tests.helpers.architectures import tiny_network


def image() -> torch.Tensor:
    return torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def made(**options):
    found = report(tiny_network(), image(), **options)
    return {section.key: section for section in found.sections}


def test_a_quick_report_goes_without_it():
    assert "units" not in made()


def test_each_stage_shows_its_strongest_channels():
    section = made(sections="units")["units"]
    assert [picture.data["layer"] for picture in section.pictures] == ["1", "5"]
    (table,) = section.tables
    assert len(table.rows) == 12
    last = deconvnet(tiny_network(), image(), "5", top=6)
    rows = [row for row in table.rows if row[0] == "5"]
    assert [int(row[1]) for row in rows] == list(last.channels)
    assert [int(row[3]) for row in rows] == last.rows[:, 0].tolist()
    window = last.windows[0][0]
    assert rows[0][5] == f"{max(window.left, 0)} to {min(window.right, 16) - 1}"
    for picture in section.pictures:
        assert picture.data["view"] == "Projections"
        picture.draw().draw_without_rendering()


def test_many_layers_are_thinned_and_said():
    assert _spread(("a", "b")) == ("a", "b")
    assert _spread(()) == ()
    names = tuple(map(str, range(26)))
    shown = _spread(names)
    assert len(shown) == MOST_LAYERS
    assert (shown[0], shown[-1]) == ("0", "25")
    assert np.ptp(np.diff(list(map(int, shown)))) <= 1
    section = made(sections="units", layers=["0", "1", "2", "3", "4", "5"])["units"]
    assert section.notes == ()
