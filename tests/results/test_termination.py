"""SIGTERM ends a program that writes, and nothing of the file is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cnnviz.results.termination import cleared_on_sigterm

ROOT = Path(__file__).resolve().parents[2]
WRITES = {
    "a file": """
from cnnviz.results.files import write_atomically
write_atomically(place / "a.txt", write)
""",
    "a report": """
from cnnviz.reports.destination import staged
with staged(place / "report") as folder:
    write(folder / "index.html")
""",
}
BEGIN = """
import sys, time
from pathlib import Path
place = Path(sys.argv[1])

def write(path):
    path.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process at once")


@needs_signals
@pytest.mark.parametrize("kind", WRITES)
def test_sigterm_leaves_no_temporary_file(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("before")
    command = [sys.executable, "-c", BEGIN + WRITES[kind], str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 2
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


@needs_signals
def test_what_a_program_has_said_of_sigterm_is_left_alone() -> None:
    def own(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, own)
    try:
        with cleared_on_sigterm():
            assert signal.getsignal(signal.SIGTERM) is own
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with cleared_on_sigterm():
            assert callable(signal.getsignal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        seen: list[object] = []

        def elsewhere() -> None:
            with cleared_on_sigterm():
                seen.append(signal.getsignal(signal.SIGTERM))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen == [signal.SIG_DFL]
    finally:
        signal.signal(signal.SIGTERM, before)
