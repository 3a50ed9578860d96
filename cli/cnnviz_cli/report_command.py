"""`cnnviz report`: the main job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnviz.reports.destination import check_destination
from cnnviz.reports.sections import SECTIONS, choose
from cnnviz_cli import options
from cnnviz_cli.terminal import one_line, print_json, progress_bar, say

if TYPE_CHECKING:
    from cnnviz.reports.document import Manifest

_KEYS = [kind.key.replace("_", "-") for kind in SECTIONS]

Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", metavar="FOLDER", help="The folder to make.", rich_help_panel=options.OUTPUT
    ),
]
Sections = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help=f"Only these sections, with commas between them: {', '.join(_KEYS)}.",
    ),
]
Layers = Annotated[
    str | None,
    typer.Option(
        metavar="LAYERS",
        help="The layers to look into: names, patterns such as 'layer3.*', or kinds, with commas "
        "between them; without it, the last layer of each stage.",
    ),
]
Thorough = Annotated[
    bool,
    typer.Option(
        "--thorough",
        help="Also what runs the network many more times: the maps of many methods, each checked. "
        "The progress says how long that may take.",
    ),
]
Pdf = Annotated[
    bool, typer.Option("--pdf", help="Write one PDF as well.", rich_help_panel=options.OUTPUT)
]
SingleFile = Annotated[
    bool,
    typer.Option(
        "--single-file",
        help="Write one HTML file with the pictures inside as well.",
        rich_help_panel=options.OUTPUT,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        "-f",
        help="Replace the report that is already there.",
        rich_help_panel=options.OUTPUT,
    ),
]


def report(
    photos: options.Photos = None,
    sections: Sections = None,
    layers: Layers = None,
    target: options.Target = None,
    thorough: Thorough = False,
    model: options.ModelName = "shapes",
    weights: options.Weights = "DEFAULT",
    categories: options.Categories = None,
    device: options.Device = "auto",
    out: Out = Path("cnnviz-report"),
    pdf: Pdf = False,
    single_file: SingleFile = False,
    force: Force = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a report on what a network sees in photos: HTML, pictures and numbers in one folder.

    The last line of stdout is the path of the page to open.
    """
    choose(sections, thorough=thorough)
    check_destination(out, force=force)
    with progress_bar(quiet) as progress:
        progress(0, 1, "loading the network")
        loaded = options.load_model(model, weights, categories, device)
        images = options.photos_or_sample(photos, loaded)
        from cnnviz.reports import report as make

        made = make(
            loaded,
            images,
            sections,
            layers=layers,
            target=target,
            thorough=thorough,
            progress=progress,
        )
        manifest = made.save(out, pdf=pdf, single_file=single_file, force=force)
    best = [(entry.name, entry.best) for entry in made.answers if entry.guesses]
    tell(
        manifest,
        (*map(str, made.refused), *made.notes),
        [f"{name}: {guess.category} ({guess.probability:.1%})" for name, guess in best],
        as_json=as_json,
    )


def tell(
    manifest: Manifest, remarks: Sequence[str], found: Sequence[str], *, as_json: bool
) -> None:
    """Say what a saved report remarks and found; the path of its page is the last line."""
    for remark in (*remarks, *manifest.notes):
        say(one_line(remark))
    if as_json:
        print_json(manifest.to_json())
        return
    for line in found:
        say(one_line(line))
    typer.echo(manifest.page)
