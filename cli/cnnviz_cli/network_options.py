"""The options that say which network, how it is loaded and what of it is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnviz.errors import UsageError
from cnnviz.models.sources import forms
from cnnviz_cli.lazy import shared

if TYPE_CHECKING:
    from cnnviz.models import Model

NETWORK = "Network"
NETWORKS = f"A name that `cnnviz models` lists, or {forms()}."
DEFAULT_MODEL = "shapes"
DEFAULT_DEVICE = "auto"
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
        "or boxes; guessed without it, and the guess is reported.",
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
        "none. What is known of the network, or a guess, which is reported, without it.",
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
Rate = Annotated[
    float | None,
    typer.Option(
        metavar="HZ",
        help="Of signals the samples a second, for seconds, hertz and a spectrogram; 1 counts in "
        "samples. That of a .wav file without it.",
        rich_help_panel=NETWORK,
        show_default=False,
    ),
]
Spectrogram = Annotated[
    bool | None,
    typer.Option(
        "--spectrogram",
        help="The network takes spectrograms \\[channels, frequency, time], in .npy, .npz or .pt "
        "files: nothing is resized, cropped or scaled, but by --mean and --std.",
        rich_help_panel=NETWORK,
        show_default=False,
    ),
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
PREPARATION = (
    shared("resize", Resize, None),
    shared("crop", Crop, None),
    shared("mean", Mean, None),
    shared("std", Std, None),
    shared("colour", Colour, None),
    shared("rate", Rate, None),
    shared("spectrogram", Spectrogram, None),
)
"""The options that say how photos are prepared for the network."""
WEIGHTS = (
    shared("weights", Weights, "DEFAULT"),
    shared("categories", Categories, None),
    shared("device", Device, DEFAULT_DEVICE),
    shared("output", Output, None),
    shared("member", Member, None),
    *PREPARATION,
)
"""The options that say how a network is loaded, and how what goes in and comes out is read."""
NETWORK_AND_WEIGHTS = (shared("model", ModelName, DEFAULT_MODEL), *WEIGHTS)
"""The options that `model_of` loads a network by."""
NETWORK_LOOKED_INTO = (shared("model", LookedInto, None), *WEIGHTS)
"""The options of such a view that may look into a network."""


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
    try:
        left, top, right, bottom = (float(part) for part in box.split(","))
    except ValueError:
        raise UsageError(
            f"--box cannot be {box!r}.", "Give four numbers with commas: left,top,right,bottom."
        ) from None
    from cnnviz.passes.target_types import Box as Wanted

    return Wanted(target, (left, top, right, bottom))
