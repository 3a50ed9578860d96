"""The base of every result: arrays and where they came from, drawn, kept and shown."""

from __future__ import annotations

import hashlib
import html
import io
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import OutputError, UsageError
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import PAGE
from cnnviz.results.drawing import any_letter, take_literally
from cnnviz.results.files import write_atomically, write_npz, write_together
from cnnviz.results.json_values import JsonValues, fields_and_derived, pretty
from cnnviz.results.laid_out_once import laid_out_once
from cnnviz.results.notebook import shown_figure
from cnnviz.results.picture_style import (
    FILE_DPI,
    PICTURE_SUFFIXES,
    PictureStyle,
    read_style,
)
from cnnviz.results.provenance import Provenance
from cnnviz.results.suffixes import SUFFIXES, check_suffix, page_paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESULT_SCHEMA = "cnnviz/result/1"
"""What every JSON of a result says of its form; `docs/json.md` and ``schema.json`` have it."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Result(ABC):
    """Typed data of one view, which draws itself, saves itself and shows itself in a notebook.

    Attributes
    ----------
    provenance : Provenance
        What it was computed from and by: network, weights, images, preprocessing and versions.
    """

    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    """What the name of a file may end in that `save` writes."""
    left_out: ClassVar[tuple[str, ...]] = ()
    """The fields that stay out of the JSON: photos, and what stands there in another form."""
    derived: ClassVar[tuple[str, ...]] = ()
    """The properties, and methods without arguments, that stand in the JSON besides the fields."""

    provenance: Provenance

    @abstractmethod
    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the whole picture into a figure, or into a new one, and return it.

        What a kind of result writes; callers use `figure`.

        Parameters
        ----------
        into : Figure or SubFigure, optional
            What to draw into, at the size it has; `cnnviz.results.drawing.canvas` takes it.
        """

    def draw_panel(self, axes: Axes) -> None:
        """Draw the one panel of the picture into an Axes.

        Raises
        ------
        UsageError
            If the picture has several panels.
        """
        raise UsageError(
            f"The picture of {type(self).__name__} has several panels, and ax= is one Axes.",
            "Give figure= a Figure or a SubFigure.",
        )

    def figure(self, *, figure: drawing.Canvas | None = None, ax: Axes | None = None) -> Figure:
        """Draw the result as a matplotlib figure, which pyplot does not know of.

        Parameters
        ----------
        figure : Figure or SubFigure, optional
            A figure of the caller's to draw into, at the size it has, as a part of a larger one;
            it should have the constrained layout.
        ax : Axes, optional
            An Axes of the caller's to draw into, for a picture of one panel. It gets no heading.

        Returns
        -------
        Figure
            The figure that holds the picture: a new one, or the caller's.

        Raises
        ------
        UsageError
            If `ax` is given and the picture has several panels, or both are given.
        """
        return drawing.placed(self.draw, self.draw_panel, figure, ax)

    @abstractmethod
    def caption(self) -> str:
        """Say what the picture shows and how to read it."""

    @abstractmethod
    def summary(self) -> str:
        """Say in one line what was found."""

    def remarks(self) -> tuple[str, ...]:
        """Return in sentences what whoever sees no more than the picture has to know."""
        return self.provenance.notes

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array of the result by its field's name."""
        found = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}

    def contents(self) -> dict[str, Any]:
        """Return what the JSON holds, with numbers and arrays as they are.

        The fields, but for those `left_out`, and what is `derived` from them.
        """
        return {
            "view": type(self).__name__,
            "summary": self.summary(),
            "caption": self.caption(),
            **fields_and_derived(self),
        }

    def to_json(self, npz: str | Path | None = None) -> dict[str, Any]:
        """Return the result as plain data, under the schema of `docs/json.md`.

        Every number is there as itself: arrays of up to 4096 values as nested lists, larger ones
        as references to a file of arrays. NaN and infinity are null; ``infinite`` tells the latter.

        Parameters
        ----------
        npz : str or Path, optional
            The ``.npz`` that `save` has written of this result; without it, references name no
            file.
        """
        values = JsonValues(self.arrays(), None if npz is None else Path(npz).name)
        found = self._document(values)
        return found if npz is None else with_file(found, values, Path(npz))

    def _document(self, values: JsonValues) -> dict[str, Any]:
        found: dict[str, Any] = values.plain(self.contents())
        told = {"infinite": values.infinite} if values.infinite else {}
        return {"schema": RESULT_SCHEMA, **told, **found}

    def sheets(self, tallest: float = PAGE) -> Sequence[Result]:
        """Return the result in parts whose pictures are no taller than so many inches.

        A result of many photos has a page for some of them each; any other is one page.
        """
        return (self,)

    def save(
        self,
        path: str | Path,
        *,
        size: tuple[float, float] | str | None = None,
        width: float | str | None = None,
        dpi: float | None = None,
        font: str | None = None,
        font_size: float | None = None,
        title: bool = True,
    ) -> Path:
        """Write the result to `path`, in the format that its suffix names, whole or not at all.

        Parameters
        ----------
        path : str or Path
            ``.png``, ``.svg`` or ``.pdf`` for the picture, ``.npz`` for the arrays, ``.json`` for
            the numbers; of a table also ``.csv`` or ``.tex``, of what moves also ``.gif`` or
            ``.webp``. All but a table's carry the provenance as well. Words stay words in ``.svg``
            and ``.pdf``. A picture of many photos has several pages: in one ``.pdf``, or as
            ``path-1.png``, ``path-2.png`` and so on. Where there are arrays of more than 4096
            values, a ``.json`` has them in an ``.npz`` of the same name beside it.
        size : (float, float) or str, optional
            Width and height of the picture in inches, also as "85x60mm"; or a shape: "16:9" is that
            of a slide, in which letters are as large as can be. By default as large as it needs.
        width : float or str, optional
            The width alone, in inches or as "85mm": the picture is as high as it then needs.
        dpi : float, optional
            Pixels of an inch; 160 by default, 110 of what moves, or fewer where a side had more
            than 8000 pixels; of a shape as many as make it 1920 pixels wide.
        font : str, optional
            The font's family, or "serif", "sans-serif" or "monospace".
        font_size : float, optional
            Points of running text, 9 by default; titles and small print grow and shrink with it.
        title : bool, optional
            Whether the picture has its title, which in a paper stands in the caption.

        Returns
        -------
        Path
            The file that was written, or the first of several.

        Raises
        ------
        OutputError
            If the suffix is none of these, the file cannot be written, or the ``.npz`` beside it
            would take the place of one that is not of a result.
        UsageError
            If the size, the resolution or the font cannot be, the texts of the picture could not
            be read at the size, or the file is no picture.
        """
        return self.save_sheets(path, read_style(size, width, dpi, font, font_size, title))[0]

    def save_sheets(self, path: str | Path, style: PictureStyle | None = None) -> tuple[Path, ...]:
        """Write the result as `save` does, and return every file that was written."""
        target, style = Path(path), style or PictureStyle()
        check_suffix(target, self.suffixes)
        style.check(target)
        suffix = target.suffix.lower()
        if suffix == ".json":
            return (self._save_json(target),)
        pages = self.sheets(style.tallest) if suffix in PICTURE_SUFFIXES else (self,)
        if len(pages) > 1 and suffix == ".pdf":
            return (write_atomically(target, partial(self._write_book, pages, style)),)
        paths = page_paths(target, len(pages))
        write_together(
            [(each, page._writer(suffix, style)) for each, page in zip(paths, pages, strict=True)]
        )
        return paths

    def _writer(self, suffix: str, style: PictureStyle) -> Callable[[Path], None]:
        """Return what writes a file of this kind."""
        if suffix == ".npz":
            return self._write_arrays
        return partial(self._write_figure, style=style)

    def _save_json(self, path: Path) -> Path:
        """Write the numbers, and where arrays are too large for them, these beside it."""
        beside = path.with_suffix(".npz")
        values = JsonValues(self.arrays(), beside.name)
        found = self._document(values)
        if not values.arrays:
            return write_atomically(path, partial(_write_json, found))
        _check_replaceable(beside)

        def write_arrays(temporary: Path) -> None:
            self._write_arrays(temporary)
            found.update(with_file(found, values, temporary))

        write_together([(beside, write_arrays), (path, partial(_write_json, found))])
        return path

    def _write_figure(self, path: Path, style: PictureStyle) -> None:
        metadata = self._metadata(path.suffix.lower())
        with style.applied():
            style.write(style.drawn(self._figure_in), path, metadata=metadata)

    def _figure_in(self, empty: Figure | None) -> Figure:
        return self.figure(figure=empty)

    def _write_book(self, pages: Sequence[Result], style: PictureStyle, path: Path) -> None:
        """Write every page into one PDF."""
        from matplotlib.backends.backend_pdf import PdfPages

        with style.applied(), PdfPages(path, metadata=self._metadata(".pdf")) as book:
            for page in pages:
                style.write(style.drawn(page._figure_in), book, format="pdf")

    def _metadata(self, suffix: str) -> dict[str, Any]:
        """Return what a picture of this kind says of its origin."""
        origin = json.dumps(self.provenance.to_json(), ensure_ascii=True)
        maker = f"cnnviz {self.provenance.cnnviz}"
        found: dict[str, dict[str, Any]] = {
            ".png": {"Software": maker, "Description": origin},
            ".pdf": {"Creator": maker, "Subject": origin, "CreationDate": None},
            ".svg": {"Creator": maker, "Description": origin, "Date": None},
        }
        return found[suffix]

    def _write_arrays(self, path: Path) -> None:
        """Write the arrays that there are, and those that the JSON refers to."""
        values = JsonValues(self.arrays())
        values.plain(self.contents())
        origin = np.array(json.dumps(self.provenance.to_json()))
        write_npz(path, {**self.arrays(), **values.arrays, "provenance": origin})

    def _repr_html_(self) -> str:
        # The only form: a notebook keeps each that there is, and shows one.
        caption = self.caption()
        # Some captions end with what is noted.
        further = [f"Note: {note}" for note in self.provenance.notes if note not in caption]
        caption = "<br>".join(map(html.escape, [caption, *further]))
        images = [shown_figure(page.figure(), page.summary()) for page in self.sheets()]
        return f"<figure>{''.join(images)}<figcaption>{caption}</figcaption></figure>"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"


def with_file(found: dict[str, Any], values: JsonValues, npz: Path) -> dict[str, Any]:
    """Return a document with the file that holds its large arrays, if it has any."""
    if not values.arrays:
        return found
    digest = hashlib.sha256(npz.read_bytes()).hexdigest()
    return {**found, "npz": {"file": values.file, "sha256": digest}}


def _write_json(found: dict[str, Any], path: Path) -> None:
    path.write_text(pretty(found), "utf-8", newline="\n")


def _check_replaceable(npz: Path) -> None:
    """Raise an `OutputError` where a file of arrays is there that no result has written."""
    if not npz.exists():
        return
    try:
        with zipfile.ZipFile(npz) as archive:
            ours = "provenance.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        ours = False
    if not ours:
        raise OutputError(
            f"The large arrays belong into {str(npz)!r}, where something else is.",
            "Give the .json another name, or move that file.",
        )


def png(figure: Figure, dpi: float = FILE_DPI) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    from cnnviz.results.png_canvas import write_png

    stream = io.BytesIO()
    take_literally(figure)
    with any_letter(), laid_out_once(figure):
        write_png(figure, stream, dpi=dpi)
    return stream.getvalue()
