"""The names that the package exports: removing or renaming one is a decision, not an accident."""

import json
import subprocess
import sys

import pytest

import cnnviz
from cnnviz.views import VIEWS

EXPORTED = {
    "Capture",
    "CnnvizError",
    "GradientMonitor",
    "Model",
    "Photo",
    "Preprocessing",
    "Provenance",
    "Report",
    "Result",
    "Shapes",
    "activation_functions",
    "architecture",
    "attribute",
    "cam",
    "capture",
    "faithfulness",
    "deconvnet",
    "explanations",
    "feature_maps",
    "feature_visualization",
    "filters",
    "gradient_flow",
    "gradient_whiteness",
    "invariance",
    "load",
    "loss_landscape",
    "occlusion",
    "predictions",
    "receptive_field",
    "report",
    "skip_connections",
    "top_activations",
}


def test_the_exported_names_are_the_written_ones():
    assert set(cnnviz.__all__) == EXPORTED
    assert len(cnnviz.__all__) == len(EXPORTED)


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_every_exported_name_can_be_imported_and_says_what_it_is(name):
    value = getattr(cnnviz, name)
    assert value.__name__ == name
    assert (value.__doc__ or "").strip()
    assert name in dir(cnnviz)


def test_every_view_is_exported():
    assert {view.name for view in VIEWS} <= EXPORTED


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'gradcam'"):
        cnnviz.gradcam  # noqa: B018


@pytest.mark.parametrize(
    "module", ["cnnviz", "cnnviz.views", "cnnviz.models", "cnnviz.datasets.shapes"]
)
def test_an_import_does_not_load_torch(module):
    script = (
        f"import {module}, sys, json; "
        "print(json.dumps([m for m in ('torch', 'torchvision', 'matplotlib') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
