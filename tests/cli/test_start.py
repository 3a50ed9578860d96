"""Ctrl-C while the command line is still being imported, and what it imports quickly."""

import gc
import os
import signal
import subprocess
import sys

import pytest

from cnnviz_cli.start import main

SLOW = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
{start}
"""


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("name", ["typer", "cnnviz_cli.app", "cnnviz_cli.lazy"])
@pytest.mark.parametrize(
    "start",
    [
        "from cnnviz_cli.start import main; main()",
        "import runpy; runpy.run_module('cnnviz', run_name='__main__')",
    ],
)
def test_ctrl_c_while_it_is_imported_ends_with_its_code_and_a_word(name: str, start: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SLOW.format(name=name, start=start)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 130
    assert ended.stderr == "Stopped; nothing was left half-written.\n"


def test_ctrl_c_stays_ignored_where_it_was() -> None:
    """As behind ``nohup`` and ``&``."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ended = subprocess.run(
            [
                sys.executable,
                "-c",
                SLOW.format(name="typer", start="from cnnviz_cli.start import main; main()"),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=False,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended.returncode == 2  # without arguments it shows its help


def test_what_is_imported_is_not_looked_through_for_garbage_all_the_time(monkeypatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("cnnviz_cli.app.main", lambda: seen.append(gc.get_threshold()[0]))
    before = gc.get_threshold()
    try:
        for own in (700, 50_000, 0):
            gc.set_threshold(own)
            with pytest.raises(SystemExit):
                main()
    finally:
        gc.set_threshold(*before)
    assert seen == [10_000, 50_000, 0], "what somebody has set larger, or off, stays"


KEPT = """
import os, sys
from cnnviz_cli.kept_stdout import keep_stdout
keep_stdout()
os.write(1, b"noise of C\\n")
os.system("echo noise of a program")
print("a result")
"""


@pytest.mark.parametrize("closed", [(), (2,), (0, 2)])
def test_what_foreign_code_writes_to_the_descriptor_of_stdout_goes_to_stderr(
    closed: tuple[int, ...],
) -> None:
    closing = "".join(f" {descriptor}>&-" for descriptor in closed)
    ended = subprocess.run(
        f'exec "{sys.executable}" -S -E -c "$CODE"{closing}',
        shell=True,
        env={**os.environ, "CODE": f"import sys; sys.path[:] = {sys.path!r}\n{KEPT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == "a result\n"
    assert ended.stderr == ("" if closed else "noise of C\nnoise of a program\n")
