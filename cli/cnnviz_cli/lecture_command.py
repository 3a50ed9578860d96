"""`cnnviz lecture`: the course on one page, on the reader's own photo and network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnviz.reports.destination import check_destination
from cnnviz_cli import network_options, photo_options, report_options
from cnnviz_cli.chosen_data import check_data
from cnnviz_cli.chosen_photos import find_photos
from cnnviz_cli.kept_help import kept
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.terminal import progress_bar
from cnnviz_cli.told_guesses import Guesses

if TYPE_CHECKING:
    from cnnviz.lectures.beginning import Loading

SUMMARY = "Make the course on convolutional networks, computed on your photo and network."
HELP = """Make the whole course on convolutional networks, on one photo and one network.

Writes a folder with the course as one illustrated page, the notebook lecture.ipynb with the same
calls, and each picture as PNG and SVG for slides of 16:9. The last line of stdout is the path of
the page to open."""

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        metavar="DATA",
        help="Many images, for what needs them: a folder, a pattern, a CSV file or tar shards; the "
        "shipped data without it.",
        show_default=False,
    ),
]


def said() -> str:
    """Return the names of the chapters."""
    from cnnviz.lectures.chapters import CHAPTERS

    return ", ".join(chapter.key.replace("_", "-") for chapter in CHAPTERS)


def build() -> Callable[..., Any]:
    """Return the command, with the chapters that there are in its help."""
    keys = kept("lecture", "cnnviz.lectures.chapters", str, said)
    chapters = Annotated[
        str | None,
        typer.Option(metavar="NAMES", help=f"Only these chapters, with commas between: {keys}."),
    ]
    parameters = [
        shared("photo", photo_options.PhotoOrSample, None),
        shared("data", Data, None),
        shared("chapters", chapters, None),
        *network_options.NETWORK_AND_WEIGHTS,
        *report_options.written_to("cnnviz-lecture"),
    ]
    return with_signature(_run, parameters, HELP)


def _run(values: dict[str, Any]) -> None:
    check_destination(values["out"], force=values["force"])
    named = [str(values["photo"])] if values["photo"] is not None else []
    photos = find_photos(named, None, None)
    photos.check_one("A lecture")
    photos = photos.read()
    check_data(None, values["data"])
    from cnnviz.lectures.build import choose_chapters, lecture

    choose_chapters(values["chapters"])
    guesses = Guesses()
    with progress_bar(values["quiet"]) as progress:
        progress(0, 1, "loading the network")
        model = guesses.of(network_options.model_of(values))
        (photo,) = photo_options.photos_or_sample(photos.taken(), model)
        made = lecture(
            model,
            photo,
            values["chapters"],
            data=values["data"],
            loading=_loading(values),
            folder=values["out"],
            progress=guesses.at_first_step(progress),
        )
        manifest = report_options.save(made, values)
    guesses.tell()
    # The doubt about the preprocessing was told already.
    notes = [note for note in made.notes if note != model.doubt]
    notes += [note for section in made.sections for note in section.notes]
    notes += [str(failure) for failure in made.failures if str(failure) not in notes]
    report_options.tell(manifest, notes, [], as_json=values["as_json"])
    if made.failures:
        raise typer.Exit(1)


def _loading(values: dict[str, Any]) -> Loading:
    """Return how the options load the network, for the commands and the notebook."""
    from cnnviz.lectures.beginning import Loading

    settings = {name: values[name] for name in ("categories", "output", "member")}
    if values["device"] != network_options.DEFAULT_DEVICE:
        settings["device"] = values["device"]
    return Loading.of(
        values["model"],
        values["weights"],
        preparation=network_options.preparation_of(values),
        folder=values["out"],
        **{name: value for name, value in settings.items() if value is not None},
    )
