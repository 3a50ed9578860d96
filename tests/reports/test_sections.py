"""The table of sections, and how some of them are chosen."""

import subprocess
import sys

import pytest
from PIL import Image

from cnnviz.errors import UsageError
from cnnviz.reports import report
from cnnviz.reports import sections as table
from cnnviz.reports.sections import SECTIONS, SectionKind, choose
from cnnviz.views import VIEWS, View
from cnnviz.views.activation_functions import activation_functions
from tests.helpers.each_case import each_case
from tests.helpers.report_model import small_model

KEYS = ["photo", "predictions", "architecture", "filters", "feature_maps", "cam", "provenance"]
THOROUGH = ["units", "visualizations", "explanations", "gradient_flow"]


def keys(chosen):
    return [kind.key for kind in chosen]


def test_the_sections_stand_in_reading_order():
    assert keys(SECTIONS) == [*KEYS[:-1], *THOROUGH, KEYS[-1]]


def test_none_chooses_all_that_are_quick():
    assert keys(choose(None)) == KEYS


def test_the_slow_ones_come_when_asked_for():
    assert choose(None, thorough=True) == SECTIONS
    assert keys(choose("cam", thorough=True)) == ["cam", *THOROUGH]
    assert keys(choose("explanations")) == ["explanations"]


def test_the_choice_keeps_the_reading_order_and_takes_hyphens_and_commas():
    assert keys(choose("cam, feature-maps,photo")) == ["photo", "feature_maps", "cam"]
    assert keys(choose(["Cam", "photo,cam"])) == ["photo", "cam"]


def test_an_unknown_section_names_the_nearest():
    with pytest.raises(UsageError, match=r"no section 'feture-maps'.*'feature_maps'"):
        choose("photo,feture-maps")


def test_no_section_at_all_is_an_error():
    with pytest.raises(UsageError, match="No section was chosen"):
        choose(" , ")


@each_case("kind", SECTIONS, ids=lambda kind: kind.key)
def test_every_section_has_a_builder(kind):
    assert callable(kind.builder())


def test_the_names_of_the_sections_cost_no_torch():
    code = (
        "import sys, cnnviz.reports.sections, cnnviz.reports.destination; "
        "print({'torch', 'matplotlib', 'cv2', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def test_every_view_is_a_section_once_it_is_named():
    shown = {name for kind in SECTIONS for name in (kind.key, kind.of_view)}
    others = [view.name for view in VIEWS if view.name not in shown]
    assert "activation_functions" in others
    assert keys(choose(["provenance", *others, "photo"])) == ["photo", *others, "provenance"]
    assert not set(others) & set(keys(choose(None, thorough=True)))


def test_a_view_of_neither_network_nor_photo_builds_its_section(photos):
    (kind,) = choose("activation-functions")
    section = report(small_model(), photos[0], "activation-functions").sections[0]
    assert (kind.about, section.title) == ("network", kind.title)
    assert len(section.pictures) == 1


def test_a_view_of_a_photo_gets_the_photo_as_it_was_read(photos, monkeypatch):
    seen = []

    def pictured(image):
        seen.append(image)
        return activation_functions("relu", layers=1, width=2)

    view = View("pictured", "photo", "A photo.")
    monkeypatch.setattr(View, "function", lambda self: pictured)
    kind = SectionKind(view.name, "A photo", "image", "forward", view=view)
    monkeypatch.setattr(table, "SECTIONS", (kind,))
    made = report(small_model(), photos[0], "pictured")
    assert made.sections[0].anchor == "pictured"
    with Image.open(photos[0]) as opened:
        assert (seen[0].width, seen[0].height) == opened.size
