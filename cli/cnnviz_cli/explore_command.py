"""`cnnviz explore`: one offline page that answers what a person asks about a photo."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from cnnviz_cli import network_options, output_options, photo_options
from cnnviz_cli.chosen_photos import FoundPhotos, find_photos
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.terminal import note, progress_bar
from cnnviz_cli.told_guesses import Guesses

if TYPE_CHECKING:
    from cnnviz.explorer.build import Explorer, ExplorerPlan
    from cnnviz.models import Model

SUMMARY = "Make an interactive page about a photo that works without a server."
HELP = """Make one page on which a person asks a network about a photo.

The page shows the answer and where it came from; there a click asks for another class, layer or
method, the pointer tells what a place sees and which channels fire there, and channels can be muted
to see what the answer would be. It is one file that asks nothing of any server. The last line of
stdout is its path."""

OneOrTwoPhotos = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PHOTO [OTHER]",
        help="The photo; a sample without it. A second one is shown beside it.",
        show_default=False,
    ),
]
Layers = Annotated[
    str | None,
    typer.Option(
        "--layers",
        "-l",
        metavar="NAMES",
        help="The layers that the page holds, with commas between; the last four stages without "
        "it.",
        show_default=False,
    ),
]
Compare = Annotated[
    Path | None,
    typer.Option(
        "--compare",
        metavar="PHOTO",
        help="The second photo, shown beside the first; what is chosen for one is chosen for both.",
        show_default=False,
    ),
]
CompareModel = Annotated[
    str | None,
    typer.Option(
        "--compare-model",
        metavar="NAME",
        help="Another network, which looks at the photo beside the first.",
        rich_help_panel=network_options.NETWORK,
        show_default=False,
    ),
]
CompareWeights = Annotated[
    str,
    typer.Option(
        "--compare-weights",
        metavar="WEIGHTS",
        help="Its weights, as --weights has them.",
        rich_help_panel=network_options.NETWORK,
    ),
]
Gallery = Annotated[
    Path | None,
    typer.Option(
        "--gallery",
        metavar="SITE",
        help="The folder of a gallery of the same network: a channel shows its strongest patches "
        "and leads to its page there.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="The page to write, .html; named after the photo without it.",
        rich_help_panel=output_options.OUTPUT,
        show_default=False,
    ),
]


def build() -> Callable[..., Any]:
    """Return the command."""
    parameters = [
        shared("photos", OneOrTwoPhotos, None),
        shared("layers", Layers, None),
        shared("target", network_options.Target, None),
        *network_options.NETWORK_AND_WEIGHTS,
        shared("compare", Compare, None),
        shared("compare_model", CompareModel, None),
        shared("compare_weights", CompareWeights, "DEFAULT"),
        shared("gallery", Gallery, None),
        shared("out", Out, None),
        shared("json", output_options.AsJson, False),
        shared("quiet", output_options.Quiet, False),
    ]
    return with_signature(_run, parameters, HELP)


def _run(values: dict[str, Any]) -> None:
    from cnnviz.images.paths import expand
    from cnnviz.results.files import check_before_work, check_can_write_in

    out = None if values["out"] is None else expand(values["out"])
    if out is None:
        check_can_write_in(Path())
    else:
        from cnnviz.explorer.build import check_page

        check_before_work(check_page(out))
    first, second = _named(values)
    photos = _read(first)
    compared = _read(second) if second else None
    _check_gallery(values["gallery"])
    from cnnviz.explorer.build import planned
    from cnnviz.explorer.size import told_size
    from cnnviz.results.text import plural

    guesses = Guesses()
    with progress_bar(values["quiet"]) as progress:
        progress(0, 1, "loading the network")
        model = guesses.of(network_options.model_of(values))
        (photo,) = photo_options.photos_or_sample(photos.taken(), model)
        beside = None if compared is None else compared.taken()[0]
        other = None if values["compare_model"] is None else guesses.of(_other_model(values))
        plan = planned(
            model,
            photo,
            target=values["target"],
            layers=values["layers"],
            compare_image=beside,
            compare_model=other,
            unit_pages=_unit_pages(values["gallery"], model, out),
        )
        note(f"The page will have about {told_size(plan.bytes)}; --layers chooses what it holds.")
        page = plan.make(guesses.at_first_step(progress))
    guesses.tell()
    for finding in dict.fromkeys(each for one in (model, other) if one for each in one.findings):
        note(finding)
    written = page.save(out or Path(page.default_name))
    layers = plural(len(page.layers), "layer")
    note(f"{told_size(page.size)}, with the maps of {layers}: {', '.join(page.layers)}.")
    typer.echo(json.dumps(_told(page, plan, written), indent=2) if values["json"] else str(written))


def _read(named: list[str]) -> FoundPhotos:
    found = find_photos(named, None, None)
    found.check_one("A page")
    return found.read()


def _check_gallery(site: Path | None) -> None:
    if site is not None:
        from cnnviz.images.paths import expand
        from cnnviz_gallery.site.unit_folders import check_gallery

        check_gallery(expand(site))


def _named(values: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the photo that is named, and the one that is shown beside it; empty for none."""
    from cnnviz.errors import UsageError

    photos, compare = values["photos"] or [], values["compare"]
    named = [*photos, *([] if compare is None else [str(compare)])]
    if len(named) > 2:
        raise UsageError(
            f"A page shows one photo, or two side by side, and {len(named)} are named.",
            "Make a page of each photo: cnnviz explore PHOTO --out FILE.",
        )
    if compare is not None:
        return list(photos), [str(compare)]
    return list(photos[:1]), list(photos[1:])


def _unit_pages(site: Path | None, model: Model, out: Path | None) -> dict[str, str] | None:
    """Return where the pages of units lie, as they are found from the page that is written."""
    from cnnviz.images.paths import expand
    from cnnviz_gallery.site.unit_folders import unit_folders

    if site is None:
        return None
    home = (out.parent if out is not None else Path()).resolve()
    return {
        name: quote(Path(os.path.relpath(folder.resolve(), home)).as_posix())
        for name, folder in unit_folders(expand(site), model).items()
    }


def _other_model(values: dict[str, Any]) -> Model:
    return network_options.load_model(
        values["compare_model"],
        values["compare_weights"],
        values["categories"],
        values["device"],
        preparation=network_options.preparation_of(values),
    )


def _told(page: Explorer, plan: ExplorerPlan, written: Path) -> dict[str, Any]:
    return {
        "page": str(written),
        "bytes": page.size,
        "bytes_estimated": plan.bytes,
        "layers": list(page.layers),
        "exact": page.exact,
        "error": page.error,
        "provenance": page.provenance.to_json(),
    }
