"""Making the further ticks of an axis from its first, as copies that are like it in all.

Matplotlib builds each tick anew, of three lines and two texts, and then gives these the properties
of the first tick: more than a tenth of the time of drawing a plot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def copied_ticks(axis: Any) -> dict[str, Callable[..., Any]]:
    """Return the methods of an axis by which it makes its ticks, by name, that copy the first one.

    What a copy holds in common with it are things that matplotlib replaces and never changes.
    """
    make, give = axis._get_tick, axis._copy_tick_props
    copies: set[int] = set()

    def tick(major: bool) -> Any:
        # Not asked for by the attribute, which makes a first tick where there is none.
        first, *_ = vars(axis).get("majorTicks" if major else "minorTicks") or [None]
        if first is None or any(text.get_bbox_patch() for text in (first.label1, first.label2)):
            return make(major)
        copy = _copied_tick(first)
        copies.add(id(copy))
        return copy

    def copy_props(source: Any, tick: Any) -> None:
        if id(tick) not in copies:
            give(source, tick)
        copies.discard(id(tick))

    return {"_get_tick": tick, "_copy_tick_props": copy_props}


def _copied_tick(first: Any) -> Any:
    tick = _copied(first)
    for name in ("tick1line", "tick2line", "gridline"):
        setattr(tick, name, line := _copied(getattr(first, name)))
        line._invalidx = line._invalidy = True
    for name in ("label1", "label2"):
        setattr(tick, name, text := _copied(getattr(first, name)))
        text._fontproperties = text._fontproperties.copy()
    return tick


def _copied(artist: Any) -> Any:
    """Return an artist of its own with the same attributes; `copy.copy` leaves out some."""
    from matplotlib.cbook import CallbackRegistry

    copy = object.__new__(type(artist))
    vars(copy).update(vars(artist))
    copy._callbacks = CallbackRegistry(signals=["pchanged"])
    return copy
