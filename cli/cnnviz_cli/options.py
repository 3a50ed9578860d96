"""The options that several commands share, and what they load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnviz.errors import UsageError
from cnnviz.models.sources import forms
from cnnviz.results.space import IMAGE
from cnnviz_cli.chosen_arrays import choose_arrays
from cnnviz_cli.chosen_photos import FoundPhotos
from cnnviz_cli.lazy import shared

if TYPE_CHECKING:
    from cnnviz.models import Model
    from cnnviz.results.picture_style import PictureStyle

NETWORK = "Network"
OUTPUT = "Output"
NETWORKS = f"A name that `cnnviz models` lists, or {forms()}."

Photos = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PHOTO",
        help="Image files, folders or patterns such as 'photos/*.jpg', in any case of letters; for "
        "networks of signals and volumes .npy, .npz, .pt or .wav files, or the frames of a clip. "
        "Without any, a sample of the shipped data or the sample photo.",
        show_default=False,
    ),
]
OnePhoto = Annotated[
    str | None,
    typer.Argument(
        metavar="PHOTO",
        help="An image file, taken as it is. Without one, the sample photo.",
        show_default=False,
    ),
]
Members = Annotated[
    list[str] | None,
    typer.Argument(metavar="PHOTO", help="Image files, in place of --data.", show_default=False),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        metavar="DATA",
        help="Many images: a folder, which is searched with all folders in it; tar shards, such as "
        "a-{000..012}.tar; or 'shapes', the shipped data, which a network for it takes without "
        "any.",
        show_default=False,
    ),
]
OfData = Annotated[
    str | None,
    typer.Option(
        "--data",
        "-d",
        metavar="DATA",
        help="In place of photos: a folder, a CSV file with the columns path and label, tar "
        "shards, or 'shapes'. Where folders or labels name classes of the network, right and wrong "
        "answers are marked.",
        show_default=False,
    ),
]


def count_of(many: str) -> Any:
    """Return the option that says how many images are taken; without it so many."""
    return Annotated[
        int | None,
        typer.Option(
            "--count",
            "-n",
            min=1,
            help=f"At most how many of the images, evenly spread; {many} without it.",
            show_default=False,
        ),
    ]


Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Threads that read images; one for each processor, up to 8, without it.",
        show_default=False,
    ),
]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help=NETWORKS,
        rich_help_panel=NETWORK,
    ),
]
LookedInto = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help=f"The network to look into, where an option names one of its parts. {NETWORKS}",
        rich_help_panel=NETWORK,
        show_default=False,
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        metavar="WEIGHTS",
        help="DEFAULT, random, a name of the model's weights, or a checkpoint file.",
        rich_help_panel=NETWORK,
    ),
]
Categories = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="A file with the names of the classes: one on each line, or JSON.",
        rich_help_panel=NETWORK,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="KIND",
        help="What the network's output means: classes, labels, logit, value, embedding, class-map "
        "or boxes; guessed without it, and the guess is told.",
        rich_help_panel=NETWORK,
    ),
]
Member = Annotated[
    str | None,
    typer.Option(
        "--member",
        metavar="NAME",
        help="Which member of an output that is a tuple or a dict: logits, 1, heads.age.",
        rich_help_panel=NETWORK,
    ),
]
Resize = Annotated[
    str | None,
    typer.Option(
        metavar="PX",
        help="How photos are prepared: the shorter side in pixels, height and width as 224x320, or "
        "none. What is known of the network, or a guess that is told, without it.",
        rich_help_panel=NETWORK,
    ),
]
Crop = Annotated[
    str | None,
    typer.Option(
        metavar="PX",
        help="Pixels cut from the centre: a side, height and width as 224x320, or none.",
        rich_help_panel=NETWORK,
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS",
        help="What is subtracted from each channel: 0.485,0.456,0.406, or of pixels from 0 to 255.",
        rich_help_panel=NETWORK,
    ),
]
Std = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS", help="What each channel is divided by then.", rich_help_panel=NETWORK
    ),
]
Colour = Annotated[
    str | None,
    typer.Option(metavar="ORDER", help="The channels: rgb, bgr or grey.", rich_help_panel=NETWORK),
]
Device = Annotated[
    str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda.", rich_help_panel=NETWORK)
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="CLASS",
        help="The class to explain, by name or index; the network's first answer without it.",
        rich_help_panel=NETWORK,
    ),
]
Box = Annotated[
    str | None,
    typer.Option(
        "--box",
        metavar="X1,Y1,X2,Y2",
        help="Of a detector the box to explain: left, top, right and bottom in pixels of the "
        "photo. Its class is --target, or that of the box it overlaps most.",
        rich_help_panel=NETWORK,
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
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON to stdout.", rich_help_panel=OUTPUT)
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress.", rich_help_panel=OUTPUT)
]
FigureSize = Annotated[
    str | None,
    typer.Option(
        "--figure-size",
        metavar="WxH",
        help="Width and height of the picture in inches, as matplotlib has them, such as 7x4.5; "
        "as it needs without it.",
        rich_help_panel=OUTPUT,
    ),
]
Dpi = Annotated[
    float | None,
    typer.Option(
        "--dpi",
        metavar="DPI",
        help="Pixels of an inch of the picture; 160 without it.",
        rich_help_panel=OUTPUT,
    ),
]
Font = Annotated[
    str | None,
    typer.Option(
        "--font",
        metavar="FAMILY",
        help="An installed font for the picture, or serif, sans-serif or monospace.",
        rich_help_panel=OUTPUT,
    ),
]

PHOTOS = (
    shared("photos", Photos, None),
    shared("data", OfData, None),
    shared("count", count_of("32 of a folder"), None),
    shared("workers", Workers, None),
)
"""The options that say which photos, and how they are read."""

PREPARATION = (
    shared("resize", Resize, None),
    shared("crop", Crop, None),
    shared("mean", Mean, None),
    shared("std", Std, None),
    shared("colour", Colour, None),
)
"""The options that say how photos are prepared for the network."""

WEIGHTS = (
    shared("weights", Weights, "DEFAULT"),
    shared("categories", Categories, None),
    shared("device", Device, "auto"),
    shared("output", Output, None),
    shared("member", Member, None),
    *PREPARATION,
)
"""The options that say how a network is loaded, and how what goes in and comes out is read."""

DEFAULT_MODEL = "shapes"
NETWORK_AND_WEIGHTS = (shared("model", ModelName, DEFAULT_MODEL), *WEIGHTS)
"""The options that `model_of` loads a network by."""

PHOTO = shared("photo", OnePhoto, None)
"""The option of a view of one photo, for which no network is run."""
NETWORK_LOOKED_INTO = (shared("model", LookedInto, None), *WEIGHTS)
"""The options of such a view that may look into a network."""

PICTURE = (
    shared("figure_size", FigureSize, None),
    shared("dpi", Dpi, None),
    shared("font", Font, None),
)
"""The options of every command that writes a picture of a result."""


def load_model(
    source: str,
    weights: str,
    categories: str | None,
    device: str,
    output: str | None = None,
    member: str | None = None,
    *,
    preparation: dict[str, Any] | None = None,
) -> Model:
    """Load the network that the options name."""
    from cnnviz.models import load

    return load(
        source,
        weights,
        categories=categories,
        device=device,
        output=output,
        member=member,
        preprocessing=preparation or None,
    )


def model_of(values: dict[str, Any]) -> Model:
    """Load the network that a command's values name."""
    asked = ("model", "weights", "categories", "device", "output", "member")
    return load_model(*(values[name] for name in asked), preparation=preparation_of(values))


