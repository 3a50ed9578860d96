"""The options of commands that write a report, and what is told of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnviz_cli.lazy import shared
from cnnviz_cli.output_options import OUTPUT, AsJson, Quiet
from cnnviz_cli.terminal import one_line, print_json, say

if TYPE_CHECKING:
    from cnnviz.reports.document import Manifest, Report

Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="The folder to make.",
        rich_help_panel=OUTPUT,
    ),
]
Pdf = Annotated[
    bool,
    typer.Option("--pdf", help="Write one PDF as well.", rich_help_panel=OUTPUT),
]
SingleFile = Annotated[
    bool,
    typer.Option(
        "--single-file",
        help="Write one HTML file with the pictures inside as well.",
        rich_help_panel=OUTPUT,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        "-f",
        help="Replace the report that is already there.",
        rich_help_panel=OUTPUT,
    ),
]


def written_to(folder: str) -> tuple[inspect.Parameter, ...]:
    """Return the options of how a report is written; it is in `folder` without --out."""
    return (
        shared("out", Out, Path(folder)),
        shared("pdf", Pdf, False),
        shared("single_file", SingleFile, False),
        shared("force", Force, False),
        shared("as_json", AsJson, False),
        shared("quiet", Quiet, False),
    )


def save(made: Report, values: dict[str, Any]) -> Manifest:
    """Write a report as those options say."""
    return made.save(
        values["out"],
        pdf=values["pdf"],
        single_file=values["single_file"],
        force=values["force"],
    )


def tell(
    manifest: Manifest,
    remarks: Sequence[str],
    found: Sequence[str],
    *,
    as_json: bool,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Say what a saved report remarks and found; the path of its page is the last line.

    As JSON it is the manifest, with further facts where there are some.
    """
    for remark in (*remarks, *manifest.notes):
        say(one_line(remark))
    if as_json:
        print_json({**manifest.to_json(), **(facts or {})})
        return
    for line in found:
        say(one_line(line))
    typer.echo(manifest.page)
