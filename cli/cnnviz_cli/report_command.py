"""`cnnviz report`: the main job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from cnnviz.reports.destination import check_destination
from cnnviz.reports.sections import SECTIONS, choose
from cnnviz.views.plugins import installed
from cnnviz_cli import network_options, photo_options, report_options
from cnnviz_cli.chosen_photos import find_photos
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.terminal import note, progress_bar
from cnnviz_cli.told_guesses import Guesses

if TYPE_CHECKING:
    pass

SUMMARY = (
    "Make a report on what a network sees in photos: HTML, pictures and numbers in one folder."
)
HELP = f"""{SUMMARY}

The last line of stdout is the path of the page to open."""

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

Interactive = Annotated[
    bool,
    typer.Option(
        "--interactive",
        help="Let readers switch class, layer and opacity of the heatmap at the head of each "
        "photo; the network runs once more for each of five classes.",
    ),
]


def build() -> Callable[..., Any]:
    """Return the command, with the sections that there are in its help."""
    sections = Annotated[
        str | None, typer.Option(metavar="NAMES", help=f"Only these sections, {_said()}.")
    ]
    parameters = [
        *photo_options.PHOTOS,
        shared("sections", sections, None),
        shared("layers", Layers, None),
        shared("target", network_options.Target, None),
        shared("box", network_options.Box, None),
        shared("thorough", Thorough, False),
        shared("interactive", Interactive, False),
        *network_options.NETWORK_AND_WEIGHTS,
        *report_options.written_to("cnnviz-report"),
    ]
    return with_signature(_run, parameters, HELP)


def _said() -> str:
    ours = ", ".join(kind.key.replace("_", "-") for kind in SECTIONS)
    theirs = ", ".join(plugin.view.name.replace("_", "-") for plugin in installed().found)
    more = f"; from other packages: {escape(theirs)}" if theirs else ""
    return f"with commas between them: {ours}; or any other view by its name{more}"


def _run(values: dict[str, Any]) -> None:
    choose(values["sections"], thorough=values["thorough"])
    check_destination(values["out"], force=values["force"])
    target = network_options.explained(values["target"], values["box"])
    guesses = Guesses()
    with progress_bar(values["quiet"]) as progress:
        progress(0, 1, "loading the network")
        chosen = [values[name] for name in ("data", "count", "workers")]
        photos = find_photos(values["photos"] or (), *chosen).read()
        loaded = guesses.of(network_options.model_of(values))
        images = photo_options.inputs_of(photos, loaded)
        from cnnviz.reports import report as make

        made = make(
            loaded,
            images,
            values["sections"],
            layers=values["layers"],
            target=target,
            thorough=values["thorough"],
            interactive=values["interactive"],
            progress=guesses.at_first_step(progress),
        )
        manifest = report_options.save(made, values)
    guesses.tell()
    best = [(entry.name, entry.best) for entry in made.answers if entry.guesses]
    # The doubt about the preprocessing was told already.
    notes = [note for note in made.notes if note != loaded.doubt]
    for doubt in made.doubts:
        note(doubt)
    report_options.tell(
        manifest,
        (*map(str, made.refused), *notes),
        [f"{name}: {guess.category} ({guess.said})" for name, guess in best],
        as_json=values["as_json"],
    )
