"""The command `doctor`: whether cnnviz can work on this machine, and what to do where it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import typer

from cnnviz_cli import output_options
from cnnviz_cli.terminal import say, working

SUMMARY = "Check the installation, and say how to fix what is missing."
_BROKEN = 2
_COLOURS = {
    "ok": typer.colors.GREEN,
    "note": typer.colors.YELLOW,
    "broken": typer.colors.RED,
}


def build() -> Callable[..., Any]:
    """Return the command."""
    return doctor


def doctor(as_json: output_options.AsJson = False, quiet: output_options.Quiet = False) -> None:
    """Look at the packages, devices, folders and settings that cnnviz works with.

    Every package is imported in a process of its own, so that this works where one is broken. The
    exit code is 0 where all works, notes or not, and 2 where something is broken.
    """
    from cnnviz.installation import doctor as examine

    with working(quiet) as now:
        now("Importing every package")
        diagnosis = examine()
    if as_json:
        # Not as results are printed, for which numpy has to work.
        typer.echo(json.dumps(diagnosis.to_json(), indent=2))
    else:
        for line in diagnosis.lines(_shown):
            typer.echo(line)
        say(diagnosis.summary())
    if diagnosis.broken:
        raise typer.Exit(_BROKEN)


def _shown(word: str) -> str:
    """Return a group in bold, and a state in its colour."""
    return typer.style(word, fg=_COLOURS.get(word), bold=word not in _COLOURS)
