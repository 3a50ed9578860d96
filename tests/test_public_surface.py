"""The names that the package exports: removing or renaming one is a decision, not an accident."""

import ast
import inspect
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import cnnviz
from cnnviz.views import VIEWS
from tests.helpers.each_case import each_case

LAZY = ("cnnviz", "cnnviz.datasets", "cnnviz.models", "cnnviz.reports", "cnnviz.testing")
EXPORTED = {
    "Box",
    "ArrayPreprocessing",
    "Capture",
    "ClassifierEvaluation",
    "CnnvizError",
    "Contrast",
    "Dataset",
    "Direction",
    "ErrorAnalysis",
    "GradientMonitor",
    "Heatmap",
    "IMAGE",
    "Model",
    "OutputKind",
    "Photo",
    "Preprocessing",
    "Provenance",
    "Region",
    "Report",
    "Result",
    "Shapes",
    "Similarity",
    "SumOf",
    "Value",
    "activation_functions",
    "architecture",
    "attribute",
    "augmentation",
    "cam",
    "capture",
    "challenges",
    "compare",
    "convolve",
    "convolve_signals",
    "deconvnet",
    "doctor",
    "equivariance",
    "error_analysis",
    "evaluate_classifier",
    "explanations",
    "explore",
    "faithfulness",
    "famous_networks",
    "feature_maps",
    "feature_visualization",
    "filters",
    "gradient_flow",
    "gradient_whiteness",
    "hierarchy",
    "invariance",
    "lecture",
    "load",
    "localisation",
    "loss_landscape",
    "losses",
    "network_diagram",
    "normalization",
    "occlusion",
    "open_dataset",
    "optimizers",
    "overfitting",
    "pixels",
    "pooling",
    "predictions",
    "receptive_field",
    "report",
    "skip_connections",
    "softmax",
    "top_activations",
    "training_history",
    "transfer_learning",
    "weight_sharing",
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


@each_case("package", LAZY)
def test_what_is_imported_on_demand_is_what_type_checkers_see(package):
    """A name stands in three places: for checkers, for `import *`, and where it is found."""
    module = import_module(package)
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    typed, demanded = _typed_imports(tree), module._HOMES
    missing = [
        f"    from {home} import {name} as {name}"
        for name, home in demanded.items()
        if name not in typed
    ]
    assert not missing, "Add under TYPE_CHECKING:\n" + "\n".join(missing)
    assert typed == demanded
    assert sorted(_written_all(tree)) == sorted(demanded), "Write each name into __all__ once."


def _typed_imports(tree):
    """Return the names that a module imports for type checkers, each with where it comes from."""
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    assert all(alias.name == alias.asname for each in block.body for alias in each.names)
    return {alias.name: each.module for each in block.body for alias in each.names}


def _written_all(tree):
    """Return `__all__`, which must be a list of strings: a type checker runs nothing."""
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return ast.literal_eval(value)


def test_every_view_of_the_table_is_typed():
    tree = ast.parse(Path(cnnviz.__file__).read_text("utf-8"))
    homes = {view.name: f"cnnviz.views.{view.name}" for view in VIEWS}
    assert homes.items() <= _typed_imports(tree).items()
    assert set(homes) <= set(_written_all(tree))


@each_case("name", sorted(name for name in EXPORTED if name.islower()))
def test_no_parameter_of_an_exported_function_may_be_anything(name):
    parameters = inspect.signature(getattr(cnnviz, name)).parameters.values()
    assert [each for each in parameters if "Any" in str(each.annotation).split(" | ")] == []


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'gradcam'"):
        cnnviz.gradcam  # noqa: B018


@pytest.mark.parametrize(
    "module",
    [
        "cnnviz",
        "cnnviz.views",
        "cnnviz.models",
        "cnnviz.images",
        "cnnviz.datasets",
        "cnnviz.datasets.opening",
        "cnnviz.datasets.shapes",
    ],
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
