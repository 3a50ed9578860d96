"""Where the nodes of a drawn network stand: how far along, and side by side where ways part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz.course.network_graph import Diagram


@dataclass(frozen=True)
class Place:
    """The place of a node.

    Attributes
    ----------
    rank : int
        How many nodes lie on the longest way to it.
    lane : float
        How far it stands to the side, in lanes from the middle.
    """

    rank: int
    lane: float


@dataclass(frozen=True)
class DiagramLayout:
    """The places of all nodes of a drawing.

    Attributes
    ----------
    places : tuple of Place
        One for each node, then one for what goes out; what comes in has rank -1 and lane 0.
    around : tuple of (int, int)
        The links that lead around nodes which stand in their way.
    """

    places: tuple[Place, ...]
    around: tuple[tuple[int, int], ...]

    @property
    def ranks(self) -> int:
        """How many ranks there are, that of what goes out included."""
        return self.places[-1].rank + 1

    @property
    def side(self) -> float:
        """How far from the middle the outermost lane is."""
        return max(abs(place.lane) for place in self.places)

    def at(self, node: int) -> Place:
        """Return the place of a node; -1 is what comes in."""
        return self.places[node] if node >= 0 else Place(-1, 0.0)


def layout(diagram: Diagram) -> DiagramLayout:
    """Return where the nodes of a drawing stand.

    Nodes that every way leads through stand in the middle. Between two of them ways that part stand
    side by side, in the order in which they are computed.
    """
    count = len(diagram.nodes)
    sources: list[list[int]] = [[] for _ in range(count + 1)]
    for one, other in diagram.links:
        sources[other].append(one)
    ranks: list[int] = []
    for read in sources:
        ranks.append(1 + max((ranks[one] if one >= 0 else -1 for one in read), default=-1))
    ranks[-1] = max(ranks[:-1], default=-1) + 1
    lanes = [0.0] * (count + 1)
    for region in _regions(diagram):
        _spread(region, sources, lanes)
    places = tuple(Place(rank, lane) for rank, lane in zip(ranks, lanes, strict=True))
    around = tuple(link for link in diagram.links if _blocked(link, places))
    return DiagramLayout(places, around)


def _regions(diagram: Diagram) -> list[list[int]]:
    """Return the runs of nodes that some link leads past."""
    found: list[list[int]] = []
    last = -2
    for node in range(len(diagram.nodes)):
        if not any(one < node < other for one, other in diagram.links):
            continue
        if node == last + 1:
            found[-1].append(node)
        else:
            found.append([node])
        last = node
    return found


def _spread(region: Sequence[int], sources: Sequence[Sequence[int]], lanes: list[float]) -> None:
    """Put each way through a region on a lane of its own; where some join, between theirs."""
    ends: list[int] = []
    slots: dict[int, int] = {}
    for node in region:
        onward = [one for one in sources[node] if one in ends]
        if onward:
            slot = slots[onward[-1]]
            ends[slot] = node
            lanes[node] = sum(lanes[one] for one in onward) / len(onward)
        else:
            slot = len(ends)
            ends.append(node)
            lanes[node] = float(slot)
        slots[node] = slot
        # Ways that have joined go on as one.
        ends[:] = [-2 if one in onward else one for one in ends]
    for node in region:
        lanes[node] -= (len(ends) - 1) / 2


def _blocked(link: tuple[int, int], places: Sequence[Place]) -> bool:
    """Whether nodes stand on both ways of a link: down its first lane, and down its second."""
    first = places[link[0]] if link[0] >= 0 else Place(-1, 0.0)
    last = places[link[1]]
    between = [place for place in places[:-1] if first.rank < place.rank < last.rank]
    return all(
        any(abs(place.lane - lane) < 0.5 for place in between) for lane in {first.lane, last.lane}
    ) and bool(between)
