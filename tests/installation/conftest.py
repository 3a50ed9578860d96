"""The doctor looks at packages in interpreters of its own: what they run counts too."""

from __future__ import annotations

import pytest

from tests.helpers.counting import counting


@pytest.fixture(autouse=True)
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in counting().items():
        monkeypatch.setenv(name, value)