def preparation_of(values: dict[str, Any]) -> dict[str, Any]:
    """Return what the options of `PREPARATION` say, by its name."""
    names = [parameter.name for parameter in PREPARATION]
    return {name: values[name] for name in names if values[name] is not None}


def explained(target: str | None, box: str | None) -> Any:
    """Return what --target and --box ask for together.

    Raises
    ------
    UsageError
        The box is not four numbers.
    """
    if box is None:
        return target
    from cnnviz.passes.target_types import Box as Wanted

    try:
        left, top, right, bottom = (float(part) for part in box.split(","))
    except ValueError:
        raise UsageError(
            f"--box cannot be {box!r}.", "Give four numbers with commas: left,top,right,bottom."
        ) from None
    return Wanted(target, (left, top, right, bottom))


def picture_style(values: dict[str, Any]) -> PictureStyle:
    """Return how the picture is to be written, as the options of `PICTURE` say.

    Raises
    ------
    UsageError
        If there is no such size, resolution or font, or no picture is written.
    """
    from cnnviz.results.picture_style import PictureStyle, read_size

    size = values["figure_size"]
    style = PictureStyle(None if size is None else read_size(size), values["dpi"], values["font"])
    if style != PictureStyle() and values["json"] and values["out"] is None:
        raise UsageError(
            "A size, dpi and font are those of a picture, and no picture is written with --json.",
            "Name one with --out.",
        )
    return style


def report_folder(values: dict[str, Any], otherwise: str) -> Path | None:
    """Return the folder for the page of a command; None where it only prints, --json or --csv.

    Raises
    ------
    UsageError
        If both are given.
    OutputError
        If the folder cannot be made, or holds what may not be replaced.
    """
    from cnnviz.reports import check_destination

    printed = values["as_json"] or values["as_csv"]
    if values["as_json"] and values["as_csv"]:
        raise UsageError("Both --json and --csv are given.", "Give one of the two.")
    out: Path | None = values["out"] or (None if printed else Path(otherwise))
    if out is not None:
        check_destination(out, force=values["force"])
    return out


def inputs_of(named: FoundPhotos, model: Model) -> list[Any]:
    """Return what was named as the network takes it, or else a sample; of arrays there is none."""
    if model.space == IMAGE:
        return photos_or_sample(named.taken(), model)
    return choose_arrays(named.names, named.count, model)


def photos_or_sample(photos: list[Any] | None, model: Model) -> list[Any]:
    """Return the photos that were named, or else one that suits the network.

    A network for the shipped classes gets a held-out sample of the shipped data; any other gets
    the sample photo that matplotlib carries.
    """
    if photos:
        return photos
    from cnnviz.models.samples import sample_for

    return [sample_for(model)]


def data_or_shapes(photos: list[str] | None, data: str | None, model: Model) -> Any:
    """Return the photos or the data that were named, or else the shipped data for its networks.

    Raises
    ------
    UsageError
        If both are named, or neither is and the network is not for the shipped classes.
    """
    if photos and data:
        raise UsageError("Both photos and --data are given.", "Give one of the two.")
    if photos or data:
        return list(photos) if photos else data
    from cnnviz.datasets.shapes import CLASSES

    if model.categories == CLASSES:
        return "shapes"
    raise UsageError("No images are named.", "Name a folder of them with --data.")
