"""The driver, run from a test in a process of its own."""

from __future__ import annotations

import json
import os
from typing import Any

from tests.helpers.processes import ROOT, run_module


def drive(*arguments: object) -> dict[str, Any]:
    """Run the driver in a process of its own."""
    done = run_module(
        "tests.helpers.gallery.driver",
        *map(str, arguments),
        folder=ROOT,
        environment={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
