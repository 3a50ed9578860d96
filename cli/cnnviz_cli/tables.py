"""Results that are read as text: what the terminal shows of them besides the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnviz.results.result import Result
    from cnnviz.views.famous_networks import FamousNetworks
    from cnnviz.views.predictions import PredictedBoxes, Predictions

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]

_MOST_CARDS = 3
"""Networks whose cards are printed whole: more would not be read."""


def table_of(result: Result) -> Table | None:
    """Return the headings and rows of a result, or None for one that has no table here."""
    # By name: the class would have to be imported, and with it torch.
    made = _TABLES.get(type(result).__name__)
    return None if made is None else made(result)


def below_table(result: Result) -> str:
    """Return where a table's result tells the rest, in a sentence; nothing where it has no more."""
    if type(result).__name__ != "FamousNetworks":
        return ""
    return (
        "Errors as published, the rest as counted here. `cnnviz networks NAME` shows the card of "
        "one: its idea, its paper, and where every figure stands."
    )


def text_of(result: Result) -> str | None:
    """Return what a result says of itself at length, or None for one that only a picture shows.

    A result that is read as text overrides ``__str__``; `repr` stays one line.
    """
    return None if type(result).__str__ is object.__str__ else str(result)


def _predictions(result: Predictions) -> Table:
    from cnnviz.results.text import minus

    several = len(result.images) > 1
    # Where nothing became a probability, what is said of an answer is the network's own number.
    twofold = result.rule != "none"
    rows = []
    for place, image in enumerate(result.images):
        answers = zip(result.names[place], result.logits[place], strict=True)
        for rank, (name, logit) in enumerate(answers):
            row = [name, result.said(place, rank), *([minus(f"{logit:.2f}")] if twofold else [])]
            rows.append([image, *row] if several else row)
    columns = ["class", "probability", "logit"] if twofold else _without_probability(result)
    return (["photo", *columns] if several else columns), rows


def _without_probability(result: Predictions) -> list[str]:
    from cnnviz.models.output_kinds import OutputKind

    return {
        OutputKind.CLASS_MAP: ["class", "share of the map"],
        OutputKind.EMBEDDING: ["dimension", "component"],
    }.get(result.kind, ["name", "value"])


def _boxes(result: PredictedBoxes) -> Table:
    from cnnviz.results.text import minus

    several = len(result.images) > 1
    rows = []
    for place, image in enumerate(result.images):
        for rank in range(result.shown_of(place)):
            corners = minus(", ".join(f"{value:.0f}" for value in result.boxes[place, rank]))
            row = [result.names[place][rank], result.said(place, rank), corners]
            rows.append([image, *row] if several else row)
    columns = ["class", "score", "box"]
    return (["photo", *columns] if several else columns), rows


def _networks(result: FamousNetworks) -> Table | None:
    from cnnviz.course.card_text import error_text
    from cnnviz.results.text import count

    if len(result.cards) <= _MOST_CARDS:
        return None
    rows: list[list[Any]] = []
    for card, one in zip(result.cards, result.measured, strict=True):
        uncounted = ["not counted"] * 3
        counted = uncounted if one is None else [one.depth, *map(count, (one.parameters, one.macs))]
        rows.append([card.title, card.load_name, card.year, *counted, error_text(card.top5)])
    figures = ("layers with weights", "parameters", "MACs", "top-5 error")
    return ["network", "--model", "year", *figures], rows


_TABLES: dict[str, Callable[[Any], Table | None]] = {
    "FamousNetworks": _networks,
    "Predictions": _predictions,
    "PredictedBoxes": _boxes,
    "PredictedMaps": _predictions,
}
