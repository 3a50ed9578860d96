"""The networks of the course: what is published about them beside what was counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cnnviz.bounds import bounded
from cnnviz.course.card_text import card_lines, error_text
from cnnviz.course.network_card import NetworkCard
from cnnviz.course.network_cards import find_cards
from cnnviz.course.network_measures import NetworkMeasures, measure
from cnnviz.errors import InstallationError
from cnnviz.results import drawing
from cnnviz.results.progress import Progress, silent
from cnnviz.results.provenance import Provenance
from cnnviz.results.table import Table, TableColumn, TableResult
from cnnviz.results.text import joined, plural, short

HUMAN = 5.1
"""The top-5 error of one trained person on 1,500 images (Russakovsky et al. 2015, section 6.4)."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FamousNetworks(TableResult):
    """Networks by name: their year, idea and published figures, and what they have and cost.

    Attributes
    ----------
    cards : tuple of NetworkCard
        What is published, each figure with where it stands.
    measured : tuple of NetworkMeasures or None
        What was counted on the network that `cnnviz.load` gives; None where that could not be.
    """

    cards: tuple[NetworkCard, ...]
    measured: tuple[NetworkMeasures | None, ...]

    derived: ClassVar[tuple[str, ...]] = ("human_top5",)

    @property
    def human_top5(self) -> float:
        """The top-5 error of a trained person, in percent."""
        return HUMAN

    @property
    def parameters(self) -> tuple[float | None, ...]:
        """The parameters of each: counted, or else published."""
        return tuple(
            card.parameters if found is None else found.parameters
            for card, found in zip(self.cards, self.measured, strict=True)
        )

    def summary(self) -> str:
        """Say which years they span, and how far the error fell."""
        years = [card.year for card in self.cards]
        rated = sorted(
            (card for card in self.cards if card.top5 is not None), key=lambda card: card.year
        )
        when = f"{min(years)}" + (f" to {max(years)}" if min(years) < max(years) else "")
        found = f"{plural(len(self.cards), 'network')} from {when}"
        if len(rated) < 2:
            return found
        first, best = rated[0], min(rated, key=lambda card: card.top5 or 0.0)
        begun, least = (f"{error_text(card.top5)} ({card.title})" for card in (first, best))
        if best.top5 == first.top5:
            return f"{found}: the lowest top-5 error of one is {least}"
        return f"{found}: the top-5 error of one network fell from {begun} to {least}"

    def caption(self) -> str:
        """Say what the bubbles are, and that error rates are not of one protocol."""
        absent = [card.title for card in self.cards if card.top5 is None]
        lower = f" Below stand those whose papers give no top-5 error: {joined(absent)}."
        uncounted = [
            card.title for card, one in zip(self.cards, self.measured, strict=True) if one is None
        ]
        missing = (
            f" {joined(uncounted)} could not be loaded here; the bubble is the published number, "
            "the smallest where there is none."
        )
        return (
            "Top-5 error on ImageNet (the validation set of ILSVRC 2012), in percent, over the "
            "year of publication, as each paper gives it for one network: how often the right "
            "class is not among the five likeliest. Marks tell how many crops of each image were "
            "averaged, where not one. The area of a bubble is the number of parameters, counted "
            "here. Rings are the lowest error of the same paper, often of "
            "several networks on the "
            "test set. Papers differ in how many crops of an image they average, so that small "
            "differences say little; the table has each with its source. The dashed line is a "
            "trained person (Russakovsky et al. 2015)."
            + (lower if absent else "")
            + (missing if uncounted else "")
        )

    def table(self) -> Table:
        """Return a row for each network, published and counted."""
        columns: tuple[str | TableColumn, ...] = (
            "network",
            "name",
            "year",
            "depth published",
            "depth counted",
            "parameters published",
            "parameters counted",
            "MACs counted",
            TableColumn("top-1 error", "%"),
            TableColumn("top-5 error", "%"),
            "protocol",
            TableColumn("lowest top-5 error", "%"),
            "idea",
            "paper",
        )
        rows = [
            (
                card.title,
                card.load_name,
                card.year,
                card.depth,
                None if one is None else one.depth,
                card.parameters,
                None if one is None else one.parameters,
                None if one is None else one.macs,
                card.top1,
                card.top5,
                card.protocol or None,
                card.best_top5,
                card.idea,
                card.paper,
            )
            for card, one in zip(self.cards, self.measured, strict=True)
        ]
        return Table.of(columns, rows)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return years, error rates and parameters; NaN where a paper does not give them."""
        columns = {
            "year": [card.year for card in self.cards],
            "top1": [card.top1 for card in self.cards],
            "top5": [card.top5 for card in self.cards],
            "parameters": self.parameters,
        }
        return {name: np.array(values, np.float64) for name, values in columns.items()}

    def draw(self, into: drawing.Canvas | None = None) -> drawing.Canvas:
        """Draw the error over the years, a bubble for each network."""
        from cnnviz.views.pictures.famous_networks import draw

        return draw(self, into)

    def __str__(self) -> str:
        """Return the card of each network as text."""
        blocks = []
        for card, one in zip(self.cards, self.measured, strict=True):
            lines = card_lines(card, one)
            width = max(len(name) for name, _ in lines)
            blocks.append("\n".join(f"{name:<{width}}  {text}" for name, text in lines))
        return "\n\n".join(blocks)


@bounded
def famous_networks(
    names: str | Sequence[str] | None = None, *, progress: Progress = silent
) -> FamousNetworks:
    """Return the networks of the course, each with its published figures and what is counted.

    Parameters
    ----------
    names : str or sequence of str, optional
        Some of them, by title or by the name that loads them; commas separate several. All by
        default.
    progress : callable, optional
        Called as ``progress(done, total, what)`` before each network is counted.

    Returns
    -------
    FamousNetworks
        The cards, the counts, and the picture.

    Raises
    ------
    UsageError
        If there is no card of such a name.

    Examples
    --------
    >>> import cnnviz
    >>> cnnviz.famous_networks("LeNet-5").summary()
    '1 network from 1998'
    """
    asked = [one.strip() for one in names.split(",")] if isinstance(names, str) else names
    cards = find_cards(asked)
    measured: list[NetworkMeasures | None] = []
    notes: dict[str, None] = {}
    for place, card in enumerate(cards):
        progress(place, len(cards), card.title)
        try:
            measured.append(measure(card.load_name))
        except InstallationError as error:
            measured.append(None)
            notes[f"{card.title} was not counted: {error.what}"] = None
    total = sum(one.parameters for one in measured if one is not None)
    return FamousNetworks(
        provenance=Provenance(
            model="networks of the course",
            weights="none: what is counted does not depend on them",
            weights_sha256="",
            notes=tuple(notes) or (f"{short(total)} parameters counted",),
        ),
        cards=cards,
        measured=tuple(measured),
    )
