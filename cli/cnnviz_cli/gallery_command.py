"""`cnnviz gallery`: a static site with a page for every unit of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cnnviz_cli import network_options, output_options, photo_options
from cnnviz_cli.chosen_data import check_data
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.several_processes import done_together
from cnnviz_cli.terminal import one_line, print_json, progress_bar, say
from cnnviz_cli.told_guesses import Guesses

if TYPE_CHECKING:
    from cnnviz.datasets import Dataset
    from cnnviz.models import Model
    from cnnviz.results.progress import Progress
    from cnnviz_gallery.estimate import Estimate
    from cnnviz_gallery.site.build import BuildResult

SUMMARY = "Build a site with a page for every unit of a network."
HELP = """Build a static site with a page for every unit of a network: the patches of your images
that excite it most, what it sends back to the pixels, the classes it answers to, its connections.

Without a network, the gallery of the shipped networks on the shipped data. A site may hold several
networks: name the same folder again. Only what has changed is made anew, so a build that was
stopped goes on where it was. The last line of stdout is the path of the page to open."""
SHIPPED = ("shapes-plain", "shapes-residual")

Network = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL",
        help="The same as --model.",
        show_default=False,
    ),
]
Chosen = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help=f"{network_options.NETWORKS} The shipped networks without it.",
        rich_help_panel=network_options.NETWORK,
        show_default=False,
    ),
]
Data = Annotated[
    str | None,
    photo_options.data_of("Many images", ", which the shipped networks take without any."),
]
Layers = Annotated[
    str | None,
    typer.Option(
        metavar="LAYERS",
        help="Layers: names, patterns such as 'layer3.*', or kinds, with commas between them; all "
        "convolutions and linear layers without it.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="SITE",
        help="The folder of the site.",
        rich_help_panel=output_options.OUTPUT,
    ),
]
_KEPT = " SITE-scan beside the site without it."
Visualized = Annotated[
    str | None,
    typer.Option(
        "--visualize",
        metavar="UNITS",
        help="Channels to make feature visualizations of, such as 'layer3:0-7', or 'conv:*' for "
        "all: minutes to hours, said beforehand. Finished ones are kept beside the scan.",
        show_default=False,
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="The time for --visualize, such as 10m.",
        show_default=False,
    ),
]
InPrecision = Annotated[
    Literal["float32", "bf16"],
    typer.Option(
        "--precision",
        help="In what the images are scanned: bf16 is faster where the processor or GPU knows "
        "bfloat16, and rounds to three digits; how far that is from float32 is measured and told.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what it would take, and write nothing.")
]


def build() -> Callable[..., Any]:
    """Return the command."""
    parameters = [
        shared("named", Network, None),
        shared("model", Chosen, None),
        shared("data", Data, None),
        photo_options.LONG_RUN["count"],
        photo_options.LONG_RUN["workers"],
        photo_options.LONG_RUN["shard"],
        shared("state", photo_options.state_of(_KEPT, "--scan"), None),
        shared("layers", Layers, None),
        shared("visualized", Visualized, None),
        shared("budget", Budget, None),
        shared("precision", InPrecision, "float32"),
        shared("dry_run", DryRun, False),
        *network_options.WEIGHTS,
        shared("out", Out, Path("cnnviz-gallery")),
        shared("as_json", output_options.AsJson, False),
        shared("quiet", output_options.Quiet, False),
    ]
    return with_signature(_run, parameters, HELP)


def _run(values: dict[str, Any]) -> None:
    from cnnviz.datasets import SHAPES, open_dataset
    from cnnviz.images.paths import expand
    from cnnviz.models.spaces import check_takes_images
    from cnnviz.passes.precision import check_precision
    from cnnviz_gallery.estimate import estimate
    from cnnviz_gallery.site.site_folder import check
    from cnnviz_gallery.site.visualizations import check as check_visualized

    _check(values)
    out: Path = expand(values["out"])
    guesses = Guesses()
    planned: list[Estimate] = []
    built: list[BuildResult] = []
    with done_together() as tells:
        check(out.resolve())
        with progress_bar(values["quiet"]) as progress:
            progress(0, 1, "loading the network")
            check_data(None, values["data"], values["count"])
            models = [guesses.of(model) for model in _models(values)]
            for model in models:
                # Before the data are read, which of a network of signals are signals.
                check_takes_images(model, "gallery")
                check_precision(values["precision"], model)
            _check_layers(models, values["layers"])
            if values["visualized"]:
                for model in models:
                    check_visualized(model, values["visualized"], values["budget"])
            data = open_dataset(values["data"] or SHAPES, values["count"])
            told = guesses.at_first_step(progress)
            if not values["dry_run"]:
                built = [
                    e for model in models for e in _make(model, data, values, told, builds=tells)
                ]
            elif tells:
                planned = [estimate(model, data, values["layers"]) for model in models]
        guesses.tell()
        if values["dry_run"]:
            _tell_planned(planned, as_json=values["as_json"])
        else:
            _tell_built(built, out, as_json=values["as_json"])


def _check(values: dict[str, Any]) -> None:
    from cnnviz.datasets import SHAPES
    from cnnviz.errors import UsageError

    named = {values["named"], values["model"]} - {None}
    if len(named) > 1:
        raise UsageError(f"Two networks are named: {', '.join(sorted(named))}.", "Name one.")
    values["model"] = next(iter(named), None)
    if values["model"] is None and values["data"] not in (None, SHAPES):
        raise UsageError(
            "There is a folder of images and no network.", "Name the network with --model."
        )
    if values["budget"] is not None and values["visualized"] is None:
        raise UsageError("There is a budget and nothing to spend it on.", "Give --visualize UNITS.")
    if values["budget"] is not None:
        from cnnviz.units.visualization.jobs import read_span

        read_span(values["budget"])


def _check_layers(models: list[Model], layers: Any) -> None:
    """Refuse layers that one of several networks lacks, before the first is scanned."""
    from cnnviz.errors import CnnvizError, UsageError
    from cnnviz_gallery.scan.scan import scannable

    for model in models if len(models) > 1 else ():
        try:
            scannable(model, layers)
        except CnnvizError as error:
            raise UsageError(
                f"{model.name}: {error.what}", f"{error.option} Or name one network with --model."
            ) from error


def _models(values: dict[str, Any]) -> list[Model]:
    """Load the network that is named, or else the shipped ones."""
    names = [values["model"]] if values["model"] is not None else list(SHIPPED)
    return [network_options.model_of({**values, "model": name}) for name in names]


def _tell_planned(planned: Sequence[Estimate], *, as_json: bool) -> None:
    for each in planned:
        say(one_line(str(each)))
    if as_json:
        print_json([each.to_json() for each in planned])


def _tell_built(built: Sequence[BuildResult], out: Path, *, as_json: bool) -> None:
    if as_json:
        print_json([{"units": each.units, "written": each.written} for each in built])
    elif built:
        units, written = (sum(getattr(each, of) for each in built) for of in ("units", "written"))
        say(f"{units:,} units; {written:,} files were written.")
        typer.echo(out / built[-1].home.name)


def _make(
    model: Model, data: Dataset, values: dict[str, Any], progress: Progress, *, builds: bool
) -> list[BuildResult]:
    """Scan and visualize, together with other processes, of which one builds."""
    from cnnviz.images.paths import expand
    from cnnviz_gallery.scan.scan import scan
    from cnnviz_gallery.scan.scan_result import ScanSettings
    from cnnviz_gallery.site.build import build as build_site
    from cnnviz_gallery.site.visualizations import visualize

    out: Path = expand(values["out"]).resolve()
    kept: Path = values["state"] or out.with_name(f"{out.name}-scan")
    show = _named(progress, model.name)
    settings = ScanSettings(precision=values["precision"])
    found = scan(
        model,
        data,
        values["layers"],
        settings=settings,
        folder=expand(kept),
        shard=values["shard"],
        workers=values["workers"],
        progress=show,
    )
    for remark in data.notes:
        say(one_line(f"{remark}."))
    for skipped in found.skipped:
        say(one_line(f"Left out: {skipped.name}: {skipped.reason}"))
    made = None
    if values["visualized"]:
        made = visualize(
            model,
            values["visualized"],
            expand(kept),
            budget=values["budget"],
            progress=show,
            announce=None if values["quiet"] else say,
        )
    if not builds:
        return []
    return [build_site(found, model, data, out, visualizations=made, progress=show)]


def _named(progress: Progress, name: str) -> Progress:
    def show(done: int, total: int, what: str) -> None:
        progress(done, total, f"{name}: {what}")

    return show
