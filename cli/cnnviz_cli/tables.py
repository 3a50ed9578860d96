"""Results that are read as text: what the terminal shows of them besides the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnviz.results import Result
    from cnnviz.views.predictions import Predictions

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


def table_of(result: Result) -> Table | None:
    """Return the headings and rows of a result, or None for one that only a picture shows.

    A result may bring its own, as a method `table`.
    """
    own = getattr(result, "table", None)
    if callable(own):
        found: Table = own()
        return found
    # By name: the class would have to be imported, and with it torch.
    made = _TABLES.get(type(result).__name__)
    return None if made is None else made(result)


def _predictions(result: Predictions) -> Table:
    from cnnviz.views.predictions import percent

    several = len(result.images) > 1
    rows = []
    for place, image in enumerate(result.images):
        answers = zip(
            result.names[place], result.probabilities[place], result.logits[place], strict=True
        )
        for name, probability, logit in answers:
            row = [name, percent(float(probability)), f"{logit:.2f}"]
            rows.append([image, *row] if several else row)
    columns = ["class", "probability", "logit"]
    return (["photo", *columns] if several else columns), rows


_TABLES: dict[str, Callable[[Any], Table]] = {"Predictions": _predictions}
