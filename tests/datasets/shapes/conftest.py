"""What tests of the scenes themselves share: these are painted anew."""

from __future__ import annotations

import inspect

import pytest

from cnnviz.datasets.shapes import dataset


@pytest.fixture(autouse=True)
def painted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what `tests.helpers.painted_scenes` spares other tests."""
    monkeypatch.setattr(dataset, "draw", inspect.unwrap(dataset.draw))  # type: ignore[attr-defined]
