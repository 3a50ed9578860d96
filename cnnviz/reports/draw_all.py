"""All pictures of a report, drawn on two cores where there are two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from cnnviz.reports.content import Picture
from cnnviz.reports.pictures import DrawnPicture, PictureWriter, draw
from cnnviz.reports.progress import Steps
from cnnviz.reports.second_process import SecondProcess


def draw_all(
    pictures: Sequence[tuple[Picture, int]], directory: Path, steps: Steps, *, here: bool = False
) -> dict[str, DrawnPicture]:
    """Draw pictures, and write them and their large arrays.

    Parameters
    ----------
    pictures : sequence of (Picture, int)
        Each with how many steps it counts for.
    directory : Path
        The report's folder.
    steps : Steps
        Told of each picture before it is drawn in this process.
    here : bool
        Whether all are drawn in this process, since drawing leaves something behind in it.

    Returns
    -------
    dict of str to DrawnPicture
        By the name of the picture, in the order given.
    """
    drawn: dict[int, DrawnPicture] = {}
    _import_matplotlib()
    second = SecondProcess(
        len(pictures), lambda places: _drawn(pictures, places, directory), here=here
    )
    with second, PictureWriter(directory) as writer:
        counted = 0
        for place in second.mine():
            picture, worth = pictures[place]
            # Those in between were taken by the other process.
            steps.done += sum(each for _, each in pictures[counted:place])
            counted = place + 1
            with steps.step("drawing", f"drawing {picture.title}", worth):
                drawn[place] = draw(picture, writer)
        if len(drawn) < len(pictures):
            rest = sum(each for _, each in pictures[counted:])
            with steps.step("drawing", "drawing the last pictures", rest):
                for place, found in second.theirs().items():
                    drawn[place] = DrawnPicture(pictures[place][0], *found)
                for place in set(range(len(pictures))) - set(drawn):
                    drawn[place] = draw(pictures[place][0], writer)
    return {picture.name: drawn[place] for place, (picture, _) in enumerate(pictures)}


def _drawn(
    pictures: Sequence[tuple[Picture, int]], places: Iterator[int], directory: Path
) -> dict[int, tuple[object, ...]]:
    """Draw some of the pictures, and return what there is to know of each besides itself."""
    found: dict[int, tuple[object, ...]] = {}
    with PictureWriter(directory) as writer:
        for place in places:
            # One that fails is left to the other process, which fails in the open.
            with suppress(Exception):
                one = draw(pictures[place][0], writer)
                found[place] = one.path, one.width, one.height, one.numbers, one.panel
    return found


def _import_matplotlib() -> None:
    """Import what draws figures, once for both processes."""
    from matplotlib.backends import backend_agg  # noqa: F401
