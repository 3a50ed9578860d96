"""A folder of images, or a list of them."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any

from cnnviz.datasets.dataset import Dataset, DatasetImage, Mask
from cnnviz.datasets.folder_tree import FolderTree
from cnnviz.datasets.mask_files import mask_in
from cnnviz.errors import ImageError, UsageError
from cnnviz.images import PhotoError, read_photo
from cnnviz.images.batch import name_and_path
from cnnviz.images.given_tensors import check_values_are_there
from cnnviz.images.paths import distinct_names, expand
from cnnviz.results.files import DUST
from cnnviz.results.given_files import given_sha256, open_given
from cnnviz.results.text import first_few, plural

# Photos of telephones may be such as cannot be read: they are refused by name, not left out.
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".avif"),
)
"""How names of images end. Of a GIF the first picture counts."""
MASK = "-mask"
SAMPLES = "samples.json"
"""What `cnnviz shapes` writes beside its pictures about each of them."""
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
_IMAGE_WIDTH, _IMAGE_LENGTH = 0x0100, 0x0101
_PNG_METADATA = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")


class FilesOnDisk(Dataset):
    """Images each of which is a file of its own, with its mask in a file beside it."""

    @abstractmethod
    def file(self, index: int) -> Path:
        """Return the file of an image."""

    def check(self, index: int, *, masked: bool = False) -> None:
        """Raise `ImageError` if the header of the file, or of its mask, cannot be read."""
        check_file(self.file(index), masked=masked)

    def size(self, index: int) -> tuple[int, int] | None:
        """Return the height and width that the header of the file tells."""
        return _height_and_width(self.file(index))

    def sha256(self, index: int) -> str:
        """Return the SHA-256 of the file."""
        return file_sha256(self.file(index))

    def read(self, index: int) -> DatasetImage:
        """Read an image."""
        return DatasetImage(read_photo(self.file(index)), self.label(index))

    def mask(self, index: int) -> Mask | None:
        """Return the mask that lies beside an image."""
        return read_mask(self.file(index))


class ImageFolder(FolderTree, FilesOnDisk):
    """All images in a folder and the folders in it, ordered by path.

    Where every image lies in a folder of its own inside the root, as in torchvision's
    ``ImageFolder``, the names of these folders are the classes. A file ``NAME-mask.png`` beside an
    image is no image: its bright pixels mark the object.

    Parameters
    ----------
    root : Path
        The folder.
    files : sequence of str
        The paths of its images below the root, with slashes; as `images_in` finds them.
    """

    def key(self, index: int) -> str:
        """Return the path below the root, the size, and when the file was last written to."""
        try:
            found = self.file(index).stat()
        except OSError:
            return f"{self._files[index]} gone"
        return f"{self._files[index]} {found.st_size} {found.st_mtime_ns}"

    def describe(self) -> str:
        """Say how many images and classes the folder has."""
        return self.told(plural(len(self), "image"))


class ImageList(Dataset):
    """Images that were given one by one: paths, photos, PIL images, arrays, or float tensors."""

    def __init__(self, sources: Sequence[Any]) -> None:
        self._sources = tuple(sources)

    def __len__(self) -> int:
        return len(self._sources)

    def name(self, index: int) -> str:
        """Return the file name of an image, with folders where others have it, or its place."""
        return self._names[index]

    @cached_property
    def _names(self) -> list[str]:
        return distinct_names([name_and_path(one, at) for at, one in enumerate(self._sources)])

    def key(self, index: int) -> str:
        """Return the name of an image, and the SHA-256 that it has."""
        try:
            return f"{self.name(index)} {self.sha256(index)}"
        except ImageError:
            return f"{self.name(index)} unreadable"

    def check(self, index: int, *, masked: bool = False) -> None:
        """Raise `ImageError` if the header of a file, or of its mask, cannot be read."""
        source = self._sources[index]
        if isinstance(source, (str, os.PathLike)):
            check_file(expand(os.fsdecode(source)), masked=masked)

    def size(self, index: int) -> tuple[int, int] | None:
        """Return the height and width that the header of a file tells."""
        source = self._sources[index]
        on_disk = isinstance(source, (str, os.PathLike))
        return _height_and_width(expand(os.fsdecode(source))) if on_disk else None

    def sha256(self, index: int) -> str:
        """Return the SHA-256 of a file, or of what is in memory."""
        source = self._sources[index]
        if isinstance(source, (str, os.PathLike)):
            return file_sha256(expand(os.fsdecode(source)))
        return super().sha256(index)

    def read(self, index: int) -> DatasetImage:
        """Read an image."""
        source = self._sources[index]
        if _is_tensor(source):
            return DatasetImage(checked_tensor(source, self.name(index)))
        return DatasetImage(read_photo(source, self.name(index)))

    def mask(self, index: int) -> Mask | None:
        """Return the mask that lies beside the file of an image."""
        source = self._sources[index]
        on_disk = isinstance(source, (str, os.PathLike))
        return read_mask(expand(os.fsdecode(source))) if on_disk else None

    def describe(self) -> str:
        """Say how many images there are."""
        return plural(len(self), "image")


def images_in(root: Path) -> tuple[list[str], list[str]]:
    """Return the paths of all images below a folder, with slashes, ordered by path; and of others.

    Masks are left out, and whatever begins with a full stop or is what desktops leave behind.

    Raises
    ------
    UsageError
        If a folder cannot be opened.
    """
    found = files_below(root, lambda name: not _is_beside(name))
    images = [path for path in found if is_image(PurePosixPath(path).name)]
    known = set(images)
    return images, [path for path in found if path not in known]


def others_left_out(files: Sequence[str]) -> tuple[str, ...]:
    """Say how many files beside the images are none, with how their names end."""
    if not files:
        return ()
    ends = Counter(PurePosixPath(file).suffix.lower() or "no suffix" for file in files)
    told = first_few([f"{number:,} {end}" for end, number in ends.most_common()], 4)
    return (f"{plural(len(files), 'file')} beside the images left out: {told}",)


def files_below(root: Path, wanted: Callable[[str], bool]) -> list[str]:
    """Return the paths of those files below a folder whose names are wanted, ordered by path.

    Raises
    ------
    UsageError
        If a folder cannot be opened.
    """

    def refuse(error: OSError) -> None:
        raise UsageError(
            f"The folder {error.filename!r} cannot be opened ({error.strerror}).",
            "Check its permissions.",
        ) from error

    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for folder, inner, files in os.walk(root, onerror=refuse, followlinks=True):
        place = Path(folder).stat()
        if (place.st_dev, place.st_ino) in seen:  # a link that leads back
            inner.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        inner[:] = [name for name in inner if not name.startswith(".")]
        inside = Path(folder).relative_to(root)
        found += [(inside / file).as_posix() for file in files if wanted(file)]
    return sorted(found, key=lambda path: PurePosixPath(path).parts)


def is_image(file: str) -> bool:
    """Whether a file name is that of an image: not hidden, and no mask."""
    return not _is_beside(file) and PurePosixPath(file).suffix.lower() in SUFFIXES


def _is_beside(file: str) -> bool:
    """Whether a file name is hidden, a desktop's, or that of the mask or factors of an image."""
    return (
        file.startswith(".") or file in (*DUST, SAMPLES) or PurePosixPath(file).stem.endswith(MASK)
    )


