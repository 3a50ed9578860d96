"""The command `networks`: the networks of the course, and the card of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

import cnnviz
from cnnviz_cli import output_options
from cnnviz_cli.terminal import print_json, print_table, say, working

SUMMARY = "List the networks of the course, or show the card of one."


def build() -> Callable[..., Any]:
    """Return the command."""
    return networks


def networks(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Show the card of this one, or of several, with commas between."
        ),
    ] = "",
    as_json: output_options.AsJson = False,
    quiet: output_options.Quiet = False,
) -> None:
    """List the networks of the course with what is published, or show the card of one.

    A card has the year, the idea, depth, parameters and error rates as published, each with its
    source, and depth, parameters and MACs as counted on the network itself.
    """
    if name:
        _show(name, as_json=as_json, quiet=quiet)
        return
    from cnnviz.course.network_cards import CARDS

    if as_json:
        from cnnviz.results.json_values import plain

        print_json(plain(CARDS))
        return
    from cnnviz.course.card_text import error_text, published_parameters

    rows = [
        (
            card.title,
            card.load_name,
            card.year,
            "" if card.depth is None else card.depth,
            published_parameters(card),
            error_text(card.top1),
            error_text(card.top5),
            card.protocol,
        )
        for card in CARDS
    ]
    columns = ["network", "--model", "year", "depth", "parameters", "top-1", "top-5", "of"]
    print_table(columns, rows)
    say("As published. `cnnviz networks NAME` shows the sources, and what is counted.")


def _show(name: str, *, as_json: bool, quiet: bool) -> None:
    with working(quiet) as now:
        now("Counting")
        found = cnnviz.famous_networks(name)
    if as_json:
        from cnnviz_cli.terminal import print_result

        print_result(found, None)
        return
    typer.echo(str(found))
