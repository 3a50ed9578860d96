"""Packages probed in processes of their own: one that crashes costs nobody else's answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from cnnviz.installation.probes import MARK, Facts

_LONGEST = 300.0
"""Seconds that a process may take; torch alone takes some on a machine that is busy."""
_SCRIPT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from cnnviz.installation.probes import main; main(sys.argv[2:])"
)


def examined(names: Sequence[str]) -> dict[str, Facts]:
    """Return what probing each module gave; under ``"error"`` what is wrong with it."""
    found: dict[str, Facts] = {}
    left = list(names)
    while left:
        answers, ended = _ask(left)
        found |= answers
        left = [name for name in left if name not in found]
        if left:
            # The one at which the process ended; the others are asked again without it.
            found[left.pop(0)] = {"error": ended}
    return found


def _ask(names: Sequence[str]) -> tuple[dict[str, Facts], str]:
    """Return the answers of one process, and how it ended."""
    command = [sys.executable, "-c", _SCRIPT, json.dumps(sys.path), *names]
    # What torch logs as it goes is none of an answer.
    surroundings = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONUTF8": "1"}
    try:
        done = subprocess.run(
            command,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return _answers(late.stdout or b""), f"no answer within {_LONGEST:.0f} s"
    return _answers(done.stdout), _ended(done.returncode, done.stderr)


def _answers(said: bytes) -> dict[str, Facts]:
    lines = said.decode("utf-8", "replace").splitlines()
    told = [json.loads(line[len(MARK) :]) for line in lines if line.startswith(MARK)]
    return {one["name"]: one["facts"] for one in told if "name" in one}


def _ended(code: int, said: bytes) -> str:
    """Say how a process ended that gave no answer."""
    if code < 0:
        return f"importing it ends Python: {signal.Signals(-code).name}"
    last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
    return f"importing it ends Python with {code}{': ' if last else ''}{''.join(last)}"
