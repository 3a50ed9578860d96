import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cnnviz
from cnnviz.errors import LayerError
from cnnviz.installation.remedies import HEADLESS
from cnnviz.views import VIEWS
from cnnviz_cli import network_options
from tests.helpers.processes import Forked, needs_fork

HEAVY = ["torch", "torchvision", "matplotlib", "cv2", "numpy", "PIL", "jinja2", "captum"]


def _loaded_after(code: str) -> list[str]:
    """Return which heavy packages a fresh process has imported after `code`."""
    report = f"import sys, json; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    script = f"try:\n {code}\nexcept SystemExit:\n pass\n{report}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(argument):
    assert _loaded_after(f"import cnnviz_cli.app as a; a.main(['{argument}'])") == []


def test_importing_the_library_imports_nothing_heavy():
    assert _loaded_after("import cnnviz") == []


def test_help_lists_every_view_with_its_summary_and_the_exit_codes(run):
    page = run("--help")
    assert page.code == 0
    for view in VIEWS:
        line = next(
            line for line in page.out.splitlines() if line[2:].startswith(f"{_command(view)} ")
        )
        assert view.summary in line
    assert "Exit codes" in page.out
    assert "130" in page.out


def _command(view):
    return view.command


def test_the_help_of_a_second_run_lists_each_option_once(run):
    # Typer adds those of completion to the program at each run, of which tests make hundreds.
    first, second = run("--help"), run("--help")
    assert second.out == first.out
    assert second.out.count("--install-completion") == 1


@pytest.mark.parametrize("command", ["explore", "gallery", "lecture"])
def test_brackets_say_once_that_an_argument_may_be_left_out(run, command: str):
    # Newer versions of typer put them there, and older ones have none.
    assert "[[" not in run(command, "--help").out


@pytest.mark.parametrize("command", [(), ("cam",), ("training-report",), ("doctor",)], ids=str)
def test_beside_what_takes_no_value_stands_no_type(run, command: tuple[str, ...]):
    # Newer versions of typer put it there, also beside --help.
    page = run(*command, "--help").out
    assert "bool" not in page.lower()
    assert "--help" in page


def test_no_arguments_show_the_help_page(run):
    assert "Usage: cnnviz" in run().out


def test_version_names_the_packages_at_work(run):
    said = run("--version")
    assert said.code == 0
    assert said.out.startswith(f"cnnviz {cnnviz.__version__} (torch ")
    assert said.out.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rport"], "No such command 'rport'. Did you mean 'report'?"),
        (["feature_maps"], "Did you mean 'feature-maps'"),
        (["report", "--sectons", "photo"], "--sections"),
    ],
)
def test_a_wrong_word_exits_2_and_names_the_right_one(run, arguments, message):
    said = run(*arguments)
    assert said.code == 2
    assert message in said.err
    assert said.out == ""


def _break(monkeypatch, error):
    def load_model(*_, **__):
        raise error

    monkeypatch.setattr(network_options, "load_model", load_model)


def test_a_mendable_error_is_what_and_remedy_and_exits_2(run, monkeypatch):
    _break(monkeypatch, LayerError("There is no\nlayer 'x'.", "Did you mean 'y'?"))
    said = run("layers")
    assert said.code == 2
    assert said.out == ""
    assert said.error_lines == ["Error: There is no layer 'x'.", "Did you mean 'y'?"]


def test_control_characters_of_a_name_do_not_reach_the_terminal(run, monkeypatch):
    _break(monkeypatch, LayerError("No layer '\x1b[31mred'.", ""))
    assert run("layers").error_lines == ["Error: No layer ' [31mred'."]


def test_too_little_memory_is_no_fault_of_cnnviz(run, monkeypatch):
    _break(monkeypatch, MemoryError("std::bad_alloc"))
    said = run("layers")
    assert said.code == 2
    assert said.error_lines[0] == "Error: There is not enough memory for that."


def test_an_unexpected_error_is_called_a_fault_without_a_traceback(run, monkeypatch):
    _break(monkeypatch, ZeroDivisionError("division by zero"))
    said = run("layers")
    assert said.code == 1
    assert "This is a fault in cnnviz: ZeroDivisionError: division by zero" in said.err
    assert "Traceback" not in said.err
    assert len(said.error_lines) == 2


