"""A driver, run from a test in a process of its own."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.helpers.processes import ROOT, run_module


def drive(*arguments: object, module: str = "tests.helpers.gallery.driver") -> dict[str, Any]:
    """Run a driver in a process of its own, and return what its last line says."""
    done = run_module(
        module,
        *map(str, arguments),
        folder=ROOT,
        environment={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
