"""Runs over many images are told what to look at, and where to keep it, in the same words."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args

import pytest

from cnnviz.bounds import bounds_of
from cnnviz.errors import UsageError
from cnnviz.views import VIEWS
from cnnviz_cli import classifier_command, errors_command, evaluate_command, gallery_command
from cnnviz_cli.lazy import check_value
from cnnviz_cli.view_command import build
from tests.helpers.each_case import each_case

_VIEWS = {view.command: view for view in VIEWS}
COMMANDS: dict[str, Callable[[], Callable[..., Any]]] = {
    "evaluate": evaluate_command.build,
    "errors": errors_command.build,
    "evaluate-classifier": classifier_command.build,
    "gallery": gallery_command.build,
    "top-activations": lambda: build(_VIEWS["top-activations"]),
}


def options(command: str) -> dict[str, inspect.Parameter]:
    made = COMMANDS[command]() if command in COMMANDS else build(_VIEWS[command])
    return dict(inspect.signature(made).parameters)


def told(parameter: inspect.Parameter) -> Any:
    return next(one for one in get_args(parameter.annotation) if hasattr(one, "help"))


@each_case("command", COMMANDS)
def test_many_images_are_named_in_the_same_words(command: str) -> None:
    found = options(command)
    data = told(found["data"])
    assert data.metavar == "DATA"
    assert {data.default, *data.param_decls} == {"--data", "-d"}
    for form in ("a folder", "a pattern", "a CSV file", "tar shards", "'shapes'"):
        assert form in data.help
    count, wanted = told(found["count"]), told(options("errors")["count"])
    assert {count.default, *count.param_decls} == {"--count", "-n"}
    # What is taken without it may differ, and nothing else.
    for sentence in (count.help, wanted.help):
        assert sentence.startswith("At most how many of the images, evenly spread; all of them")
        assert sentence.endswith("A whole number from 1 to 10,000,000.")


@each_case("command", [*COMMANDS, "visualize"])
def test_what_is_kept_and_how_it_is_shared_is_said_once(command: str) -> None:
    found, wanted = options(command), options("errors")
    for name in ("workers", "shard") if command != "visualize" else ():
        assert found[name] == wanted[name], name
        assert bounds_of(found[name].annotation) is not None
    state = told(found["state"])
    assert {state.default, *state.param_decls} - {"--scan"} == {"--state"}
    assert state.metavar == "FOLDER"
    # Where it is without it may differ.
    assert state.help.startswith(told(wanted["state"]).help)


@each_case("command", COMMANDS)
@each_case(("name", "value"), [("count", 0), ("count", 10**8), ("workers", 0), ("shard", 0)])
def test_the_same_numbers_are_refused(command: str, name: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"--{name} cannot be {value:,}"):
        check_value(options(command)[name], value)
