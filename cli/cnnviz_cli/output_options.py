"""The options that say what is printed, and how the picture of a result is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnviz.bounds import DPI
from cnnviz.errors import UsageError
from cnnviz_cli.lazy import shared

if TYPE_CHECKING:
    from cnnviz.results.picture_style import PictureStyle

OUTPUT = "Output"
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
        metavar="WxH|W:H",
        help="Width and height of the picture in inches, as matplotlib has them, such as 7x4.5, or "
        "a shape: 16:9 is a slide with letters as large as can be; as it needs without it.",
        rich_help_panel=OUTPUT,
    ),
]
Dpi = Annotated[
    float | None,
    DPI,
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
PICTURE = (
    shared("figure_size", FigureSize, None),
    shared("dpi", Dpi, None),
    shared("font", Font, None),
)
"""The options of every command that writes a picture of a result."""


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
