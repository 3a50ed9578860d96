"""`cnnviz evaluate`: methods of making heatmaps, compared over many images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cnnviz import bounds
from cnnviz.bounds import RANDOM_MAPS, STAGES, STEPS
from cnnviz.errors import OutputError, UsageError
from cnnviz_cli import network_options, output_options, photo_options
from cnnviz_cli.chosen_data import check_data
from cnnviz_cli.kept_help import kept
from cnnviz_cli.lazy import shared, with_signature
from cnnviz_cli.several_processes import done_together
from cnnviz_cli.terminal import note, one_line, print_result, print_table, progress_bar, say
from cnnviz_cli.told_guesses import Guesses

if TYPE_CHECKING:
    from cnnviz.evaluation import Evaluation
    from cnnviz.heatmaps.checks.measure_groups import CheckSettings
    from cnnviz.results.picture_style import PictureStyle

SUMMARY = "Compare heatmap methods over many images, with intervals."
HELP = """Compare methods of making heatmaps over a folder of images or the shipped data.

Writes evaluation.csv, evaluation.json and evaluation.png into a folder, and everything that was
measured into its folder state: a run that was stopped goes on where it was, and what is finished
is replaced with --force alone. Every number stands beside that of random maps."""
_STATE = "state"
_FILES = ("evaluation.csv", "evaluation.json", "evaluation.png")

Data = Annotated[
    str,
    photo_options.data_of(
        "Many images",
        " with its exact masks, which are there without any. NAME-mask.png beside an image marks "
        "the object in it.",
    ),
]
Boxes = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Boxes around the objects, for the measures of localisation: a CSV file with the "
        "columns path, left, top, right and bottom, a COCO JSON file, or a folder of VOC XML.",
        show_default=False,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="FOLDER",
        help="The folder to write to.",
        rich_help_panel=output_options.OUTPUT,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        "-f",
        help="Replace the evaluation that is already there.",
        rich_help_panel=output_options.OUTPUT,
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(
        metavar="LAYER", help="The layer of the class activation maps; the last stage without it."
    ),
]
Steps = Annotated[int, STEPS, typer.Option(help="Steps of deletion and insertion.")]
Stages = Annotated[int, STAGES, typer.Option(help="At most how often weights are redrawn.")]
Random = Annotated[int, RANDOM_MAPS, typer.Option(help="Random maps beside each map.")]
Seed = Annotated[bounds.Seed, typer.Option(help="The seed of whatever is drawn at random.")]


def _named(what: str, names: Iterable[str]) -> Any:
    """Return an option that takes several of the names that the library knows."""
    return Annotated[str, typer.Option(metavar="NAMES", help=f"{what}: {', '.join(names)}.")]


class Said(msgspec.Struct, frozen=True):
    """The names that the library knows; `usual` are the methods compared without --methods."""

    methods: tuple[str, ...]
    usual: tuple[str, ...]
    measures: tuple[str, ...]
    baselines: tuple[str, ...]


def said() -> Said:
    """Return what the help says of the library."""
    from cnnviz.evaluation import METHODS
    from cnnviz.heatmaps.checks.measure_groups import MEASURE_GROUPS
    from cnnviz.heatmaps.methods import method_names
    from cnnviz.images.baselines import BASELINES

    return Said(method_names(), tuple(METHODS), tuple(MEASURE_GROUPS), tuple(BASELINES))


def build() -> Callable[..., Any]:
    """Return the command, with the names that the library knows in its help."""
    known = kept("evaluate", "cnnviz.evaluation", Said, said)
    methods = _named("Methods, with commas between them", known.methods)
    measures = _named("Groups of measures, with commas", known.measures)
    baselines = _named("What stands for deleted pixels", known.baselines)
    parameters = [
        shared("data", Data, "shapes"),
        shared("methods", methods, ",".join(known.usual)),
        shared("count", photo_options.count_of("all of them, but 40 of the shipped data"), None),
        photo_options.LONG_RUN["workers"],
        photo_options.LONG_RUN["shard"],
        shared("state", photo_options.state_of(" The folder state in --out without it."), None),
        shared("boxes", Boxes, None),
        shared("layer", Layer, None),
        shared("measures", measures, ",".join(known.measures)),
        shared("baselines", baselines, "blur,mean"),
        shared("steps", Steps, 10),
        shared("stages", Stages, 8),
        shared("random", Random, 3),
        shared("seed", Seed, 0),
        *network_options.NETWORK_AND_WEIGHTS,
        shared("out", Out, Path("cnnviz-evaluation")),
        shared("force", Force, False),
        *output_options.PICTURE,
        shared("json", output_options.AsJson, False),
        shared("quiet", output_options.Quiet, False),
    ]
    return with_signature(_run, parameters, HELP)


def _names(text: str) -> Any:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _run(values: dict[str, Any]) -> None:
    from cnnviz.images.paths import expand

    style = output_options.picture_style(values)
    out: Path = expand(values["out"])
    guesses = Guesses()
    with done_together() as tells:
        _check_folder(out, force=values["force"])
        settings = _settings(values)
        from cnnviz.datasets.annotated_boxes import read_boxes
        from cnnviz.evaluation import evaluate
        from cnnviz.heatmaps.methods import methods_named

        methods = methods_named(values["methods"])
        boxes = None if values["boxes"] is None else read_boxes(values["boxes"])
        # That none can be read is said in words of its own.
        check_data(None, values["data"], values["count"], read=False)
        with progress_bar(values["quiet"]) as progress:
            progress(0, 1, "loading the network")
            model = guesses.of(network_options.model_of(values))
            found = evaluate(
                model,
                values["data"],
                methods=methods,
                layer=values["layer"],
                count=values["count"],
                boxes=boxes,
                settings=settings,
                random=values["random"],
                workers=values["workers"],
                shard=values["shard"],
                state=values["state"] or out / _STATE,
                progress=guesses.at_first_step(progress),
                announce=None if values["quiet"] else say,
            )
            if tells:
                _write(found, out, style, force=values["force"])
        guesses.tell()
        _show(found, out, as_json=values["json"])


def _settings(values: dict[str, Any]) -> CheckSettings:
    from cnnviz.heatmaps.checks.measure_groups import CheckSettings

    return CheckSettings(
        groups=_names(values["measures"]),
        baselines=_names(values["baselines"]),
        steps=values["steps"],
        stages=values["stages"],
        seed=values["seed"],
    )


def _write(found: Evaluation, out: Path, style: PictureStyle | None, *, force: bool) -> None:
    """Write all files, unless another command has finished in the folder meanwhile."""
    from cnnviz.results.files import alone_in

    with alone_in(out):
        if out.is_dir():
            _check_replaceable(out, force)
        # The picture first: where it is refused, there is no finished evaluation yet.
        for name in reversed(_FILES):
            _save(found, out / name, style if name.endswith(".png") else None)


def _save(found: Evaluation, path: Path, style: PictureStyle | None) -> None:
    """Write one of the files; say of a picture that cannot be that hours of work are not lost."""
    try:
        found.save_sheets(path, style)
    except UsageError as error:
        kept = "What was measured is kept: the same command with another size ends soon."
        raise UsageError(error.what, f"{error.remedy} {kept}") from error


def _check_folder(folder: Path, *, force: bool) -> None:
    """Say at once what would otherwise be found out after the first map."""
    from cnnviz.results.files import check_can_write_in, check_parent
    from cnnviz.results.suffixes import check_folder_name

    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{str(folder)!r} is a file.", "Name a folder with --out.")
    check_folder_name(folder)
    check_parent(folder.absolute())
    check_can_write_in(folder if folder.is_dir() else folder.absolute().parent)
    if folder.is_dir():
        _check_replaceable(folder, force)


def _check_replaceable(folder: Path, force: bool) -> None:
    """Go on in the folder of a run that was stopped; replace what is finished when told to."""
    from cnnviz.reports.own_files import drawn_by_cnnviz
    from cnnviz.results.files import not_left_by_desktops, remove_leftovers

    remove_leftovers(folder)
    inside = {path.name for path in not_left_by_desktops(folder)}
    table, numbers, picture = (folder / name for name in _FILES)
    evaluation = _is_evaluation(numbers)
    finished = evaluation and table.exists()
    # One that was killed between two of its files is gone on with.
    drawn = {picture.name} if _STATE in inside and drawn_by_cnnviz(picture) else set()
    strangers = sorted(inside - {_STATE} - (set(_FILES) if evaluation else drawn))
    if strangers:
        raise OutputError(
            f"The folder {str(folder)!r} holds {strangers[0]!r}, which is no part of an "
            "evaluation.",
            "Name another folder.",
        )
    if finished and not force:
        raise OutputError(
            f"There already is an evaluation in {str(folder)!r}.",
            "Add --force to replace it, which measures again only what is not kept, or name "
            "another folder.",
        )


def _is_evaluation(path: Path) -> bool:
    """Whether a file holds what `cnnviz evaluate` has found."""
    from cnnviz.results.given_files import given_bytes
    from cnnviz.results.structured import decoded

    try:
        found = decoded(given_bytes(path), dict[str, Any])
    except (OSError, ValueError):
        return False
    return found.get("view") == "Evaluation"


def _show(found: Evaluation, out: Path, *, as_json: bool) -> None:
    if as_json:
        print_result(found, out / _FILES[1])
        return
    for remark in found.provenance.notes:
        note(remark)
    shown = found.main_columns()
    rows = [
        [title, *(_cell(found, method, column.key) for column in shown)]
        for method, title in zip(found.methods, found.titles, strict=True)
    ]
    random = [_random(found, column.key) for column in shown]
    print_table(
        ["method", *(column.title for column in shown)],
        [*rows, ["random maps", *random]],
        caption="Means over the images, with the ends of their 95% intervals.",
    )
    for sentence in (found.summary(), *found.counted(), *found.verdicts):
        say(one_line(sentence))
    typer.echo(out / _FILES[0])


def _cell(found: Evaluation, method: str, key: str) -> str:
    from cnnviz.results.text import minus

    cell = found.cell(method, key)
    if not cell.images:
        return "-"
    known = math.isfinite(cell.low) and math.isfinite(cell.high)
    ends = f"{cell.low:.2f} to {cell.high:.2f}" if known else "not known"
    return minus(f"{cell.mean:.2f} ({ends})")


def _random(found: Evaluation, key: str) -> str:
    """Return the range of the methods' random maps."""
    from cnnviz.results.text import minus

    means = [cell.random for m in found.methods if (cell := found.cell(m, key)).images]
    if not means:
        return "-"
    low, high = (minus(f"{end(means):.2f}") for end in (min, max))
    return low if low == high else f"{low} to {high}"
