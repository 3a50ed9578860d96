"""Every number has its bounds: in the signature, in the help, and in the library as well."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import pytest

from cnnviz.bounds import Within, bounds_of, resolved
from cnnviz.errors import CnnvizError
from cnnviz.views import VIEWS, View
from cnnviz_cli import lazy
from cnnviz_cli.view_command import build
from tests.helpers.each_case import each_case


@each_case("view", VIEWS, ids=lambda view: view.name)
def test_every_number_of_a_view_has_bounds(view: View) -> None:
    function = view.function()
    for name, parameter in inspect.signature(function).parameters.items():
        annotation = resolved(function, parameter.annotation)
        unbounded = ("target", *NOT_BOUNDED.get(view.name, ()))
        if _takes_a_number(annotation) and name not in unbounded:
            assert bounds_of(annotation) is not None, f"{view.name}: {name}"


NOT_BOUNDED = {
    # The index of a class is looked for among those of the network, everywhere.
    # A matrix and a signal are looked at as a whole; labels and channels by the network's own.
    "convolve": ("image", "kernel"),
    "convolve_signals": ("signal", "response"),
    "deconvnet": ("channels",),
    "top_activations": ("channels",),
    "gradient_flow": ("labels",),
    "loss_landscape": ("labels",),
    # A time, which `read_span` reads.
    "feature_visualization": ("budget",),
}


def _takes_a_number(annotation: Any) -> bool:
    if annotation in (int, float):
        return True
    return any(_takes_a_number(part) for part in get_args(annotation) if part is not ...)


@each_case("view", VIEWS, ids=lambda view: view.name)
def test_the_help_tells_the_bounds(view: View) -> None:
    """Said in the option, which is made of the view's own signature."""
    function = view.function()
    options = {p.name: p for p in inspect.signature(build(view)).parameters.values()}
    for name, parameter in inspect.signature(function).parameters.items():
        said = bounds_of(resolved(function, parameter.annotation))
        if said is not None and name in options:
            option = get_args(options[name].annotation)[1]
            assert str(said[0]) in option.help


@each_case(
    ("bounds", "words", "inside", "outside"),
    [
        (Within(1, 1000), "from 1 to 1,000", (1, 1000), (0, 1001, -1, 10**400)),
        (Within(0.0, 1.0, above=True), "above 0 and at most 1", (0.1, 1), (0, float("nan"))),
        (Within(0.0, 1.0, below=True), "from 0 to below 1", (0, 0.99), (1.0, float("inf"))),
    ],
)
def test_bounds(bounds: Within, words: str, inside: Any, outside: Any) -> None:
    assert str(bounds) == words
    bounds.check("it", inside)
    for value in outside:
        with pytest.raises(CnnvizError, match="it cannot be"):
            bounds.check("it", value)
    with pytest.raises(CnnvizError, match=r"it cannot be 1\.5. Give a whole number"):
        Within(1, 3).check("it", 1.5, whole=True)
    bounds.check("it", "text")
    bounds.check("it", None)


def test_the_library_refuses_the_same_numbers() -> None:
    import cnnviz

    with pytest.raises(CnnvizError, match="seed cannot be -1"):
        cnnviz.optimizers(seed=-1)
    with pytest.raises(CnnvizError, match="image_size cannot be 99,999,999"):
        cnnviz.architecture(cnnviz.load("shapes"), 99_999_999)
    with pytest.raises(CnnvizError, match="every cannot be 0"):
        cnnviz.GradientMonitor(None, every=0)  # type: ignore[arg-type]
    with pytest.raises(CnnvizError, match="count cannot be 0"):
        cnnviz.open_dataset("shapes", 0)


def test_an_option_that_may_be_empty_says_so() -> None:
    found = {
        view.name: [
            name
            for name, parameter in inspect.signature(build(view)).parameters.items()
            if lazy.MAY_BE_EMPTY in get_args(parameter.annotation)
        ]
        for view in VIEWS
    }
    assert "checks" in found["explanations"]
    assert found["cam"] == []
