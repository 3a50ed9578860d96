"""What a report says, as data: sections made of paragraphs, pictures and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnviz.results.provenance import Provenance
from cnnviz.results.result import Result
from cnnviz.results.text import minus

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Readout:
    """The values of a picture over steps, for a page that tells them.

    Attributes
    ----------
    rows : tuple of str
        What there is a value of at each step, from top to bottom.
    steps : ndarray of float
        [T], where the values stand on the axis of the picture's first panel.
    values : ndarray of float
        [R, T].
    stacked : bool
        Whether each row has a strip of the panel of its own; else rows are curves in one.
    """

    rows: tuple[str, ...]
    steps: NDArray[np.float64] = field(repr=False)
    values: NDArray[np.float64] = field(repr=False)
    stacked: bool


@dataclass(frozen=True)
class Picture:
    """A picture that is not drawn yet, and everything that is said about it.

    Attributes
    ----------
    name : str
        The name of its file, without folder and suffix; safe on every file system.
    title : str
        A few words above the caption.
    caption : str
        What the picture shows and how to read it.
    alt : str
        The content of the picture in words, for those who do not see it.
    draw : callable
        Returns a matplotlib figure, or an image as uint8 [H, W, 3].
    provenance : Provenance
        Where the picture's data came from; kept in the file.
    data : mapping
        The numbers of the picture, for ``report.json``; arrays as they are.
    arrays : mapping of str to ndarray
        What the larger ones of these arrays are called in the file that holds them; others are
        named after their place in `data`.
    wide : bool
        Whether it deserves the whole width of the page.
    before, after : tuple of str
        Paragraphs that lead to the picture, and those that go on from it.
    code, command : str
        The call that makes it in Python, and the command; empty where there is none.
    readout : Readout or None
        Its values, where the page is to tell them.
    """

    name: str
    title: str
    caption: str
    alt: str
    draw: Callable[[], Figure | NDArray[np.uint8]] = field(repr=False)
    provenance: Provenance = field(repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    wide: bool = True
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    code: str = ""
    command: str = ""
    readout: Readout | None = field(default=None, repr=False)

    @classmethod
    def of(cls, result: Result, name: str, title: str, *, wide: bool = True) -> Picture:
        """Return the picture of a result, described in the result's own words."""
        return cls(
            name=name,
            title=title,
            caption=result.caption(),
            alt=f"{title}: {result.summary()}",
            draw=result.figure,
            provenance=result.provenance,
            data=result.contents(),
            arrays=result.arrays(),
            wide=wide,
        )


