"""The command `cnnviz`: its commands, its errors and its exit codes."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

import cnnviz
from cnnviz.errors import CnnvizError, lacks_memory
from cnnviz.foreign_code import kind_and_text, named_file, told
from cnnviz.installation.broken_package import broken_package, is_missing, told_of
from cnnviz.installation.packages import REQUIRED
from cnnviz.installation.remedies import ASK_THE_DOCTOR, for_library
from cnnviz.installation.shadowing import remedy_for
from cnnviz.views import VIEWS
from cnnviz_cli import (
    classifier_command,
    doctor_command,
    errors_command,
    evaluate_command,
    explore_command,
    gallery_command,
    lecture_command,
    listings,
    networks_command,
    plugin_commands,
    report_command,
    samples,
    training_command,
    view_command,
)
from cnnviz_cli.lazy import add_lazy_command
from cnnviz_cli.plugin_commands import Unexpected
from cnnviz_cli.several_processes import first_alone_speaks
from cnnviz_cli.terminal import (
    nowhere,
    quieten_other_packages,
    say,
    say_error,
    use_no_odd_width,
)
from cnnviz_cli.unknown_options import ReasonedCommand

EXIT_CODES = (
    "[bold]Exit codes:[/bold] 0 done; 1 --fail-on found a problem, or a bug in cnnviz; 2 a "
    "problem with the arguments, the files or the installation; 3 what --fail-on names could not "
    "be measured; 130 stopped with Ctrl-C, 143 by SIGTERM; 141 the reader of the output is "
    "gone.\n\n"
    "CNNVIZ_DEBUG=1 in the environment is the same as --debug."
)
_INTERRUPTED = 130
_NOBODY_READS = 141
_TERMINATED = 143
_DEBUG = "CNNVIZ_DEBUG"

app = typer.Typer(
    name="cnnviz",
    cls=plugin_commands.Commands,
    help="See what a convolutional network sees, and whether it trains well.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    def installed(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"{package} not installed"

    python = ".".join(map(str, sys.version_info[:3]))
    others = ", ".join([*map(installed, ("torch", "torchvision", "captum")), f"Python {python}"])
    typer.echo(f"cnnviz {cnnviz.__version__} ({others})")
    raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the versions."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error and every warning.")
    ] = False,
) -> None:
    """Set up what every command needs."""
    if debug:
        os.environ[_DEBUG] = "1"
    if not _debugging():
        quieten_other_packages()


add_lazy_command(
    app,
    "report",
    report_command.build,
    summary=report_command.SUMMARY,
    panel="The main job",
)
add_lazy_command(
    app,
    "explore",
    explore_command.build,
    summary=explore_command.SUMMARY,
    panel="The main job",
)
add_lazy_command(
    app,
    "lecture",
    lecture_command.build,
    summary=lecture_command.SUMMARY,
    panel="The main job",
)
app.command("training-report", rich_help_panel="While training", cls=ReasonedCommand)(
    training_command.training_report
)
for _view in VIEWS:
    add_lazy_command(
        app,
        _view.command,
        partial(view_command.build, _view),
        summary=_view.summary,
        panel=_view.panel,
    )
add_lazy_command(
    app,
    "errors",
    errors_command.build,
    summary=errors_command.SUMMARY,
    panel="Many images at once",
)
add_lazy_command(
    app,
    "evaluate-classifier",
    classifier_command.build,
    summary=classifier_command.SUMMARY,
    panel="Many images at once",
)
add_lazy_command(
    app,
    "evaluate",
    evaluate_command.build,
    summary=evaluate_command.SUMMARY,
    panel="Many images at once",
)
add_lazy_command(
    app,
    "gallery",
    gallery_command.build,
    summary=gallery_command.SUMMARY,
    panel="Many images at once",
)
app.command("models", rich_help_panel="What there is")(listings.models)
add_lazy_command(
    app,
    "networks",
    networks_command.build,
    summary=networks_command.SUMMARY,
    panel="What there is",
)
add_lazy_command(
    app,
    "layers",
    listings.build_layers,
    summary=listings.LAYERS,
    panel="What there is",
)
add_lazy_command(app, "shapes", samples.build, summary=samples.SUMMARY, panel="What there is")
add_lazy_command(
    app, "doctor", doctor_command.build, summary=doctor_command.SUMMARY, panel="What there is"
)


def _debugging() -> bool:
    return os.environ.get(_DEBUG, "").lower() not in ("", "0", "false", "no", "off")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the command's name; those of the process when not given.
    """
    _open_closed_streams()
    _write_any_name()
    use_no_odd_width()
    with _terminable() as how_to_end:
        _run(arguments, how_to_end)