def read_mask(path: Path) -> Mask | None:
    """Return the mask that lies beside an image, [H, W]; None where there is none.

    Raises
    ------
    ImageError
        If it cannot be read, holds several labels, or is not as large as the image.
    """
    beside = _mask_of(path)
    if beside is None:
        return None
    mask: Mask = mask_in(beside)
    _check_size(beside, path, mask.shape[::-1])
    return mask


def check_file(path: Path, *, masked: bool) -> None:
    """Raise `ImageError` if the header of an image, or of its mask, cannot be read or used."""
    beside = _mask_of(path) if masked else None
    if beside is None:
        _size_of(path)
        return
    size = _size_of(beside)
    if size is not None:
        _check_size(beside, path, size)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    try:
        return given_sha256(path)
    except OSError as error:
        raise PhotoError(
            path.name,
            f"the file cannot be read ({error.strerror or error})",
            "Check its permissions.",
        ) from error


def checked_tensor(tensor: Any, name: str) -> Any:
    """Return a float tensor [C, H, W] as it is; raise a `CnnvizError` for any other."""
    check_values_are_there(tensor)
    if not tensor.is_floating_point() or tensor.ndim != 3:
        raise PhotoError(
            name,
            f"a tensor of {tensor.dtype} and shape {list(tensor.shape)} is no preprocessed image",
            "Give a float tensor [C, H, W], or a uint8 array [H, W, 3].",
        )
    return tensor.detach()


def _mask_of(path: Path) -> Path | None:
    beside = path.with_name(f"{path.stem}{MASK}.png")
    return beside if beside.is_file() else None


def _check_size(beside: Path, path: Path, size: tuple[int, int]) -> None:
    if _size_of(path) not in (size, None):
        raise ImageError(f"{beside.name} is not as large as {path.name}.", "Mend the mask.")


def _height_and_width(path: Path) -> tuple[int, int] | None:
    try:
        size = _size_of(path)
    except ImageError:  # it will be left out
        return None
    return None if size is None else (size[1], size[0])


def size_in(file: IO[bytes]) -> tuple[int, int]:
    """Return width and height of an image as they will be when it is read, from its header."""
    from PIL import Image

    from cnnviz.images.pillow_warnings import catch_pillow_warnings

    with catch_pillow_warnings(), Image.open(file) as image:
        # Newer Pillows turn the size of a TIFF by themselves, and that of nothing else.
        width, height = _tiff_size(image) if image.format == "TIFF" else image.size
        # Pillow decodes all of a PNG to look for EXIF data behind its pixels.
        shortened = image.format == "PNG" and not _has_data_behind_pixels(file)
        exif = Image.Image.getexif(image) if shortened else image.getexif()
        turned = exif.get(_ORIENTATION) in _TURNED
    return (height, width) if turned else (width, height)


def _tiff_size(image: Any) -> tuple[int, int]:
    """Return width and height of a TIFF as its pixels are stored."""
    return image.tag_v2[_IMAGE_WIDTH], image.tag_v2[_IMAGE_LENGTH]


def _has_data_behind_pixels(png: IO[bytes]) -> bool:
    """Whether chunks that can tell how a PNG is turned follow those of its pixels."""
    here = png.tell()
    png.seek(8)
    pixels = found = False
    while not found and len(head := png.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        pixels = pixels or kind == b"IDAT"
        found = pixels and kind in _PNG_METADATA
        png.seek(length + 4, os.SEEK_CUR)
    png.seek(here)
    return found


def _size_of(path: Path) -> tuple[int, int] | None:
    """Return width and height as they will be when the file is read, from its header.

    None where the header is odd: only reading the file will tell.
    """
    from PIL import UnidentifiedImageError

    try:
        with open_given(path) as file:
            return size_in(file)
    except (UnidentifiedImageError, FileNotFoundError, IsADirectoryError):
        read_photo(path)  # It says what is wrong.
        return None
    except Exception:  # decoders meet damage with almost any exception; reading will name it
        return None


def _is_tensor(source: Any) -> bool:
    # By name: importing torch takes a second, and a list of paths needs none.
    return type(source).__module__.partition(".")[0] == "torch" and hasattr(source, "detach")