@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    Attributes
    ----------
    heading : str
        What stands above it.
    numeric : bool
        Whether it holds numbers, which are set to the right.
    unbroken : bool
        Whether it holds words too long for a line, such as digests, that may end anywhere.
    """

    heading: str
    numeric: bool = False
    unbroken: bool = False


@dataclass(frozen=True)
class Table:
    """A table of text that is ready to be shown.

    Attributes
    ----------
    title, caption : str
        What it lists, and how to read it.
    columns : tuple of TableColumn
        Its columns.
    rows : tuple of tuple of str
        Its cells, row by row.
    total : tuple of str
        A closing row of sums; empty where there is none.
    folded : bool
        Whether a page shows it only on demand.
    values : tuple of tuple of float
        The numbers of each row in full, for ``report.json``, where no picture has them.
    """

    title: str
    caption: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    total: tuple[str, ...] = ()
    folded: bool = False
    values: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        """Give numbers below zero a minus sign; names stay as they are."""
        object.__setattr__(self, "rows", tuple(map(self._signed, self.rows)))
        if self.total:
            object.__setattr__(self, "total", self._signed(self.total))

    def _signed(self, row: tuple[str, ...]) -> tuple[str, ...]:
        columns = zip(row, self.columns, strict=True)
        return tuple(minus(cell) if column.numeric else cell for cell, column in columns)


@dataclass(frozen=True)
class WrongAnswer:
    """One wrong answer of those that a reader leafs through and filters.

    Attributes
    ----------
    picture : Picture
        The photo, and beside it the evidence for both answers.
    image : str
        The name of the photo.
    truth, answer : str
        What is right, and what the network says.
    confidence, truth_probability : float
        How probable each of them is to the network.
    doubts : tuple of str
        Which of the maps must not be read as evidence, and why.
    """

    picture: Picture
    image: str
    truth: str
    answer: str
    confidence: float
    truth_probability: float
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """One section of a report.

    Attributes
    ----------
    key : str
        Its name in the table of sections.
    title : str
        Its heading.
    anchor : str
        The fragment by which a page's address reaches it; unique in the report.
    lead : tuple of str
        Paragraphs that say what the section is about.
    pictures, tables : tuple
        What it shows.
    notes : tuple of str
        What a reader must know before believing it.
    subject : str
        The slug of the image it is about; empty where it is about the network or the report.
    answers : tuple of WrongAnswer
        Wrong answers to leaf through, after what else it shows.
    doubts : tuple of str
        Why a map that it shows must not be read as evidence, which it also says itself.
    """

    key: str
    title: str
    anchor: str
    lead: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    subject: str = ""
    answers: tuple[WrongAnswer, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def every_picture(self) -> tuple[Picture, ...]:
        """Its pictures, and those of the wrong answers."""
        return (*self.pictures, *(entry.picture for entry in self.answers))


@dataclass(frozen=True)
class PredictedClass:
    """One class that the network considers, or one number that it returns.

    Attributes
    ----------
    category : str
        The name of the class or number.
    probability : float
        The share of the network's belief, 0 to 1; NaN where it has none.
    value : float
        What it is ranked by: the probability, or what stands in its place.
    said : str
        The probability, or what stands in its place, in words.
    share : float
        The length of its bar, 0 to 1.
    """

    category: str
    probability: float
    value: float
    said: str
    share: float


@dataclass(frozen=True, eq=False)
class LiveMaps:
    """Maps of an image that a reader can switch.

    Attributes
    ----------
    classes, layers : tuple of str
        The K classes, and the layers from shallow to deep.
    maps : tuple of ndarray of float32
        For each layer the signed maps [K, h, w] in the method's unit.
    marks : tuple of tuple of str
        For each layer why each map must not be read as evidence; empty where it may be.
    box : (float, float, float, float)
        Left, top, right and bottom of what the network saw, as shares of the photo.
    """

    classes: tuple[str, ...]
    layers: tuple[str, ...]
    maps: tuple[NDArray[np.float32], ...] = field(repr=False)
    marks: tuple[tuple[str, ...], ...]
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageAnswer:
    """What the network answers about one image, for the head of the page.

    Attributes
    ----------
    name, slug, anchor : str
        The image's file name, its safe form, and the fragment of its place in the page.
    guesses : tuple of PredictedClass
        The classes it considers, likeliest first.
    target : str
        The class that the heatmaps explain.
    photo, thumbnail : Picture
        The image itself, large and small.
    overlay : Picture or None
        Where the network looked; None where nobody asked for it.
    notes : tuple of str
        What was done to the image on reading it.
    output : str
        What the network's output means, and whether that is a guess.
    live : LiveMaps or None
        Maps of several classes, where the page is to answer.
    """

    name: str
    slug: str
    anchor: str
    guesses: tuple[PredictedClass, ...]
    target: str
    photo: Picture
    thumbnail: Picture
    overlay: Picture | None = None
    notes: tuple[str, ...] = ()
    output: str = ""
    live: LiveMaps | None = field(default=None, repr=False)

    @property
    def explained(self) -> bool:
        """Whether the heatmaps explain something other than the likeliest class."""
        return bool(self.target and self.guesses and self.target != self.best.category)

    @property
    def best(self) -> PredictedClass:
        """The likeliest class."""
        return self.guesses[0]
