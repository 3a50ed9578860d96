"""Boxes that somebody has drawn around objects, from CSV, COCO JSON or VOC XML, by image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

from msgspec import Struct

from cnnviz.bounds import read_whole
from cnnviz.datasets.listed_files import LISTS, PATHS, csv_rows
from cnnviz.errors import UsageError
from cnnviz.images import PhotoBox, PhotoError
from cnnviz.images.paths import expand
from cnnviz.results.given_files import SETTINGS, given_bytes, no_file
from cnnviz.results.structured import decoded
from cnnviz.results.text import dimensions

_CORNERS = (
    ("left", "top", "right", "bottom"),
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
)
_SIDES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("left", "top", "width", "height"))
_LABELS = ("label", "class", "category", "name")
_FORMS = (
    "Give a CSV file with the columns path, left, top, right and bottom (or x, y, width and "
    "height), a COCO JSON file, or a folder of VOC XML files."
)


_BEYOND = 0.1
"""By which part of a photo's side a box may reach beyond it."""
Sizes = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class AnnotatedBox:
    """A box that somebody has drawn around an object.

    Attributes
    ----------
    box : PhotoBox
        The box, in pixels of the photo from its left upper corner.
    label : str
        What the object is; empty where nobody says.
    """

    box: PhotoBox
    label: str = ""


