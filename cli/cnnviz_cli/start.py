"""Where `cnnviz` and `python -m cnnviz` begin: with Ctrl-C heeded before anything else is imported.

What the command line needs takes the better part of a second to import. Ctrl-C within it would end
in a traceback from the midst of an import; nothing has begun that could be left half-done.
"""

import gc
import os
import signal
import sys
from typing import NoReturn

from cnnviz_cli.kept_stdout import keep_stdout

_INTERRUPTED = 130
_NEW_OBJECTS = 10_000
"""After how many new objects Python looks for garbage; by itself after 700.

Torch and what comes with it make millions that stay: looking through them took a sixth of the time
until a command begins to compute.
"""


def _stop(*_: object) -> NoReturn:
    # Of processes that torchrun has started the first alone speaks, as later on.
    if os.environ.get("RANK", "0").strip() == "0":
        os.write(2, b"Stopped; nothing was left half-written.\n")
    # Without what Python does at its end, which an import that is cut short would disturb.
    os._exit(_INTERRUPTED)


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # and not ignored, as it is behind nohup
        signal.signal(signal.SIGINT, _stop)
    keep_stdout()
    if 0 < gc.get_threshold()[0] < _NEW_OBJECTS:
        gc.set_threshold(_NEW_OBJECTS)
    from cnnviz_cli.app import main as run

    signal.signal(signal.SIGINT, before)
    sys.exit(run())
