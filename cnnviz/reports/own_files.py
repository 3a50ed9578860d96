"""The files that a document can consist of, by name: nothing else is ever deleted with one."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from cnnviz.results.given_files import open_given

MANIFEST = "report.json"
# What documents are called, and so their files: the page, that with its pictures inside, the PDF.
REPORT, LECTURE = "report", "lecture"
PICTURES = "pictures"
ARRAYS = "arrays"
"""The folder of the arrays that are too large for ``report.json``, a file for each picture."""
SLIDES = "slides"
NOTEBOOK = "lecture.ipynb"
EVALUATION = "evaluation"
EVALUATION_NUMBERS = (f"{EVALUATION}.json", f"{EVALUATION}.npz")
ERRORS, CLASSES = "errors.csv", "classes.csv"
ERROR_NUMBERS = ("errors.json", "errors.npz")
SOFTWARE = "Software"
"""Where each picture says that cnnviz has drawn it."""
_MARK = f"tEXt{SOFTWARE}\0cnnviz ".encode()
# It stands before the pixels, behind no more than a title.
_HEAD = 1 << 16


def single_page(kind: str) -> str:
    """Return what the page with its pictures inside is called in a document of a kind."""
    return f"{kind}-single-file.html"


_ALONE = frozenset(
    {
        MANIFEST,
        *(f"{kind}.{suffix}" for kind in (REPORT, LECTURE) for suffix in ("html", "pdf")),
        *map(single_page, (REPORT, LECTURE)),
        NOTEBOOK,
        *EVALUATION_NUMBERS,
        ERRORS,
        *ERROR_NUMBERS,
        CLASSES,
    }
)
_OF_A_PICTURE = {PICTURES: (".png",), ARRAYS: (".npz",), SLIDES: (".png", ".svg")}


def is_own(path: Path, folder: Path) -> bool:
    """Whether a document in a folder can have written a file in it.

    What the list in ``report.json`` says is not enough: anybody can write one. Pictures say
    themselves that cnnviz drew them; arrays and slides have the name of such a picture; a lecture
    has a copy of one photo.
    """
    if path.is_symlink() or not path.is_file():
        return False
    inside = PurePosixPath(path.relative_to(folder).as_posix())
    match inside.parts:
        case [name]:
            return name in _ALONE or _is_photo_of_lecture(path, folder)
        case [where, _] if inside.suffix in _OF_A_PICTURE.get(where, ()):
            return drawn_by_cnnviz(folder / PICTURES / f"{inside.stem}.png")
    return False


def drawn_by_cnnviz(picture: Path) -> bool:
    """Whether a file says inside that cnnviz has drawn it, as every PNG of a result does."""
    try:
        with open_given(picture) as stream:
            return _MARK in stream.read(_HEAD)
    except OSError:
        return False


def _is_photo_of_lecture(path: Path, folder: Path) -> bool:
    """Whether a file is the one picture beside the page and the notebook of a lecture."""
    if not all((folder / name).is_file() for name in (f"{LECTURE}.html", NOTEBOOK)):
        return False
    others = [each for each in folder.iterdir() if each.is_file() and each.name not in _ALONE]
    return [each for each in others if _holds_picture(each)] == [path]


def _holds_picture(path: Path) -> bool:
    from PIL import Image

    from cnnviz.images.pillow_warnings import catch_pillow_warnings

    try:
        with open_given(path) as file, catch_pillow_warnings(), Image.open(file):
            return True
    except Exception:  # decoders meet what is no picture with almost any exception
        return False
