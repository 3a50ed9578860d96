"""The section on how far to believe the heatmaps, which is built only when it is asked for."""

import re
from functools import partial

import torch

from cnnviz.reports import report
from cnnviz.reports.sections import explanations
from tests.helpers.architectures import tiny_network


def made(**options):
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = report(tiny_network(), image, **options)
    return {section.key: section for section in found.sections}


def test_a_quick_report_goes_without_it():
    sections = made(sections=None)
    assert "explanations" not in sections


def test_a_thorough_report_shows_every_method_with_its_measures(thorough):
    (section,) = (part for part in thorough.report.sections if part.key == "explanations")
    (picture,), (table,) = section.pictures, section.tables
    assert len(table.rows) == 8
    assert table.rows[0][0] == "Grad-CAM"
    assert re.fullmatch(r"-?\d\.\d\d / -?\d\.\d\d", table.rows[0][1])
    assert picture.data["view"] == "Explanations"
    assert section.notes == picture.data["verdicts"]
    assert any(
        re.search(r"how far to believe it \(about \d+ (s|min)\)", what) for what in thorough.told
    )


def test_what_is_not_one_class_is_compared_by_its_score(monkeypatch):
    # Of a map at a layer and one at the input: the report above has all methods.
    two = partial(explanations.explanations, methods=("gradcam", "saliency"))
    monkeypatch.setattr(explanations, "explanations", two)
    sections = made(sections="explanations", target="0 - 1")
    section = sections["explanations"]
    (picture,) = section.pictures
    assert picture.data["target"] == "class 0 - class 1"
    assert {check.unit for check in picture.data["checks"]} == {"score"}
