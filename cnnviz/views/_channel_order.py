"""Which channels of a layer are drawn, and in which order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from cnnviz.errors import UsageError
from cnnviz.introspection.unit_names import check_channels, read_channels
from cnnviz.units.projection import check_rule
from cnnviz.views.top_activations_search import Search

Order = Literal["contrast", "peak", "index"]
"""How the channels that are drawn first are chosen, see `ORDERS`."""
ORDERS: dict[str, str] = {
    "contrast": "those whose patches stand out most first (the least of their activations, as a "
    "multiple of the mean over all {noun}s of the largest in each)",
    "peak": "the largest activation first",
    "index": "by index",
}


def check_settings(rule: str, order: str) -> None:
    """Raise a `UsageError` unless patches can be projected, and channels ordered, in this way."""
    check_rule(rule)
    if order not in ORDERS:
        raise UsageError(f"There is no order {order!r}.", f"Choose {', '.join(ORDERS)}.")


def choose_channels(
    channels: int | str | Iterable[int] | None, top: int, order: Order, search: Search
) -> tuple[tuple[int, ...], str]:
    """Return the channels to draw, and how they were chosen."""
    words = ORDERS[order].format(noun=search.passage.model.space.noun)
    peaks = search.found.values[:, 0]
    if channels is not None:
        named = read_channels(channels)
        check_channels(named, len(peaks), search.passage.layer)
        return named, "those named"
    if order == "contrast":
        places = search.by_contrast()
    else:
        places = np.argsort(-peaks if order == "peak" else np.arange(len(peaks)), kind="stable")
    return tuple(int(place) for place in places[: top or len(peaks)]), words
