"""The options that say what is printed, and how the picture of a result is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnviz.bounds import DPI, FONT_SIZE
from cnnviz.errors import UsageError
from cnnviz_cli.lazy import shared

if TYPE_CHECKING:
    from cnnviz.results.picture_style import PictureStyle
    from cnnviz.results.result import Result

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
        help="Width and height of the picture in inches, such as 7x4.5, or with a unit, 180x90mm; "
        "or a shape: 16:9 is a slide with letters as large as can be; as it needs without it.",
        rich_help_panel=OUTPUT,
    ),
]
FigureWidth = Annotated[
    str | None,
    typer.Option(
        "--figure-width",
        metavar="WIDTH",
        help="The width alone, such as 85mm, a column of a paper, or 3.3in: the picture is as high "
        "as it then needs.",
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
FontSize = Annotated[
    float | None,
    FONT_SIZE,
    typer.Option(
        "--font-size",
        metavar="POINTS",
        help="Points of running text in the picture, 9 without it; titles and small print keep "
        "their proportion to it.",
        rich_help_panel=OUTPUT,
    ),
]
NoTitle = Annotated[
    bool,
    typer.Option(
        "--no-title",
        help="Leave the title of the picture out, as for a paper, whose caption says it.",
        rich_help_panel=OUTPUT,
    ),
]
PICTURE = (
    shared("figure_size", FigureSize, None),
    shared("figure_width", FigureWidth, None),
    shared("dpi", Dpi, None),
    shared("font", Font, None),
    shared("font_size", FontSize, None),
    shared("no_title", NoTitle, False),
)
"""The options of every command that writes a picture of a result."""


def picture_style(values: dict[str, Any]) -> PictureStyle:
    """Return how the picture is to be written, as the options of `PICTURE` say.

    Raises
    ------
    UsageError
        If there is no such size, resolution or font, or no picture is written.
    """
    from cnnviz.results.picture_style import PictureStyle

    style = style_of(values)
    if style != PictureStyle() and values["json"] and values["out"] is None:
        raise UsageError(
            "Size, dpi, letters and title are those of a picture, and --json writes none.",
            "Name one with --out.",
        )
    return style


def style_of(values: dict[str, Any]) -> PictureStyle:
    """Return the style that the options of `PICTURE` ask for, whatever it is for."""
    from cnnviz.results.picture_style import read_style

    return read_style(
        values["figure_size"],
        values["figure_width"],
        values["dpi"],
        values["font"],
        values["font_size"],
        not values["no_title"],
    )


def write_styled(result: Result, path: Path, style: PictureStyle) -> Sequence[Path]:
    """Write a result in a style, and return its files.

    Whether all texts of a picture have room is known once it is drawn. Where they have not, the
    picture is written as large as it needs, so that the work is not lost, and that is told.

    Raises
    ------
    UsageError
        If the picture cannot be drawn in that style.
    """
    try:
        return result.save_sheets(path, style)
    except UsageError as error:
        first, *_ = result.save_sheets(path, style.as_large_as_needed())
        kept = f"The work is not lost: {str(first)!r} has the picture as large as it needs."
        raise UsageError(error.what, f"{error.remedy} {kept}") from error