class AnnotatedBoxes:
    """The boxes of many images, found by the name of an image.

    Parameters
    ----------
    boxes : mapping of str to sequence of AnnotatedBox
        The boxes by the path of their image.
    name : str
        What they come from.
    sizes : mapping of str to tuple of int
        Height and width that an image had when they were drawn, by its path, where these are known.
    """

    def __init__(
        self,
        boxes: Mapping[str, Iterable[AnnotatedBox]],
        name: str,
        sizes: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        self.name = name
        self._by_path = {_slashed(path): tuple(found) for path, found in boxes.items()}
        self._sizes = {_slashed(path): size for path, size in (sizes or {}).items()}
        self._by_file: dict[str, list[str]] = {}
        for path in self._by_path:
            self._by_file.setdefault(PurePosixPath(path).name, []).append(path)

    def __len__(self) -> int:
        return len(self._by_path)

    def of(self, image: str, size: tuple[int, int] | None = None) -> tuple[AnnotatedBox, ...]:
        """Return the boxes of an image by its path, or by its file's name; none where none are.

        Parameters
        ----------
        image : str
            Its path.
        size : tuple of int, optional
            Its height and width, as it is read: turned upright by its EXIF orientation.

        Raises
        ------
        UsageError
            If several images have this file's name, and none of them this path.
        ImageError
            If the boxes were drawn on an image of another size, or one cannot be of this one.
        """
        path = self._path_of(image)
        if path is None:
            return ()
        drawn_on = self._sizes.get(path)
        found = self._by_path[path]
        if size is not None:
            if drawn_on not in (None, size):
                self._refuse(image, size, drawn_on or size)
            check_on_photo([one.box for one in found], image, size)
        return found

    def _path_of(self, image: str) -> str | None:
        path = _slashed(image)
        if path in self._by_path:
            return path
        same = self._by_file.get(PurePosixPath(path).name, [])
        ending = [one for one in same if path.endswith(f"/{one}") or one.endswith(f"/{path}")]
        found = ending if len(ending) == 1 else same
        if len(found) > 1:
            raise UsageError(
                f"{self.name} has several images that {image!r} may be: {found[0]}, {found[1]}.",
                "Write their paths as the images have them.",
            )
        return found[0] if found else None

    def _refuse(self, image: str, size: tuple[int, int], drawn_on: tuple[int, int]) -> NoReturn:
        if drawn_on == size[::-1]:
            why = "as before it is turned upright by its EXIF orientation"
            remedy = "Store the photo turned, or give boxes that were drawn on it as it is shown."
        else:
            why = "and so of another size of it"
            remedy = "Give the photo that they were drawn on, or boxes of this one."
        raise PhotoError(
            image,
            f"it is {dimensions(size)} px (height x width), and {self.name} has boxes of one of "
            f"{dimensions(drawn_on)} px, {why}",
            remedy,
        )


def read_boxes(source: str | Path) -> AnnotatedBoxes:
    """Read annotated boxes.

    Parameters
    ----------
    source : str or Path
        A CSV file with the columns path, left, top, right and bottom (or x1, y1, x2, y2; xmin, ...;
        or x, y, width, height), a line for each box, and a column label if it is known; a JSON file
        of COCO, whose crowds are left out; a VOC XML file, or a folder of them, whose pixels count
        from 1 and whose last one is inside. Boxes lie in the photo as it is shown, turned upright
        by its EXIF orientation; where COCO or VOC tell the size of another, they are refused.

    Raises
    ------
    UsageError
        If it is none of these, or a box in it has no size.
    """
    path = expand(str(source))
    suffix = path.suffix.lower()
    sizes: Sizes = {}
    if path.is_dir() or suffix == ".xml":
        found = _of_voc(path, sizes)
    elif not path.is_file():
        raise UsageError(*no_file(path, lambda _: _FORMS))
    elif suffix in LISTS:
        found = _of_csv(path)
    elif suffix == ".json":
        found = _of_coco(path, sizes)
    else:
        raise UsageError(f"{path.name} is no list of boxes.", _FORMS)
    held: dict[str, list[AnnotatedBox]] = {}
    for image, box in found:
        held.setdefault(image, []).append(box)
    if not held:
        raise UsageError(f"There is no box in {path.name}.", _FORMS)
    return AnnotatedBoxes(held, path.name, sizes)


def box_between(corners: Iterable[Any], where: str) -> PhotoBox:
    """Return the box of left, top, right and bottom, which may be texts.

    Raises
    ------
    UsageError
        If they are not four numbers, or leave the box no size.
    """
    try:
        left, top, right, bottom = (float(value) for value in corners)
    except (TypeError, ValueError):
        raise UsageError(f"A box of {where} is not four numbers.", _FORMS) from None
    if not all(map(math.isfinite, (left, top, right, bottom))) or right <= left or bottom <= top:
        raise UsageError(
            f"A box of {where} has no size: {left:g}, {top:g}, {right:g}, {bottom:g}.",
            "Its right is to lie right of its left, and its bottom below its top.",
        )
    return PhotoBox(left, top, right, bottom)


def check_on_photo(boxes: Iterable[PhotoBox], image: str, size: tuple[int, int]) -> None:
    """Refuse a box that lies outside its photo: it was drawn on another one, or another size.

    Many annotations reach beyond the photo by a little.

    Raises
    ------
    ImageError
        If a box lies outside, or reaches beyond an edge by more than a tenth of the photo.
    """
    height, width = size
    across, down = _BEYOND * width, _BEYOND * height
    for box in boxes:
        outside = box.left >= width or box.top >= height or box.right <= 0 or box.bottom <= 0
        beyond = min(box.left + across, box.top + down) < 0
        beyond = beyond or box.right > width + across or box.bottom > height + down
        if outside or beyond:
            said = ", ".join(f"{side:g}" for side in (box.left, box.top, box.right, box.bottom))
            raise PhotoError(
                image,
                f"it is {dimensions(size)} px (height x width), and the box {said} "
                + ("lies outside" if outside else "reaches far beyond"),
                "Give left, top, right and bottom in pixels of the photo as it is shown, upright "
                "by its EXIF orientation.",
            )


def _of_csv(path: Path) -> Iterator[tuple[str, AnnotatedBox]]:
    rows = csv_rows(path)
    headings = [cell.strip().casefold() for cell in rows[0]] if rows else []
    named = next((name for name in PATHS if name in headings), None)
    corners = next((four for four in _CORNERS if set(four) <= set(headings)), None)
    sides = next((four for four in _SIDES if set(four) <= set(headings)), None)
    columns = corners or sides
    if named is None or columns is None:
        raise UsageError(f"{path.name} has no columns of paths and boxes.", _FORMS)
    labelled = next((name for name in _LABELS if name in headings), None)
    for row in rows[1:]:
        cells = dict(zip(headings, row, strict=False))
        image = cells.get(named, "").strip()
        if not image:
            raise UsageError(f"A line of {path.name} names no image: {','.join(row)}.", _FORMS)
        values = [cells.get(name, "") for name in columns]
        where = f"{image} in {path.name}"
        box = box_between(values, where) if corners else _of_sides(values, where)
        yield image, AnnotatedBox(box, cells.get(labelled or "", "").strip())


def _of_sides(values: Iterable[Any], where: str) -> PhotoBox:
    try:
        left, top, width, height = (float(value) for value in values)
    except (TypeError, ValueError):
        raise UsageError(f"A box of {where} is not four numbers.", _FORMS) from None
    return box_between((left, top, left + width, top + height), where)


class _Image(Struct):
    id: int | str
    file_name: str
    height: Any = None
    width: Any = None


class _Category(Struct):
    id: int | str
    name: str | int


class _Annotation(Struct):
    image_id: int | str
    bbox: tuple[float, float, float, float]
    category_id: int | str | None = None
    iscrowd: int | bool = 0


class _Coco(Struct):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category] = []


