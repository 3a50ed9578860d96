"""The samples in `tests/typing`, which `make check` gives to mypy and pyright: none is missing."""

import ast
import tomllib
from pathlib import Path

import cnnviz

ROOT = Path(__file__).resolve().parent.parent


def _asserted():
    """Return the functions of cnnviz whose result is asserted."""
    tree = ast.parse((ROOT / "tests/typing/views.py").read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    asserted = [call.args[0] for call in calls if ast.unparse(call.func) == "assert_type"]
    return {ast.unparse(value.func) for value in asserted if isinstance(value, ast.Call)}


def test_the_result_of_every_exported_function_is_asserted():
    functions = {f"cnnviz.{name}" for name in cnnviz.__all__ if name.islower()}
    assert _asserted() == functions


def test_both_type_checkers_are_given_the_samples():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    assert "tests/typing" in tools["mypy"]["files"]
    assert "tests/typing" in tools["pyright"]["include"]
    assert "basedpyright" not in tools, "it would be read in place of the section for pyright"
