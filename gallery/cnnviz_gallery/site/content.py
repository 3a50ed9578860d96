"""What the pages say, ready to be written out: no page computes anything."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Link:
    """A word that leads to a page."""

    text: str
    href: str


@dataclass(frozen=True)
class Sheet:
    """A picture of many tiles: its address and its size in pixels."""

    path: str
    width: int
    height: int


@dataclass(frozen=True)
class Tile:
    """One tile of a sheet: where it lies, counted in tiles, and what it shows."""

    x: int
    y: int
    alt: str


@dataclass(frozen=True)
class Example:
    """A patch with what came back to the pixels, its value, and what its image is called."""

    patch: Tile
    projection: Tile | None
    value: str
    label: str


@dataclass(frozen=True)
class Bar:
    """A bar of a histogram, in the coordinates of its drawing."""

    x: float
    width: float
    height: float


@dataclass(frozen=True)
class Tick:
    """A number at a place along an axis."""

    x: float
    text: str


@dataclass(frozen=True)
class Histogram:
    """How many images have their peak where along the range; `beyond` tells where bars do not."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[tuple[str, tuple[float, ...]], ...]
    highest: str
    words: str
    beyond: str = ""


@dataclass(frozen=True)
class Share:
    """A line of a bar chart: a name, its value, and the length of its bar, from 0 to 100.

    `interval` is that of the value, and `images` how many it is the mean of.
    """

    name: str
    href: str
    value: str
    interval: str
    images: int
    length: float


@dataclass(frozen=True)
class Connection:
    """A line in a list of inputs or outputs."""

    name: str
    href: str
    norm: str
    length: float
    excites: bool
    kernel: str
    thumb: Tile | None
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """A label and a value."""

    label: str
    value: str
    title: str = ""


@dataclass(frozen=True)
class UnitPage:
    """One channel of one layer."""

    layer: str
    channel: int
    silent: bool
    answer: str
    lead: str
    facts: tuple[Fact, ...]
    sheet: Sheet
    strongest: tuple[Example, ...]
    middle: tuple[Example, ...]
    random: tuple[Example, ...]
    unreturned: int
    field: str
    histogram: Histogram | None
    grouping: str
    groups: tuple[Share, ...]
    groups_told: str
    kernel: str
    kernel_size: str
    passed_on: tuple[Link, ...]
    inputs: tuple[Connection, ...]
    outputs: tuple[Connection, ...]
    inputs_told: bool
    visualization: Sheet | None
    visualization_told: str
    previous: str
    next: str


@dataclass(frozen=True)
class ChannelTile:
    """A channel on its layer's page, with what the channels are sorted by; NaN is not known."""

    channel: int
    sheet: int
    tile: Tile
    activity: float
    selectivity: float
    sparsity: float
    silent: bool


@dataclass(frozen=True)
class LayerPage:
    """Every channel of a layer."""

    layer: str
    kind: str
    lead: str
    facts: tuple[Fact, ...]
    sheets: tuple[Sheet, ...]
    tiles: tuple[ChannelTile, ...]
    silent: int
    selectivity_told: str
    previous: Link | None
    next: Link | None


@dataclass(frozen=True)
class Step:
    """A line of the drawing of a network: a layer that was scanned, or what lies between."""

    text: str
    kind: str = ""
    href: str = ""
    shape: str = ""
    field: str = ""
    channels: int = 0
    silent: int = 0
    strip: Sheet | None = None
    alt: str = ""
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True)
class NetworkPage:
    """A network, its layers in the order in which they are called."""

    name: str
    lead: str
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]
    skipped: tuple[Fact, ...]
    steps: tuple[Step, ...]
    shown: str
    classes: int


@dataclass(frozen=True)
class Answered:
    """An image on a class's page."""

    tile: Tile
    said: str
    label: str


@dataclass(frozen=True)
class ClassPage:
    """What a network calls by one name."""

    name: str
    other_names: str
    lead: str
    facts: tuple[Fact, ...]
    sheet: Sheet | None
    called: tuple[Answered, ...]
    called_in_all: int
    wrongly: tuple[Answered, ...]
    wrongly_in_all: int
    missed: tuple[Answered, ...]
    missed_in_all: int
    map: Sheet | None
    map_words: str
    votes: tuple[Connection, ...]
    votes_words: str
    previous: str
    next: str


@dataclass(frozen=True)
class ClassLine:
    """A class in the list of classes."""

    name: str
    href: str
    called: int
    labelled: int
    right: int


@dataclass(frozen=True)
class ClassesPage:
    """The classes of a network that some image is called or labelled, and how many others."""

    lines: tuple[ClassLine, ...]
    others: int
    labelled: bool
    lead: str


@dataclass(frozen=True)
class Card:
    """A network on the home page."""

    name: str
    href: str
    lead: str
    strip: Sheet | None
    facts: tuple[Fact, ...] = field(default=())
