"""The table of sections, and how some of them are chosen."""

import subprocess
import sys

import pytest

from cnnviz.errors import UsageError
from cnnviz.reports.sections import SECTIONS, choose

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


@pytest.mark.parametrize("kind", SECTIONS, ids=lambda kind: kind.key)
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