def _of_coco(path: Path, sizes: Sizes) -> Iterator[tuple[str, AnnotatedBox]]:
    try:
        data = decoded(given_bytes(path), _Coco)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path.name} is no COCO JSON: {reason}.", _FORMS) from error
    images = {one.id: one.file_name for one in data.images}
    for each in data.images:
        _add_size(sizes, each.file_name, each.height, each.width)
    names: dict[int | str | None, str] = {one.id: str(one.name) for one in data.categories}
    for one in data.annotations:
        if one.iscrowd:
            continue
        image = images.get(one.image_id)
        if image is None:
            raise UsageError(
                f"{path.name} has a box of image {one.image_id}, and no such image.", _FORMS
            )
        box = _of_sides(one.bbox, f"{image} in {path.name}")
        yield image, AnnotatedBox(box, names.get(one.category_id, ""))


def _of_voc(path: Path, sizes: Sizes) -> Iterator[tuple[str, AnnotatedBox]]:
    files = [path] if path.is_file() else sorted(path.rglob("*.xml")) if path.is_dir() else []
    if not files:
        raise UsageError(f"There is no XML file in {str(path)!r}.", _FORMS)
    for file in files:
        root = _xml(file)
        image = (root.findtext("filename") or "").strip() or file.stem
        _add_size(sizes, image, root.findtext("size/height"), root.findtext("size/width"))
        for one in root.iter("object"):
            corners = [one.findtext(f"bndbox/{side}") for side in _CORNERS[2]]
            left, top, right, bottom = (_number(text, file) for text in corners)
            # The first pixel is 1, and the last one belongs to the box.
            box = box_between((left - 1.0, top - 1.0, right, bottom), f"{image} in {file.name}")
            yield image, AnnotatedBox(box, (one.findtext("name") or "").strip())


def _add_size(sizes: Sizes, image: str, *written: Any) -> None:
    """Keep the height and width of an image, where they are given: many tools write zeros."""
    height, width = (read_whole(str(side)) for side in written)
    if height and width and min(height, width) > 0:
        sizes[image] = (height, width)


def _number(text: str | None, file: Path) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise UsageError(f"A box in {file.name} is not four numbers.", _FORMS) from None


def _xml(file: Path) -> ET.Element:
    try:
        text = given_bytes(file, SETTINGS)
        # Entities could make a small file a large one; annotations have none. In two bytes a
        # letter they would not be seen.
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text or b"\0" in text:
            raise UsageError(
                f"{file.name} has definitions of its own, or is not UTF-8.", "Save it without them."
            )
        return ET.fromstring(text)
    except (OSError, ET.ParseError, ValueError, LookupError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{file.name} is no VOC XML: {reason}.", _FORMS) from error


def _slashed(path: str) -> str:
    return path.replace("\\", "/").removeprefix("./")
