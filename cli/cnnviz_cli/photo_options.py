"""The options that say which images, and what stands for them where none are named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnviz.bounds import WORKERS, Count, Shard, bounds_of
from cnnviz.errors import UsageError
from cnnviz_cli.chosen_arrays import choose_arrays
from cnnviz_cli.chosen_data import named_data
from cnnviz_cli.chosen_photos import FoundPhotos
from cnnviz_cli.lazy import shared

if TYPE_CHECKING:
    from cnnviz.models import Model

LONG = "Long runs"
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
PhotoOrSample = Annotated[
    Path | None,
    typer.Argument(metavar="PHOTO", help="The photo; a sample without it.", show_default=False),
]
OnePhoto = Annotated[
    str | None,
    typer.Argument(
        metavar="PHOTO",
        help="An image file, taken as it is, or rows of numbers for `convolve`. Without one, the "
        "sample photo.",
        show_default=False,
    ),
]
Members = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PHOTO",
        help="Image files, or one folder of them, in place of --data.",
        show_default=False,
    ),
]
MANY = (
    "a folder, which is searched with all folders in it; a pattern such as 'val/*/*.jpg'; a CSV "
    "file with the columns path and label; tar shards, such as a-{000..012}.tar; or 'shapes', the "
    "shipped data"
)
"""What --data may be, in every command of images."""


def data_of(what: str, more: str) -> Any:
    """Return the option that says which images; `more` ends what is said of the shipped data."""
    return typer.Option(
        "--data", "-d", metavar="DATA", help=f"{what}: {MANY}{more}", show_default=False
    )


Data = Annotated[str | None, data_of("Many images", ", which a network for it takes without any.")]
OfData = Annotated[
    str | None,
    data_of(
        "In place of photos",
        ". Where folders or labels name classes of the network, right and wrong answers are "
        "marked.",
    ),
]


def _told(annotation: Any) -> str:
    """Return the bounds of a number as its help tells them."""
    said = bounds_of(annotation)
    return f" A whole number {said[0]}." if said is not None else ""


def count_of(many: str) -> Any:
    """Return the option that says how many images are taken; without it so many."""
    return Annotated[
        Count | None,
        typer.Option(
            "--count",
            "-n",
            help=f"At most how many of the images, evenly spread; {many} without it.{_told(Count)}",
            show_default=False,
        ),
    ]


Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="Threads that read images; one for each processor, up to 8, without it. A whole "
        f"number {WORKERS}.",
        show_default=False,
    ),
    WORKERS,
]
Sharding = Annotated[
    Shard | None,
    typer.Option(
        "--shard",
        help="Images in a shard: processes share the images, and what is found is kept, shard by "
        f"shard; a 64th of the images, and at most 512, without it.{_told(Shard)}",
        show_default=False,
        rich_help_panel=LONG,
    ),
]


def state_of(otherwise: str = "", *also: str) -> Any:
    """Return the option that says where what was found is kept; without it it is there, or lost."""
    return Annotated[
        Path | None,
        typer.Option(
            "--state",
            *also,
            metavar="FOLDER",
            help="A folder for what was found so far, apart for each choice of network, data and "
            "settings: a run that was stopped goes on where it was. Processes that torchrun "
            f"starts share the work, and have to see the same one.{otherwise}",
            show_default=False,
            rich_help_panel=LONG,
        ),
    ]


LONG_RUN = {
    "count": shared("count", count_of("all of them"), None),
    "workers": shared("workers", Workers, None),
    "shard": shared("shard", Sharding, None),
    "state": shared("state", state_of(), None),
}
"""The options of a run over many images, which processes may share."""
PHOTOS = (
    shared("photos", Photos, None),
    shared("data", OfData, None),
    shared("count", count_of("32 of a folder"), None),
    shared("workers", Workers, None),
)
"""The options that say which photos, and how they are read."""
PHOTO = shared("photo", OnePhoto, None)
"""The option of a view of one photo, for which no network is run."""


def inputs_of(named: FoundPhotos, model: Model) -> list[Any]:
    """Return what was named as the network takes it, or else a sample; of arrays there is none."""
    from cnnviz.images import ArrayPreprocessing

    if not isinstance(model.preprocessing, ArrayPreprocessing):
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
    named = named_data(photos, data)
    if named is not None:
        return named
    from cnnviz.datasets.shapes import CLASSES

    if model.categories == CLASSES:
        return "shapes"
    raise UsageError("No images are named.", "Name a folder of them with --data.")