@pytest.mark.parametrize(
    ("library", "remedy"),
    [
        (
            "libGL.so.1",
            HEADLESS,
        ),
        ("libgomp.so.1", "Install the package of the system that holds it."),
    ],
)
def test_a_library_that_the_system_lacks_is_mendable(run, monkeypatch, library, remedy):
    message = f"{library}: cannot open shared object file: No such file or directory"
    _break(monkeypatch, ImportError(message))
    said = run("layers")
    assert said.code == 2
    assert library in said.error_lines[0]
    assert said.error_lines[1] == f"{remedy} `cnnviz doctor` looks at the whole installation."


@pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), LayerError("No layer.", "Look.")])
@pytest.mark.parametrize("how", ["--debug", "environment"])
def test_debugging_shows_the_traceback(run, monkeypatch, error, how):
    _break(monkeypatch, error)
    if how == "environment":
        monkeypatch.setenv("CNNVIZ_DEBUG", "1")
    said = run(*(["--debug"] if how == "--debug" else []), "layers")
    assert "Traceback" in said.err
    assert "in load_model" in said.err


def test_ctrl_c_is_one_line_and_exits_130(run, monkeypatch):
    _break(monkeypatch, KeyboardInterrupt())
    said = run("layers")
    assert said.code == 130
    assert said.error_lines == ["Stopped; nothing was left half-written."]


def test_ctrl_c_while_a_class_is_made_is_no_fault_of_cnnviz(run, monkeypatch):
    """Up to Python 3.11 what `__set_name__` raises comes out as the cause of a RuntimeError."""
    error = RuntimeError("Error calling __set_name__ on 'Field' instance 'x' in 'X'")
    error.__cause__ = KeyboardInterrupt()
    _break(monkeypatch, error)
    said = run("layers")
    assert said.code == 130
    assert said.error_lines == ["Stopped; nothing was left half-written."]


@pytest.mark.parametrize(("rank", "lines"), [("0", 1), ("1", 0)])
def test_of_several_processes_the_first_alone_says_that_it_was_stopped(
    run, monkeypatch, rank, lines
):
    _break(monkeypatch, KeyboardInterrupt())
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = run("layers")
    assert said.code == 130
    assert len(said.error_lines) == lines


def _cnnviz(*arguments, stdout):
    """Start the command: the help with an interpreter of its own, what takes torch as a fork."""
    if arguments != ("--help",):
        return Forked("cnnviz_cli", *arguments, stdout=stdout)
    command = [sys.executable, "-m", "cnnviz_cli", *arguments]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True)


PRINTING = [
    # A table that is written at the end, and text that is longer than what streams hold back.
    pytest.param(("networks",), marks=needs_fork),
    pytest.param(("networks", "--json"), marks=needs_fork),
    ("--help",),
]


@pytest.mark.parametrize("arguments", PRINTING)
def test_a_reader_that_has_gone_ends_it_without_a_word(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    with _cnnviz(*arguments, stdout=writing) as process:
        os.close(writing)
        _, said = process.communicate()
    assert said == ""
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", PRINTING)
def test_a_full_disk_behind_stdout_is_no_fault_of_cnnviz(arguments):
    with Path("/dev/full").open("w") as full, _cnnviz(*arguments, stdout=full.fileno()) as process:
        _, said = process.communicate()
    assert process.returncode == 2
    assert said.splitlines() == [
        "Error: The output cannot be read or written: No space left on device.",
        "Check the name, the permissions and the free space.",
    ]


@pytest.mark.parametrize(
    ("words", "redirection", "code", "said"),
    [("--help", ">&-", 0, False), ("--help", "2>&-", 0, True), ("cam no.png", "2>&-", 2, False)],
)
def test_closed_streams_are_as_good_as_open_ones(words, redirection, code, said):
    command = f"{shlex.quote(sys.executable)} -m cnnviz_cli {words} {redirection}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode == code
    assert done.stderr == ""
    assert ("Usage: cnnviz" in done.stdout) == said


@needs_fork
def test_sigterm_cleans_up_as_ctrl_c_does(tmp_path):
    drawing = ("shapes", "--count", "100000", "--out", "drawn")
    with Forked("cnnviz_cli", *drawing, folder=tmp_path) as process:
        for _ in range(600):
            if any(tmp_path.glob(".drawn-*/*/*.png")):
                break
            time.sleep(0.1)
        assert any(tmp_path.glob(".drawn-*/*/*.png")), "stopped amid its writing"
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate()
    assert (out, said) == ("", "Stopped; nothing was left half-written.\n")
    assert process.returncode == 143
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_refuses_is_no_fault_of_cnnviz(run):
    said = run("report", "--out", "a" * 300)
    assert said.code == 2
    assert "cannot be read or written: File name too long." in said.error_lines[0]
