import errno
import io
import os
import subprocess
import sys
import warnings

import pytest

from cnnviz_cli import terminal
from tests.helpers.each_case import each_case


def test_a_table_keeps_names_that_look_like_markup_and_long_rows(capsys):
    terminal.print_table(["layer", "count"], [["[bold]a[/bold]", "1,200"], ["b" * 120, "7"]])
    lines = capsys.readouterr().out.splitlines()
    assert any("[bold]a[/bold]" in line and line.rstrip().endswith("1,200") for line in lines)
    assert any("b" * 120 in line for line in lines)


def test_numbers_stand_flush_right_and_names_flush_left(capsys):
    terminal.print_table(["name", "share"], [["a", "1.5%"], ["bbb", "10.0%"]])
    rows = [line for line in capsys.readouterr().out.splitlines() if "%" in line]
    assert rows[0].index("a") == rows[1].index("bbb")
    assert rows[0].rstrip().index("%") == rows[1].rstrip().index("%")


@pytest.mark.parametrize("context", [terminal.working, terminal.progress_bar])
def test_no_progress_is_shown_without_a_terminal(capsys, context):
    with context(False) as show:
        show(*([1, 2, "Drawing"] if context is terminal.progress_bar else ["Drawing"]))
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("context", [terminal.working, terminal.progress_bar])
def test_progress_is_shown_on_stderr_for_a_person(capsys, monkeypatch, context):
    monkeypatch.setattr(terminal, "is_interactive", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with context(False) as show:
        show(*([1, 2, "Drawing [a]"] if context is terminal.progress_bar else ["Drawing"]))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Drawing" in captured.err


@pytest.mark.parametrize("context", [terminal.working, terminal.progress_bar])
def test_quiet_hides_progress_from_a_person_too(capsys, monkeypatch, context):
    monkeypatch.setattr(terminal, "is_interactive", lambda: True)
    with context(True) as show:
        show(*([1, 2, "Drawing"] if context is terminal.progress_bar else ["Drawing"]))
    assert capsys.readouterr().err == ""


_WARN = """
import warnings
from cnnviz_cli.terminal import quieten_other_packages
quieten_other_packages()
warnings.warn_explicit("ours", UserWarning, "a.py", 1, module="cnnviz.views.cam")
warnings.warn_explicit("theirs", UserWarning, "b.py", 1, module="torch.nn")
warnings.warn_explicit("a namesake's", UserWarning, "c.py", 1, module="cnnvizard")
"""


@pytest.mark.parametrize(("flags", "theirs"), [([], False), (["-Wdefault"], True)])
def test_warnings_of_other_packages_are_hidden_unless_asked_for(flags, theirs):
    done = subprocess.run(
        [sys.executable, *flags, "-c", _WARN], capture_output=True, text=True, check=True
    )
    assert "ours" in done.stderr
    assert ("theirs" in done.stderr) is theirs
    assert ("namesake" in done.stderr) is theirs


def test_json_refuses_numbers_that_json_has_not():
    with warnings.catch_warnings(), pytest.raises(ValueError, match="not JSON compliant"):
        terminal.print_json({"value": float("nan")})


class _Full(io.StringIO):
    """A stream on a full disk, or whose reader has gone."""

    def __init__(self, kind: type[OSError]) -> None:
        super().__init__()
        self.kind = kind

    def write(self, text: str) -> int:
        raise self.kind(errno.ENOSPC, "No space left on device")


def test_an_exit_code_does_not_depend_on_whether_stderr_can_be_written(run, monkeypatch) -> None:
    """What was wrong with the arguments ended with 1, as what --fail-on has found."""
    for kind in (OSError, BrokenPipeError):
        monkeypatch.setattr(sys, "stderr", _Full(kind))
        assert run("cam", "nothing.png").code == 2
    monkeypatch.setattr(sys, "stderr", _Full(OSError))
    found = run("networks")
    assert (found.code, "ResNet-18" in found.out) == (0, True)


@each_case(
    ("told", "kept"),
    [("0", False), ("99999999", False), ("-5", False), ("²", False), ("x", False), ("80", True)],
)
def test_a_width_in_which_nothing_can_be_set_is_not_taken(told: str, kept: bool, run) -> None:
    """At no columns nothing was printed, and at very many not for minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", told)
        assert "No such command" in run("nothing").err
        assert ("COLUMNS" in os.environ) == kept
