"""Files by a pattern such as ``photos/*.jpg``, in any case of letters."""

from __future__ import annotations

import fnmatch
from pathlib import Path

from cnnviz.datasets.files import MASK, ImageFolder, is_image, others_left_out
from cnnviz.errors import UsageError
from cnnviz.images.paths import expand

_SIGNS = frozenset("*?[")


def is_pattern(name: str) -> bool:
    """Whether a name has signs of a pattern, and no file is called so."""
    return bool(_SIGNS & set(name)) and not expand(name).exists()


def matching(name: str) -> list[Path]:
    """Return the files that a pattern matches, without regard to case, in order of their names.

    Raises
    ------
    UsageError
        If it matches none.
    """
    path = expand(name)
    folders = [Path(path.anchor or ".")]
    parts = path.parts[1:] if path.anchor else path.parts
    for part in parts[:-1]:
        folders = [
            inner for folder in folders for inner in _entries(folder, part) if inner.is_dir()
        ]
    found = [file for folder in folders for file in _entries(folder, parts[-1]) if file.is_file()]
    if not found:
        raise UsageError(
            f"No file matches {name!r}.", "Check the pattern, or name the folder itself."
        )
    return found


def matched_files(name: str) -> ImageFolder:
    """Return the files that a pattern matches, below the folder that it begins with.

    The names of the folders between are the classes, as of any folder: ``val/*/*.jpg`` has those
    of the folders in ``val``.
    """
    path = expand(name)
    root = Path(path.anchor or ".")
    for part in path.parts[bool(path.anchor) : -1]:
        if _SIGNS & set(part):
            break
        root = root / part
    return ImageFolder(root, [file.relative_to(root).as_posix() for file in matching(name)])


def matched_images(name: str) -> ImageFolder:
    """Return the images, which are no masks, among the files that a pattern matches."""
    found = matched_files(name)
    names = [file.relative_to(found.root).as_posix() for file in map(found.file, range(len(found)))]
    images = [file for file in names if is_image(Path(file).name)]
    chosen = ImageFolder(found.root, images)
    others = {file for file in names if not Path(file).stem.endswith(MASK)} - set(images)
    chosen.notes = others_left_out(sorted(others))
    return chosen


def _entries(folder: Path, part: str) -> list[Path]:
    if not _SIGNS & set(part):
        return [folder / part]
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []
    lower = part.lower()
    return [
        folder / name
        for name in names
        if fnmatch.fnmatchcase(name.lower(), lower) and not name.startswith(".")
    ]
