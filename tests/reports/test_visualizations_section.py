"""The section of optimised pictures, which is built only when it is asked for."""

import torch

from cnnviz.passes.captures import capture
from cnnviz.reports import report
from cnnviz.reports.sections import visualizations
from cnnviz.results.text import number
from tests.helpers.architectures import tiny_network


def image() -> torch.Tensor:
    return torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def made(monkeypatch, **options):
    monkeypatch.setattr(visualizations, "STEPS", 3)
    found = report(tiny_network(), image(), **options)
    return {section.key: section for section in found.sections}


def test_a_quick_report_goes_without_it(monkeypatch):
    assert "visualizations" not in made(monkeypatch)


def test_the_strongest_channels_of_each_stage_are_visualised(monkeypatch):
    section = made(monkeypatch, sections="visualizations")["visualizations"]
    (picture,), (table,) = section.pictures, section.tables
    held = capture(tiny_network(), image(), layers=["1", "5"], gradients=False)
    wanted = []
    for layer in ("1", "5"):
        order = held.activations[layer][0].flatten(1).amax(1).argsort(descending=True, stable=True)
        wanted += [f"{layer}:{channel}" for channel in order[:4].tolist()]
    assert [row[0] for row in table.rows] == wanted
    first = held.activations["1"][0, int(wanted[0].partition(":")[2])]
    assert table.rows[0][1:3] == (number(float(first.max())), number(float(first.mean())))
    assert picture.data["view"] == "FeatureVisualization"
    assert picture.data["units"] == tuple(wanted)
    picture.draw().draw_without_rendering()


def test_layers_without_maps_are_said(monkeypatch):
    sections = made(monkeypatch, sections="visualizations", layers=["8"])
    assert sections["visualizations"].pictures == ()
    assert "No captured layer has maps" in sections["visualizations"].notes[0]
