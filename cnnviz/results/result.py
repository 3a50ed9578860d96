"""The base of every result: arrays and where they came from, drawn, kept and shown."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.errors import OutputError, UsageError
from cnnviz.results import drawing
from cnnviz.results.contact_sheet import PAGE
from cnnviz.results.drawing import any_letter, take_literally
from cnnviz.results.picture_style import FILE_DPI, PICTURE_SUFFIXES, PictureStyle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCREEN_DPI = 110
# What `Result.save` can write, and what a result that is a table can be written as besides.
SUFFIXES = (*PICTURE_SUFFIXES, ".npz", ".json")
TABLE_SUFFIXES = (".csv", ".tex")


@cache
def installed_version(package: str) -> str:
    """Return the version of an installed package, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


@dataclass(frozen=True)
class ImageSource:
    """The name of an image and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a result came from: enough to make it again.

    Attributes
    ----------
    model, weights, weights_sha256 : str
        The network's name, what its weights are, and the SHA-256 of its state.
    images : tuple of ImageSource
        The images, in order; empty for a view of the network alone.
    preprocessing : str
        What was done to each image, in one sentence; empty without images.
    targets : tuple of str
        What was explained, one for each image; empty where nothing was.
    seed : int or None
        The seed of whatever was drawn at random; None where nothing was.
    notes : tuple of str
        What else a reader must know, such as an image that was refused.
    output : str
        What the network's output means, and whether that is a guess; empty where it was not read.
    cnnviz, torch : str
        The versions at work.
    """

    model: str
    weights: str
    weights_sha256: str
    images: tuple[ImageSource, ...] = ()
    preprocessing: str = ""
    targets: tuple[str, ...] = ()
    seed: int | None = None
    notes: tuple[str, ...] = ()
    output: str = ""
    cnnviz: str = field(default_factory=lambda: installed_version("cnnviz"))
    torch: str = field(default_factory=lambda: installed_version("torch"))

    def to_json(self) -> dict[str, Any]:
        """Return the provenance as plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Result(ABC):
    """Typed data of one view, which draws itself, saves itself and shows itself in a notebook."""

    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    """What the name of a file may end in that `save` writes."""

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

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array of the result by its field's name."""
        found = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain data; an array stands as its shape and range."""
        found: dict[str, Any] = {"view": type(self).__name__, "summary": self.summary()}
        for entry in fields(self):
            found[entry.name] = plain(getattr(self, entry.name))
        return found

    def sheets(self, tallest: float = PAGE) -> Sequence[Result]:
        """Return the result in parts whose pictures are no taller than so many inches.

        A result of many photos has a page for some of them each; any other is one page.
        """
        return (self,)

    def save(
        self,
        path: str | Path,
        *,
        size: tuple[float, float] | None = None,
        dpi: float | None = None,
        font: str | None = None,
    ) -> Path:
        """Write the result to `path`, in the format that its suffix names, whole or not at all.

        Parameters
        ----------
        path : str or Path
            ``.png``, ``.svg`` or ``.pdf`` for the picture, ``.npz`` for the arrays, ``.json`` for
            the numbers; of a table also ``.csv`` or ``.tex``. The first five carry the provenance
            as well. Words stay words in ``.svg`` and ``.pdf``. A picture of many photos has several
            pages: in one ``.pdf``, or as ``path-1.png``, ``path-2.png`` and so on.
        size : (float, float), optional
            Width and height of the picture in inches; by default as large as it needs.
        dpi : float, optional
            Pixels of an inch; 160 by default, or fewer where a side had more than 8000 pixels.
        font : str, optional
            The font's family, or "serif", "sans-serif" or "monospace".

        Returns
        -------
        Path
            The file that was written, or the first of several.

        Raises
        ------
        OutputError
            If the suffix is none of these or the file cannot be written.
        UsageError
            If the size, the resolution or the font cannot be, or the file is no picture.
        """
        return self.save_sheets(path, PictureStyle(size, dpi, font))[0]

    def save_sheets(self, path: str | Path, style: PictureStyle | None = None) -> tuple[Path, ...]:
        """Write the result as `save` does, and return every file that was written."""
        target, style = Path(path), style or PictureStyle()
        check_suffix(target, self.suffixes)
        style.check(target)
        suffix = target.suffix.lower()
        pages = self.sheets(style.tallest) if suffix in PICTURE_SUFFIXES else (self,)
        if len(pages) > 1 and suffix == ".pdf":
            return (write_atomically(target, partial(self._write_book, pages, style)),)
        paths = page_paths(target, len(pages))
        _write_together(paths, [page._writer(suffix, style) for page in pages])
        return paths

    def _writer(self, suffix: str, style: PictureStyle) -> Callable[[Path], None]:
        """Return what writes a file of this kind."""
        writers = {".npz": self._write_arrays, ".json": self._write_json}
        return writers.get(suffix, partial(self._write_figure, style=style))

    def _write_figure(self, path: Path, style: PictureStyle) -> None:
        metadata = self._metadata(path.suffix.lower())
        with style.applied():
            style.write(self.figure(figure=style.figure()), path, metadata=metadata)

    def _write_book(self, pages: Sequence[Result], style: PictureStyle, path: Path) -> None:
        """Write every page into one PDF."""
        from matplotlib.backends.backend_pdf import PdfPages

        with style.applied(), PdfPages(path, metadata=self._metadata(".pdf")) as book:
            for page in pages:
                style.write(page.figure(figure=style.figure()), book, format="pdf")

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
        origin = np.array(json.dumps(self.provenance.to_json()))
        # A mapping, not keywords: a field may be called "file".
        with path.open("wb") as stream:
            np.savez_compressed(
                stream, allow_pickle=False, **{**self.arrays(), "provenance": origin}
            )

    def _write_json(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n", "utf-8")

    def _repr_png_(self) -> bytes:
        return png(self.sheets()[0].figure(), SCREEN_DPI)

    def _repr_html_(self) -> str:
        caption = html.escape(self.caption())
        images = [
            f'<img alt="{html.escape(page.summary(), quote=True)}" style="max-width:100%" '
            f'src="data:image/png;base64,{_base64(png(page.figure(), SCREEN_DPI))}">'
            for page in self.sheets()
        ]
        return f"<figure>{''.join(images)}<figcaption>{caption}</figcaption></figure>"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.summary()}>"


def png(figure: Figure, dpi: float = FILE_DPI) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    stream = io.BytesIO()
    take_literally(figure)
    with any_letter():
        figure.savefig(stream, format="png", dpi=dpi, pil_kwargs={"compress_level": 4})
    return stream.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def page_paths(path: Path, count: int) -> tuple[Path, ...]:
    """Return the files of so many pages: the path itself, or ``name-1.png``, ``name-2.png``."""
    if count == 1:
        return (path,)
    return tuple(path.with_stem(f"{path.stem}-{place + 1}") for place in range(count))


def _write_together(paths: Sequence[Path], writers: Sequence[Callable[[Path], None]]) -> None:
    """Write several files, all of them or none: each is moved into place when all are there."""
    if not paths:
        return

    def write(temporary: Path) -> None:
        writers[0](temporary)
        _write_together(paths[1:], writers[1:])

    write_atomically(paths[0], write)


def plain(value: Any) -> Any:
    """Return `value` as data that JSON can hold; a number that is not finite becomes its name."""
    if isinstance(value, np.ndarray):
        return _describe_array(value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if hasattr(value, "to_json"):
        return value.to_json()
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, Path):
        return value.name
    return value


def _describe_array(array: NDArray[Any]) -> Any:
    if array.ndim <= 1 and array.size <= 4096:
        return plain(array.tolist())
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "min": plain(low),
        "max": plain(high),
    }


def check_suffix(path: Path, known: Sequence[str] = SUFFIXES) -> None:
    """Raise an `OutputError` unless a name ends in one of the suffixes that a result has."""
    suffix = path.suffix.lower()
    if suffix not in known:
        which = "A result that is no table" if suffix in TABLE_SUFFIXES else "A result"
        raise OutputError(
            f"{which} cannot be saved as {path.name!r}.",
            f"End the name in one of {', '.join(known)}.",
        )


def check_place(path: Path) -> None:
    """Raise an `OutputError` where no file can be written to `path`, as far as can be told."""
    try:
        if not path.parent.is_dir():
            raise OutputError(
                f"There is no folder {str(path.parent)!r} to write {path.name!r} to.",
                "Make the folder first, or name another.",
            )
        if path.is_dir():
            raise OutputError(f"{str(path)!r} is a folder.", "Name a file.")
    except OSError as error:  # a name too long, or a folder that may not be looked into
        raise _unwritable(path, error) from error


def write_atomically(path: Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a temporary file beside `path`, then move it into place.

    Raises
    ------
    OutputError
        If the folder is missing or cannot be written to. Nothing is left behind.
    """
    check_place(path)
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(
            prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=path.parent
        )
        os.close(descriptor)
        temporary = Path(name)
        # mkstemp makes the file private; a result is as readable as any file the user makes.
        temporary.chmod(0o666 & ~_umask())
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{str(path)!r} cannot be written: {error.strerror or error}.",
        "Check the free space and the permissions, or name another place.",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
