"""Pictures as files: each is drawn once, and every form of the report uses the same pixels."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from cnnviz.reports.content import Picture
from cnnviz.reports.own_files import ARRAYS, PICTURES, SOFTWARE
from cnnviz.results.drawing import any_letter, take_literally
from cnnviz.results.files import write_npz
from cnnviz.results.json_values import JsonValues
from cnnviz.results.measured_once import measured_once

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 160
# Level 6 takes three times as long for a tenth less.
COMPRESS_LEVEL = 1
WEBP_QUALITY = 86


Panel = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class DrawnPicture:
    """A picture and the file that holds it.

    Attributes
    ----------
    picture : Picture
        What is said about it.
    path : str
        Its file, relative to the report's folder, with forward slashes.
    width, height : int
        Its size in pixels.
    numbers : dict
        What it shows, as plain data; large arrays by reference to a file of the report.
    panel : tuple of float, or None
        Where the first panel of a figure lies: left, top, right and bottom as shares of the
        picture, and the ends of its horizontal axis. None where no reader is told its values.
    """

    picture: Picture
    path: str
    width: int
    height: int
    numbers: dict[str, Any] = field(default_factory=dict, repr=False)
    panel: Panel | None = None

    @property
    def panorama(self) -> bool:
        """Whether it is so wide that two of them look better one above the other."""
        return self.width > 1.7 * self.height


class PictureWriter:
    """Compresses and writes the pictures and arrays of a report, in the background.

    One picture is written while the next is drawn, which puts a second core to use. Leaving the
    context waits for the last, and raises what any of them ran into.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cnnviz-pictures")
        self._pending: list[Future[None]] = []

    def __enter__(self) -> PictureWriter:
        (self._directory / PICTURES).mkdir(exist_ok=True)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for written in self._pending:
                written.result()

    def write(self, image: Image.Image, path: str, picture: Picture) -> None:
        """Take an image to be written; its file is there once the context is left."""
        self._pending.append(self._pool.submit(self._save, image, path, picture))

    def write_arrays(self, arrays: Mapping[str, NDArray[Any]], path: str) -> None:
        """Take arrays to be written; their file is there once the context is left."""
        self._pending.append(self._pool.submit(self._save_arrays, dict(arrays), path))

    def _save_arrays(self, arrays: Mapping[str, NDArray[Any]], path: str) -> None:
        (self._directory / ARRAYS).mkdir(exist_ok=True)
        write_npz(self._directory / path, arrays)

    def _save(self, image: Image.Image, path: str, picture: Picture) -> None:
        image.save(self._directory / path, compress_level=COMPRESS_LEVEL, pnginfo=_origin(picture))


def draw(picture: Picture, writer: PictureWriter) -> DrawnPicture:
    """Draw a picture, and hand it and its large arrays to the writer."""
    with any_letter():
        drawing = picture.draw()
        image = Image.fromarray(_pixels(drawing))
        panel = None if picture.readout is None else _panel(drawing)
    path = f"{PICTURES}/{picture.name}.png"
    writer.write(image, path, picture)
    numbers = _numbers(picture, writer)
    return DrawnPicture(picture, path, image.width, image.height, numbers, panel)


def _panel(drawing: Figure | NDArray[np.uint8]) -> Panel | None:
    """Return where the first panel of a drawn figure lies, and the ends of its axis."""
    if isinstance(drawing, np.ndarray):
        return None
    axes = drawing.axes[0]
    box, (width, height) = axes.get_window_extent(), drawing.bbox.size
    low, high = axes.get_xlim()
    left, right = box.x0 / width, box.x1 / width
    return left, 1.0 - box.y1 / height, right, 1.0 - box.y0 / height, low, high


def _numbers(picture: Picture, writer: PictureWriter) -> dict[str, Any]:
    """Return what a picture shows as plain data; its origin and caption stand beside it."""
    path = f"{ARRAYS}/{picture.name}.npz"
    values = JsonValues(picture.arrays, path)
    beside = ("provenance", "caption")
    found = values.plain({key: one for key, one in picture.data.items() if key not in beside})
    if values.arrays:
        writer.write_arrays(values.arrays, path)
    return {"infinite": values.infinite, **found} if values.infinite else found


def _pixels(drawing: Figure | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if isinstance(drawing, np.ndarray):
        return drawing
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawing.set_dpi(DPI)
    take_literally(drawing)
    canvas = FigureCanvasAgg(drawing)
    with measured_once(drawing):
        canvas.draw()  # type: ignore[no-untyped-call]
    rgba: NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    # Figures stand on an opaque ground, so the alpha channel would only cost space.
    return np.ascontiguousarray(rgba[..., :3])


def _origin(picture: Picture) -> PngImagePlugin.PngInfo:
    origin = PngImagePlugin.PngInfo()
    origin.add_text("Title", _latin(picture.title))
    origin.add_text(SOFTWARE, f"cnnviz {picture.provenance.cnnviz}")
    origin.add_text("Description", json.dumps(picture.provenance.to_json(), ensure_ascii=True))
    return origin


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")


def data_uri(path: Path) -> str:
    """Return a picture's file as a WebP image inside an address."""
    stream = io.BytesIO()
    # A higher effort takes twice as long, for 5% fewer bytes.
    options: dict[str, Any] = {"quality": WEBP_QUALITY, "method": 2}
    with Image.open(path) as image:
        image.save(stream, format="WEBP", **options)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
