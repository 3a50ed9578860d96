from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest

from cnnviz.errors import UsageError
from cnnviz_cli.described import described, parameter_descriptions
from cnnviz_cli.signature import option_of

Rule = Literal["deconvnet", "guided"]
Needed = inspect.Parameter.empty


def example(
    capture: object,
    layer: str,
    top: int = 64,
    *,
    rule: Rule = "deconvnet",
    relu: bool = True,
    scale: float | None = None,
    channels: Sequence[int] | int | None = None,
    layers: str | Sequence[str] = "conv",
    fill: float | Literal["mean", "blur"] = "mean",
    window: tuple[int, int] = (32, 16),
    target: int | str | Callable[[object], object] | None = None,
    folder: Path | None = None,
    hook: Callable[[], None] | None = None,
) -> None:
    """Do something.

    Parameters
    ----------
    capture : object
        Not for the command line.
    layer : str
        The layer's name,
        or its call ``name#1``.
    top : int
        How many of [N, C, H, W].
    rule, relu : Rule, bool
        Both at once.

    Returns
    -------
    None
        top : this is no parameter.
    """


@pytest.fixture
def specs():
    return {spec.name: spec for spec in map(option_of, described(example, skip=["capture"]))}


def test_every_parameter_that_can_be_typed_is_an_option(specs):
    assert list(specs) == [
        "layer", "top", "rule", "relu", "scale", "channels", "layers", "fill", "window", "target",
        "folder",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "annotation", "default"),
    [
        ("layer", str, Needed),
        ("top", int, 64),
        ("rule", Rule, "deconvnet"),
        ("relu", bool, True),
        ("scale", float | None, None),
        ("channels", str | None, None),
        ("layers", str, "conv"),
        ("fill", str, "mean"),
        ("window", str, "32,16"),
        ("target", str | None, None),
        ("folder", Path | None, None),
    ],
)
def test_types_and_defaults(specs, name, annotation, default):
    assert specs[name].annotation == annotation
    assert specs[name].default == default


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("channels", None, None),
        ("channels", "7", 7),
        ("channels", "1, 2,5", [1, 2, 5]),
        ("layers", "layer3.*", "layer3.*"),
        ("layers", "a,b", ["a", "b"]),
        ("fill", "mean", "mean"),
        ("fill", "0.5", 0.5),
        ("window", "8,9", (8, 9)),
        ("target", "105", 105),
        ("target", "koala", "koala"),
        ("layer", "features.3", "features.3"),
    ],
)
def test_text_becomes_the_first_type_that_it_fits(specs, name, text, value):
    found = specs[name].convert(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "remedy"),
    [
        ("channels", "1,x", "Give whole numbers with commas between them."),
        ("fill", "bright", "Choose from mean, blur."),
        ("window", "8", "Give 2 whole numbers with commas between them."),
    ],
)
def test_text_that_fits_nothing_is_a_sentence(specs, name, text, remedy):
    with pytest.raises(UsageError, match=f"--{name} cannot be '{text}'") as caught:
        specs[name].convert(text)
    assert caught.value.remedy == remedy


def test_descriptions_come_from_the_docstring():
    found = parameter_descriptions(inspect.getdoc(example) or "")
    assert found == {
        "capture": "Not for the command line.",
        "layer": "The layer's name, or its call `name#1`.",
        "top": "How many of [N, C, H, W].",
        "rule": "Both at once.",
        "relu": "Both at once.",
    }


def test_a_docstring_without_parameters_describes_none():
    assert parameter_descriptions("Do something.\n\nReturns\n-------\nint\n    It.") == {}


def test_a_required_parameter_that_cannot_be_typed_is_a_fault_of_ours():
    def view(capture: object, hook: Callable[[], None]) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match="no option can be made for 'hook'"):
        described(view, skip=["capture"])
