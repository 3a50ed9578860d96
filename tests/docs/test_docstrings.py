"""Every example in a docstring of ours is true, and public functions have one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest
import torch

import cnnviz

ROOT = Path(__file__).resolve().parents[2]
ROOTS = {"cnnviz": ROOT, "cnnviz_cli": ROOT / "cli", "cnnviz_gallery": ROOT / "gallery"}
# What would take long, reads files of the reader's, or writes some: pages of docs run them.
SHOWN_ELSEWHERE = {
    "augmentation",
    "compare",
    "doctor",
    "evaluate_classifier",
    "explore",
    "hierarchy",
    "lecture",
    "loss_landscape",
    "normalization",
    "overfitting",
    "report",
    "training_history",
    "transfer_learning",
}


def with_examples() -> list[str]:
    """Return the modules that have an example, by name."""
    return [
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for package, root in ROOTS.items()
        for path in sorted((root / package).rglob("*.py"))
        if ">>> " in path.read_text("utf-8")
    ]


@pytest.mark.parametrize("name", with_examples())
def test_the_examples_of_a_module_are_true(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        told = doctest.testmod(importlib.import_module(name))
    assert told.attempted > 0
    assert told.failed == 0


def test_public_functions_have_an_example() -> None:
    functions = {name for name in cnnviz.__all__ if inspect.isroutine(getattr(cnnviz, name))}
    shown = {name for name in functions if ">>> " in (getattr(cnnviz, name).__doc__ or "")}
    assert functions - shown == SHOWN_ELSEWHERE


def test_what_takes_images_a_network_or_a_target_says_what_comes_of_such_as_do_not_fit() -> None:
    """Only `pixels` runs no network, whose preprocessing it shows."""
    lacking = []
    for name in cnnviz.__all__:
        function = getattr(cnnviz, name)
        takes = inspect.signature(function).parameters if inspect.isfunction(function) else {}
        if "model" not in takes:
            continue
        _, _, raises = inspect.getdoc(function).partition("Raises\n------\n")
        said = set(re.findall(r"\w+Error", re.sub(r"(?m)^ .*", "", raises.partition("\n\n")[0])))
        if takes.keys() & {"image", "images", "data", "photo"}:
            needed = {"ImageError"} if name == "pixels" else {"ImageError", "ModelError"}
            lacking += [(name, error) for error in needed - said]
        if "target" in takes and "TargetError" not in said:
            lacking.append((name, "TargetError"))
    assert lacking == []