def _run(arguments: Sequence[str] | None, how_to_end: list[int]) -> NoReturn:
    try:
        with first_alone_speaks():
            app(args=arguments, prog_name="cnnviz")
        sys.stdout.flush()
    except CnnvizError as error:
        if _debugging():
            traceback.print_exc()
        say_error(error.what, error.option)
        sys.exit(2)
    except KeyboardInterrupt:
        _stopped(how_to_end[-1])
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            _nobody_reads()
        # Ctrl-C inside a command reaches here as the exit code that shells expect of it.
        if end.code == _INTERRUPTED:
            _stopped(how_to_end[-1])
        _end(end)
    except BrokenPipeError:
        _nobody_reads()
    except BaseException as error:
        if _interrupted(error):
            _stopped(how_to_end[-1])
        _tell(error.__cause__ if isinstance(error, Unexpected) and error.__cause__ else error)
    sys.exit(0)


def _interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C is the cause of an error, as of Python 3.11's in the midst of a new class."""
    cause, seen = error.__cause__, [error]
    while cause is not None and cause not in seen:
        if isinstance(cause, KeyboardInterrupt):
            return True
        seen.append(cause)
        cause = cause.__cause__
    return False


def _tell(error: BaseException) -> NoReturn:
    """Say what went wrong that nobody has foreseen, and whose fault it is."""
    if _debugging():
        traceback.print_exception(error)
    package = broken_package(error)
    if package is not None:
        module, missing = REQUIRED[package][0], is_missing(package, error)
        remedy = remedy_for(package, module, told_of(error), missing=missing)
        say_error(f"{package} cannot be imported: {told_of(error)}", f"{remedy} {ASK_THE_DOCTOR}")
        sys.exit(2)
    if isinstance(error, ImportError) and "shared object" in str(error):
        say_error(
            f"A package cannot load a library of this system: {error}.",
            f"{for_library(str(error))} {ASK_THE_DOCTOR}",
        )
        sys.exit(2)
    if isinstance(error, OSError) and error.strerror:
        _refused(error)
    if lacks_memory(error):
        say_error("There is not enough memory for that.", "Ask for less: pixels, dpi, images.")
        sys.exit(2)
    file = named_file(error)
    if file is not None:
        say_error(f"{file} fails: {told(error)}.", "Mend it; the fault is in its own code.")
        sys.exit(2)
    say_error(
        f"This is a fault in {plugin_commands.at_fault(error)}: {kind_and_text(error)}",
        "Run it again as `cnnviz --debug ...` for the traceback, and please report it.",
    )
    sys.exit(1)


def _write_any_name() -> None:
    """Let file names go to stdout as they are, whose bytes may be no text of its encoding."""
    codecs.register_error("cnnviz", _as_it_is)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="cnnviz")


def _as_it_is(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    try:
        return lost.encode("ascii", "surrogateescape"), error.end
    except UnicodeEncodeError:
        return "?" * len(lost), error.end


def _open_closed_streams() -> None:
    """Let what goes to a stream that was closed before the start (``>&-``) go nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, nowhere())


@contextmanager
def _terminable() -> Iterator[list[int]]:
    """Stop on SIGTERM as on Ctrl-C, so that nothing is left half-written.

    Yields a list whose last entry is the exit code of a stop.
    """
    codes = [_INTERRUPTED]
    if threading.current_thread() is not threading.main_thread():
        yield codes
        return

    def stop(*_: object) -> None:
        codes.append(_TERMINATED)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield codes
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(end: SystemExit) -> NoReturn:
    """Flush what was printed while its failure can still be told, and end."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _nobody_reads()
    except OSError as error:
        _refused(error)
    raise end


def _refused(error: OSError) -> NoReturn:
    """Say what the system did not allow; that it did not is no fault of cnnviz."""
    where = "The output" if error.filename is None else repr(str(error.filename))
    if error.filename is None:
        _discard_output()
    say_error(
        f"{where} cannot be read or written: {error.strerror}.",
        "Check the name, the permissions and the free space.",
    )
    sys.exit(2)


def _nobody_reads() -> NoReturn:
    """End without a word, as a program does whose reader (``| head -1``) has gone."""
    _discard_output()
    sys.exit(_NOBODY_READS)


def _discard_output() -> None:
    """Keep Python from writing at its end what could not be written now.

    Closing tries once more; Python 3.13 tells of a stream that still holds something when it goes.
    """
    unwritten, sys.stdout = sys.stdout, nowhere()
    with suppress(OSError, ValueError):
        unwritten.close()


def _stopped(code: int) -> NoReturn:
    with first_alone_speaks():
        say("Stopped; nothing was left half-written.")
    sys.exit(code)
